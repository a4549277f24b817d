import { sql } from 'kysely';
import { parseEnvironmentName } from '../../src/domain/ids.js';
import type { Scope } from '../../src/domain/project.js';
import { createSettingStore } from '../../src/state/settings.js';
import { createReleaseStore } from '../../src/state/releases.js';
import { createRouteStore } from '../../src/state/routes.js';
import { createVault } from '../../src/state/vault.js';
import { openTestDatabase } from '../support/database.js';
import { BLOG, newRelease, newRoute, SHOP } from './samples.js';

const WHOLE: Scope = { kind: 'project' };
const DEV: Scope = { kind: 'stage', name: 'dev' };
const JETPACK: Scope = { kind: 'environment', name: parseEnvironmentName('dev') };
const put = (name: string, value: string, secret = false) => ({ kind: 'set', name, value, secret }) as const;
const drop = (name: string) => ({ kind: 'unset', name }) as const;

describe('settings', () => {
  it('are what was last said in each scope', async () => {
    await using opened = await openTestDatabase();
    const settings = createSettingStore(opened);
    const change = (scope: Scope, ...changes: Parameters<typeof settings.change>[1]) => settings.change({ project: SHOP, scope, by: 'alice' }, changes);
    expect(await change(WHOLE, put('A', '1'), put('B', '2'))).toBe(true);
    expect(await change(DEV, put('A', 'dev'))).toBe(true);
    expect(await change(JETPACK, put('A', 'environment of that name'))).toBe(true);
    expect(await change(WHOLE, put('A', '1'))).toBe(false);
    expect(await change(WHOLE, drop('B'), drop('NOBODY'))).toBe(true);
    expect(await change(WHOLE, drop('B'))).toBe(false);
    expect(await settings.values(SHOP, WHOLE)).toEqual({ env: { A: '1' }, secrets: {} });
    expect(await settings.values(SHOP, DEV)).toEqual({ env: { A: 'dev' }, secrets: {} });
    expect(await settings.list(SHOP, JETPACK)).toEqual([{ name: 'A', value: 'environment of that name', digest: null, at: opened.clock.now(), by: 'alice' }]);
    expect(await settings.values(BLOG, WHOLE)).toEqual({ env: {}, secrets: {} });
  });

  it('X12: of a secret the list has a digest, and the file has nothing to read', async () => {
    await using opened = await openTestDatabase();
    const settings = createSettingStore(opened);
    const change = (value: string, secret = true) => settings.change({ project: SHOP, scope: DEV, by: 'alice' }, [put('TOKEN', value, secret)]);
    expect(await change('s3cr3t')).toBe(true);
    expect(await change('s3cr3t')).toBe(false);
    const [first] = await settings.list(SHOP, DEV);
    expect(first).toMatchObject({ name: 'TOKEN', value: null, digest: opened.vault.digest('s3cr3t') });
    expect(await settings.values(SHOP, DEV)).toEqual({ env: {}, secrets: { TOKEN: { value: 's3cr3t', digest: opened.vault.digest('s3cr3t') } } });
    expect(await change('s3cr3t', false)).toBe(true);
    const rows = await sql`SELECT * FROM setting_changes`.execute(opened.db);
    expect(JSON.stringify(rows.rows[0])).not.toContain('s3cr3t');
  });

  it('X12: a release has its secrets as they were, encrypted', async () => {
    await using opened = await openTestDatabase();
    const route = await createRouteStore(opened).ensure(newRoute());
    const releases = createReleaseStore(opened);
    const release = await releases.append(newRelease(route.id, { secrets: { TOKEN: 's3cr3t' } }));
    expect(await releases.secretsOf(release)).toEqual({ TOKEN: 's3cr3t' });
    expect(JSON.stringify(await releases.find(SHOP, release.number))).not.toContain('s3cr3t');
    const { rows } = await sql<{ secrets: Buffer }>`SELECT secrets FROM configurations`.execute(opened.db);
    expect(rows[0]?.secrets.includes('s3cr3t')).toBe(false);
    const other = createReleaseStore({ ...opened, vault: createVault('1'.repeat(64)) });
    await expect(other.secretsOf(release)).rejects.toThrow('secrets-key');
  });
});

describe('the vault', () => {
  it('seals the same text differently each time, and opens what it sealed', () => {
    const vault = createVault('2'.repeat(64));
    const [one, two] = [vault.seal('ö'), vault.seal('ö')];
    expect(one.equals(two)).toBe(false);
    expect([vault.open(one), vault.open(two)]).toEqual(['ö', 'ö']);
    expect(vault.digest('a')).toBe(vault.digest('a'));
    expect(vault.digest('a')).not.toBe(createVault('3'.repeat(64)).digest('a'));
  });

  it('opens nothing that was changed', () => {
    const vault = createVault('2'.repeat(64));
    const sealed = vault.seal('text');
    sealed[sealed.length - 1] = (sealed.at(-1) ?? 0) ^ 1;
    expect(() => vault.open(sealed)).toThrow('secrets-key');
    expect(() => vault.open(Buffer.from('short'))).toThrow('secrets-key');
  });
});
