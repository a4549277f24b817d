import { unusable } from '../../src/state/usable.js';

describe('a file of the state directory that cannot be used', () => {
  it.each([
    ['SQLITE_FULL', 'its disk is full; make room on it'], ['SQLITE_IOERR_SHMSIZE', 'its disk is full'], ['ENOSPC', 'its disk is full'],
    ['EACCES', 'this user may not read and write it'], ['SQLITE_PERM', 'this user may not'], ['EROFS', 'it is read-only'], ['SQLITE_READONLY_DIRECTORY', 'it is read-only'],
    ['SQLITE_BUSY_RECOVERY', 'another program uses it'], ['SQLITE_CANTOPEN', 'what SQLite said'], ['EIO', 'what SQLite said'],
  ])('is told by its reason: %s', (code, reason) => {
    const error = Object.assign(new Error('what SQLite said'), { code });
    const { message, cause } = unusable('/s/slipway.db', error);
    expect(message.startsWith(`Slipway does not start, as /s/slipway.db cannot be used: ${reason}`)).toBe(true);
    expect(message.endsWith(` (${code}). Nothing of it was changed.`)).toBe(true);
    expect(cause).toBe(error);
  });
});
