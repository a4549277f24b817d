import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readIdentity } from '../../src/state/identity.js';
import { createTestFolder } from '../support/git.js';

const FILES = ['instance', 'secrets-key', 'session-secret', 'token'];

describe('the identity of a server', () => {
  it('X12: refuses a damaged key of the secrets instead of making another one', () => {
    using folder = createTestFolder();
    readIdentity(folder.path, undefined);
    writeFileSync(join(folder.path, 'secrets-key'), 'not a key');
    expect(() => readIdentity(folder.path, undefined)).toThrow('secrets-key is damaged');
    expect(readFileSync(join(folder.path, 'secrets-key'), 'utf8')).toBe('not a key');
  });

  it('is made on the first start, in files that only its owner can read', () => {
    using parent = createTestFolder();
    const folder = join(parent.path, 'state');
    const identity = readIdentity(folder, undefined);
    expect(identity).toEqual({
      instance: expect.stringMatching(/^[0-9a-f]{8}$/) as string, sessionSecret: expect.stringMatching(/^[0-9a-f]{64}$/) as string, token: expect.stringMatching(/^slw_[0-9a-f]{64}$/) as string,
      secretsKey: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    expect(readdirSync(folder).sort()).toEqual(FILES);
    expect(FILES.map((name) => statSync(join(folder, name)).mode & 0o777)).toEqual(FILES.map(() => 0o600));
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(folder, 'token'), 'utf8')).toBe(`${identity.token}\n`);
  });

  it('is the same at each start, and another one for another server', () => {
    using one = createTestFolder();
    using other = createTestFolder();
    const identity = readIdentity(one.path, undefined);
    expect(readIdentity(one.path, undefined)).toEqual(identity);
    const second = readIdentity(other.path, undefined);
    expect([second.instance === identity.instance, second.sessionSecret === identity.sessionSecret, second.token === identity.token]).toEqual([false, false, false]);
  });

  it('has the configured token, which is written nowhere', () => {
    using folder = createTestFolder();
    expect(readIdentity(folder.path, 'configured-token-of-mine').token).toBe('configured-token-of-mine');
    expect(readdirSync(folder.path).sort()).toEqual(['instance', 'secrets-key', 'session-secret']);
  });

  it('takes a token that its owner wrote', () => {
    using folder = createTestFolder();
    writeFileSync(join(folder.path, 'token'), 'written-by-hand-1234\n\n');
    expect(readIdentity(folder.path, undefined).token).toBe('written-by-hand-1234');
  });

  it.each(FILES.filter((name) => name !== 'secrets-key'))('makes anew what is missing or spoilt, and only that: %s', (name) => {
    using folder = createTestFolder();
    const before = readIdentity(folder.path, undefined);
    for (const spoil of [() => { rmSync(join(folder.path, name)); }, () => { writeFileSync(join(folder.path, name), 'short'); }, () => { writeFileSync(join(folder.path, name), ''); }]) {
      spoil();
      const after = readIdentity(folder.path, undefined);
      const same = { instance: after.instance === before.instance, 'session-secret': after.sessionSecret === before.sessionSecret, token: after.token === before.token };
      expect(same).toEqual({ instance: true, 'session-secret': true, token: true, [name]: false });
    }
  });
});
