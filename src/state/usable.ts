import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../domain/errors.js';
import { errorCode } from '../kernel/error-code.js';

/** What people call it, by the code of the system or of SQLite. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/^(?:SQLITE_FULL|SQLITE_IOERR_SHMSIZE|ENOSPC|EDQUOT)$/, 'its disk is full; make room on it'],
  [/^(?:EACCES|EPERM|SQLITE_PERM)/, 'this user may not read and write it; give it to the user that runs Slipway'],
  [/^(?:EROFS|SQLITE_READONLY)/, 'it is read-only; make it writable, or give another --state-dir'],
  [/^(?:EISDIR|ENOTDIR)$/, 'it is a folder, or lies below a file; move that away'],
  [/^SQLITE_(?:BUSY|LOCKED)/, 'another program uses it; end that'],
];

/** The refusal to start with a file or folder that cannot be used now: its name and the reason, nothing of it being touched. */
export function unusable(path: string, error: unknown): AppError {
  const code = errorCode(error);
  const [, reason] = REASONS.find(([codes]) => codes.test(code)) ?? [code, String(error).replace(/^\w*Error: /, '')];
  return new AppError('internal', `Slipway does not start, as ${path} cannot be used: ${reason}${code === '' ? '' : ` (${code})`}. Nothing of it was changed.`, { cause: error });
}

/** @throws AppError `internal` naming the folder, or the first of its files that is there, that this user cannot read and write */
export function assertUsable(folder: string, names: readonly string[]): void {
  const { R_OK, W_OK, X_OK } = constants;
  for (const path of [folder, ...names.map((name) => join(folder, name))].filter((each) => existsSync(each))) {
    try {
      // None is opened: closing it would drop the locks that this process holds on it.
      accessSync(path, R_OK | W_OK | (path === folder ? X_OK : 0));
    } catch (error) {
      throw unusable(path, error);
    }
    if (path !== folder && statSync(path).isDirectory()) throw unusable(path, { code: 'EISDIR' });
  }
}
