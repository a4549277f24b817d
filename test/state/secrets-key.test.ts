import { chmodSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSecretsKey } from '../../src/state/secrets-key.js';
import { createSettingStore } from '../../src/state/settings.js';
import { createVault } from '../../src/state/vault.js';
import { openTestDatabase, refusalOf, type TestDatabase } from '../support/database.js';
import { SHOP } from './samples.js';

const SCOPE = { kind: 'project' } as const;
const fileIn = ({ folder }: TestDatabase) => join(folder, 'secrets-key');
const keysIn = ({ folder }: TestDatabase) => readdirSync(folder).filter((name) => name.startsWith('secrets-key')).sort();
const settingsWith = (database: TestDatabase, key: string) => createSettingStore({ ...database, vault: createVault(key) });

/** Keeps a secret as a server does that has just started. */
async function keepSecret(database: TestDatabase, value: string): Promise<string> {
  const key = await readSecretsKey(database);
  await settingsWith(database, key).change({ project: SHOP, scope: SCOPE, by: 'alice' }, [{ kind: 'set', name: 'TOKEN', value, secret: true }]);
  return key;
}

describe('X12: the key of the secrets', () => {
  let database: TestDatabase;
  beforeEach(async () => { database = await openTestDatabase(); });
  afterEach(() => database[Symbol.asyncDispose]());

  it('is made where there are no secrets, for its owner only, and stays', async () => {
    const key = await readSecretsKey(database);
    expect(key).toMatch(/^[0-9a-f]{64}$/);
    expect(statSync(fileIn(database)).mode & 0o777).toBe(0o600);
    expect(await readSecretsKey(database)).toBe(key);
    rmSync(fileIn(database));
    expect(await readSecretsKey(database)).not.toBe(key);
    expect(database.log.recent()).toEqual([]);
  });

  const losses: readonly (readonly [string, (file: string) => void, string])[] = [
    ['is missing', (file) => { rmSync(file); }, 'make an empty file'],
    ['opens none of them', (file) => { writeFileSync(file, '0'.repeat(64)); }, 'rename it to'],
    ['is damaged', (file) => { writeFileSync(file, 'not a key'); }, 'rename it to'],
    ['is damaged', (file) => { writeFileSync(file, ''); }, 'rename it to'],
  ];

  it.each(losses)('is not replaced while there are: the refusal names the file that %s, and both ways on', async (fault, lose, way) => {
    await keepSecret(database, 's3cr3t');
    const file = fileIn(database);
    lose(file);
    const before = keysIn(database).map((name) => readFileSync(join(database.folder, name), 'utf8'));
    for (const _start of [1, 2]) {
      expect(await refusalOf(readSecretsKey(database))).toBe(`AppError: The secrets in the records can be read with the file ${file} alone, and that ${fault}. Nothing was changed: bring it back from a backup. `
        + `To go on without them, ${way} ${file}.lost, start again and set each secret anew.`);
    }
    expect(keysIn(database).map((name) => readFileSync(join(database.folder, name), 'utf8'))).toEqual(before);
  });

  it('counts as missing also where only frozen configurations hold secrets', async () => {
    await database.db.insertInto('configurations').values({ hash: 'x', body_json: '{}', secrets: createVault('1'.repeat(64)).seal('{}'), created_at: 1 }).execute();
    expect(await refusalOf(readSecretsKey(database))).toContain('is missing');
    writeFileSync(fileIn(database), '1'.repeat(64));
    expect(await readSecretsKey(database)).toBe('1'.repeat(64));
  });

  it('may be given up by a person: what was kept is lost until it is set again, and a next loss is refused again', async () => {
    const first = await keepSecret(database, 's3cr3t');
    const file = fileIn(database);
    renameSync(file, `${file}.lost`);
    const second = await readSecretsKey(database);
    expect(second).not.toBe(first);
    expect(await readSecretsKey(database)).toBe(second);
    expect(database.log.recent().map(({ level, message }) => [level, message])).toEqual(Array(2).fill(['warn', 'secrets that were kept with a lost key cannot be read: set them again']));
    expect(await refusalOf(settingsWith(database, second).values(SHOP, SCOPE))).toContain('set the secret again');
    expect(await keepSecret(database, 'another')).toBe(second);
    expect(await readSecretsKey(database)).toBe(second);
    expect((await settingsWith(database, second).values(SHOP, SCOPE)).secrets.TOKEN?.value).toBe('another');
    // The old key is still there for whoever wants it.
    const aside = `secrets-key.lost-${database.clock.now()}`;
    expect(keysIn(database)).toEqual(['secrets-key', aside]);
    expect(readFileSync(join(database.folder, aside), 'utf8').trim()).toBe(first);
    rmSync(file);
    expect(await refusalOf(readSecretsKey(database))).toContain('is missing');
  });

  it('is warned of where others of the machine can read it', async () => {
    await readSecretsKey(database);
    chmodSync(fileIn(database), 0o644);
    await readSecretsKey(database);
    expect(database.log.recent().map(({ level, message, fields }) => [level, message, fields])).toEqual([['warn', `the key of the secrets is open to others of this machine: chmod 600 ${fileIn(database)}`, { mode: '644' }]]);
  });
});
