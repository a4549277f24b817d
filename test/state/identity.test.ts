import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readIdentity } from '../../src/state/identity.js';
import { createTestFolder } from '../support/git.js';

const FILES = ['instance', 'session-secret', 'token'];

describe('the identity of a server', () => {
  it('is made on the first start, in files that only its owner can read', () => {
    using parent = createTestFolder();
    const folder = join(parent.path, 'state');
    const identity = readIdentity(folder, undefined);
    expect(identity).toEqual({
      instance: expect.stringMatching(/^[0-9a-f]{8}$/) as string, sessionSecret: expect.stringMatching(/^[0-9a-f]{64}$/) as string, token: expect.stringMatching(/^slw_[0-9a-f]{64}$/) as string,
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
    expect(readdirSync(folder.path).sort()).toEqual(['instance', 'session-secret']);
  });

  it('takes a token that its owner wrote', () => {
    using folder = createTestFolder();
    writeFileSync(join(folder.path, 'token'), 'written-by-hand-1234\n\n');
    expect(readIdentity(folder.path, undefined).token).toBe('written-by-hand-1234');
  });

  it.each([['', 'is empty'], ['\n', 'is empty'], ['short', 'holds no token'], ['two words and some more', 'holds no token']])('does not replace a token file that holds none: %j', (text, fault) => {
    using folder = createTestFolder();
    const path = join(folder.path, 'token');
    writeFileSync(path, text);
    expect(() => readIdentity(folder.path, undefined)).toThrow(`The file ${path} ${fault}: write one of 16 characters or more without blanks into it, or delete it and a new one is made.`);
    expect(readFileSync(path, 'utf8')).toBe(text);
    expect(readIdentity(folder.path, 'configured-token-of-mine').token).toBe('configured-token-of-mine');
  });

  it('names a file that cannot be read or written, with the reason', () => {
    using folder = createTestFolder();
    mkdirSync(join(folder.path, 'instance'));
    expect(() => readIdentity(folder.path, undefined)).toThrow(`Slipway does not start, as ${folder.path}/instance cannot be used: it is a folder`);
    mkdirSync(join(folder.path, 'full', 'token.new'), { recursive: true });
    expect(() => readIdentity(join(folder.path, 'full'), undefined)).toThrow('full/token cannot be used');
  });

  it('makes a missing token anew', () => {
    using folder = createTestFolder();
    const before = readIdentity(folder.path, undefined);
    rmSync(join(folder.path, 'token'));
    expect(readIdentity(folder.path, undefined).token).not.toBe(before.token);
  });

  it.each(['instance', 'session-secret'])('makes anew what is missing, and only that, without a word: %s', (name) => {
    using folder = createTestFolder();
    const before = readIdentity(folder.path, undefined);
    rmSync(join(folder.path, name));
    const said: string[] = [];
    const after = readIdentity(folder.path, undefined, (message) => { said.push(message); });
    const same = { instance: after.instance === before.instance, 'session-secret': after.sessionSecret === before.sessionSecret, token: after.token === before.token };
    expect(same).toEqual({ instance: true, 'session-secret': true, token: true, [name]: false });
    expect(said).toEqual([]);
  });

  it.each(['', 'short', 'f'.repeat(20)])('makes a damaged session secret anew, and says so: %j', (text) => {
    using folder = createTestFolder();
    const before = readIdentity(folder.path, undefined);
    const path = join(folder.path, 'session-secret');
    writeFileSync(path, text);
    const said: string[] = [];
    const after = readIdentity(folder.path, undefined, (message) => { said.push(message); });
    expect(after).toEqual({ ...before, sessionSecret: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
    expect(said).toEqual([`The file ${path} was damaged and is made anew: sessions begin again.`]);
    expect(readFileSync(path, 'utf8')).toBe(`${after.sessionSecret}\n`);
  });

  it.each([['', 'is empty'], ['\n', 'is empty'], ['short', 'is damaged'], ['ABCDEF01', 'is damaged'], ['abcdef012', 'is damaged']])('does not replace an instance file that holds no id, as all its containers would be a stranger’s: %j', (text, fault) => {
    using folder = createTestFolder();
    const { instance } = readIdentity(folder.path, undefined);
    const path = join(folder.path, 'instance');
    writeFileSync(path, text);
    expect(() => readIdentity(folder.path, undefined)).toThrow(`The file ${path} ${fault}: write the 8 hexadecimal digits into it that the images and containers of this server have as their label slipway.instance, or delete it and begin anew, without them.`);
    expect(readFileSync(path, 'utf8')).toBe(text);
    writeFileSync(path, instance);
    expect(readIdentity(folder.path, undefined).instance).toBe(instance);
  });
});
