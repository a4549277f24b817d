import { sql } from 'kysely';
import type { ReleaseNumber, RouteId } from '../../src/domain/ids.js';
import type { Clock } from '../../src/kernel/clock.js';
import type { Db } from '../../src/state/database.js';
import { createReleaseStore, type ReleaseSearch } from '../../src/state/releases.js';
import { createRouteStore } from '../../src/state/routes.js';
import type { Vault } from '../../src/state/vault.js';
import { openTestDatabase, refusalOf } from '../support/database.js';
import { BLOG, CONFIG, image, newRelease, newRoute, OTHER_COMMIT, SHOP } from './samples.js';

describe('releases', () => {
  const withRoute = async (opened: { db: Db; clock: Clock; vault: Vault }) => ({
    releases: createReleaseStore(opened), route: (await createRouteStore(opened).ensure(newRoute())).id,
  });

  it('are numbered without gaps, however many are appended at the same time', async () => {
    await using opened = await openTestDatabase();
    const { releases, route } = await withRoute(opened);
    const appended = await Promise.all(Array.from({ length: 20 }, () => releases.append(newRelease(route))));
    expect(appended.map(({ number }) => Number(number)).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    const other = await createRouteStore(opened).ensure(newRoute({ project: BLOG }));
    expect((await releases.append(newRelease(other.id, { project: BLOG }))).number).toBe(1);
  });

  it('come back as they were appended, with their settings', async () => {
    await using opened = await openTestDatabase();
    const { releases, route } = await withRoute(opened);
    const first = await releases.append(newRelease(route));
    const second = await releases.append(newRelease(route, { parent: first.number, rollbackOf: first.number, reason: 'rollback', version: '1.2.3', config: { ...CONFIG, port: 80 } }));
    expect(await releases.find(SHOP, second.number)).toEqual(second);
    expect(second).toMatchObject({ number: 2, parent: 1, rollbackOf: 1, config: { port: 80 }, createdAt: opened.clock.now() });
    expect(first.configHash).not.toBe(second.configHash);
    expect(await releases.latestOfRoute(route)).toEqual(second);
    expect(await releases.ofRoute(route)).toEqual([second, first]);
    expect([await releases.find(BLOG, first.number), await releases.latestOfRoute('r_unknown' as RouteId)]).toEqual([undefined, undefined]);
  });

  it('share equal settings', async () => {
    await using opened = await openTestDatabase();
    const { releases, route } = await withRoute(opened);
    await releases.append(newRelease(route));
    await releases.append(newRelease(route, { image: image('2') }));
    expect(await opened.db.selectFrom('configurations').select('hash').execute()).toHaveLength(1);
  });

  it('never change and never go: the database itself refuses', async () => {
    await using opened = await openTestDatabase();
    const { releases, route } = await withRoute(opened);
    const release = await releases.append(newRelease(route));
    expect(await refusalOf(opened.db.updateTable('releases').set({ image: image('2') }).execute())).toContain('releases are append-only');
    expect(await refusalOf(opened.db.deleteFrom('releases').execute())).toContain('releases are append-only');
    expect(await refusalOf(opened.db.replaceInto('releases').values({ ...(await opened.db.selectFrom('releases').selectAll().executeTakeFirstOrThrow()), image: image('2') }).execute())).toContain('releases are append-only');
    expect(await releases.find(SHOP, release.number)).toEqual(release);
  });

  it('X8: are not replaced by a client that has no recursive triggers either, nor are their settings', async () => {
    await using opened = await openTestDatabase();
    const { releases, route } = await withRoute(opened);
    const release = await releases.append(newRelease(route));
    await sql`PRAGMA recursive_triggers = OFF`.execute(opened.db);
    const row = await opened.db.selectFrom('releases').selectAll().executeTakeFirstOrThrow();
    const configuration = await opened.db.selectFrom('configurations').selectAll().executeTakeFirstOrThrow();
    expect(await refusalOf(opened.db.replaceInto('releases').values({ ...row, image: image('2') }).execute())).toContain('releases are append-only');
    expect(await refusalOf(sql`INSERT OR REPLACE INTO releases (rowid, project, number, route, image, config_hash, reason, by_whom, created_at)
      VALUES (1, 'elsewhere', 9, ${route}, 'i', ${row.config_hash}, 'code', 'mallory', 0)`.execute(opened.db))).toContain('releases are append-only');
    expect(await refusalOf(opened.db.replaceInto('configurations').values({ ...configuration, body_json: '{}' }).execute())).toContain('configurations are append-only');
    await opened.db.replaceInto('configurations').values({ ...configuration, secrets: null, created_at: 1 }).execute();
    expect(await opened.db.selectFrom('configurations').selectAll().execute()).toEqual([configuration]);
    expect(await releases.ofRoute(route)).toEqual([release]);
    // What is appended with settings that are there already is no replacement.
    expect((await releases.append(newRelease(route, { image: image('2') }))).configHash).toBe(release.configHash);
  });

  it('belong to a route that is there', async () => {
    await using opened = await openTestDatabase();
    const { releases } = await withRoute(opened);
    expect(await refusalOf(releases.append(newRelease('r_unknown' as RouteId)))).toContain('FOREIGN KEY');
    expect(await releases.count({ projects: [SHOP], route: undefined, text: '' })).toBe(0);
  });
});

describe('the list of releases', () => {
  const ALL: ReleaseSearch = { projects: [SHOP], route: undefined, text: '' };

  const withSome = async (opened: { db: Db; clock: Clock; vault: Vault }) => {
    const [releases, routes] = [createReleaseStore(opened), createRouteStore(opened)];
    const dev = await routes.ensure(newRoute({ kind: 'stage', label: 'dev', subject: 'dev' }));
    const branch = await routes.ensure(newRoute({ label: 'branch-fix-cart', subject: 'fix/cart_50%' }));
    const other = await routes.ensure(newRoute({ project: BLOG, kind: 'stage', label: 'dev', subject: 'dev' }));
    await releases.append(newRelease(dev.id, { by: 'alice' }));
    await releases.append(newRelease(branch.id, { by: 'ci', commit: OTHER_COMMIT, image: image('2') }));
    await releases.append(newRelease(other.id, { project: BLOG, by: 'alice' }));
    await releases.append(newRelease(dev.id, { by: '50%', reason: 'rollback', rollbackOf: 1 as ReleaseNumber, image: image('3') }));
    const found = async (of: Partial<ReleaseSearch>, part = { offset: 0, limit: 50 }) => {
      const listed = await releases.search({ ...ALL, ...of }, part);
      return listed.map(({ release, route }) => `${release.project} v${release.number} ${route.label}`);
    };
    return { releases, routes, dev, found, count: (of: Partial<ReleaseSearch>) => releases.count({ ...ALL, ...of }) };
  };

  it('is of one project or several, of one route or all, the newest first, with what the route serves', async () => {
    await using opened = await openTestDatabase();
    const { releases, routes, dev, found, count } = await withSome(opened);
    expect(await found({})).toEqual(['shop v3 dev', 'shop v2 branch-fix-cart', 'shop v1 dev']);
    expect(await found({ route: 'dev' })).toEqual(['shop v3 dev', 'shop v1 dev']);
    expect(await found({ projects: [SHOP, BLOG] })).toHaveLength(4);
    expect(await found({ projects: [SHOP, BLOG], route: 'dev' })).toHaveLength(3);
    expect(await found({ route: 'nothing' })).toEqual([]);
    expect([await count({}), await count({ route: 'dev' }), await count({ projects: [SHOP, BLOG] }), await count({ route: 'nothing' })]).toEqual([3, 2, 4, 0]);
    await routes.move(dev.id, { release: 1 as ReleaseNumber, reason: 'code' });
    const [newest, oldest] = await releases.search({ ...ALL, route: 'dev' }, { offset: 0, limit: 2 });
    expect([newest?.route, oldest?.release]).toEqual([{ kind: 'stage', label: 'dev', subject: 'dev', environment: null, current: 1 }, await releases.find(SHOP, 1 as ReleaseNumber)]);
  });

  it('comes in parts that leave nothing out and repeat nothing', async () => {
    await using opened = await openTestDatabase();
    const { found } = await withSome(opened);
    for (const wanted of [{}, { projects: [SHOP, BLOG] }, { text: 'dev' }]) {
      const whole = await found(wanted);
      const parts = await Promise.all(whole.map((_each, offset) => found(wanted, { offset, limit: 1 })));
      expect(parts.flat()).toEqual(whole);
    }
    expect(await found({}, { offset: 3, limit: 50 })).toEqual([]);
  });

  it.each([
    ['v2', ['v2']], ['ALICE', ['v1']], ['rollback', ['v3']], ['b'.repeat(12), ['v2']], ['sha256:333', ['v3']], ['fix/cart', ['v2']], ['BRANCH-FIX', ['v2']], ['dev', ['v3', 'v1']], ['shop', ['v3', 'v2', 'v1']],
    ['50%', ['v3', 'v2']], ['%', ['v3', 'v2']], ['_', ['v2']], ['\\', []], ["' OR 1=1 --", []], ['blog', []],
  ])('finds %s', async (text, expected) => {
    await using opened = await openTestDatabase();
    const { found, count } = await withSome(opened);
    expect([(await found({ text })).map((each) => each.split(' ')[1]), await count({ text })]).toEqual([expected, expected.length]);
  });

  it('keeps its speed with ten thousand, also on its last page', async () => {
    await using opened = await openTestDatabase();
    const { releases, dev } = await withSome(opened);
    await sql`INSERT INTO releases WITH RECURSIVE n (n) AS (SELECT 4 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
      SELECT project, n, CASE WHEN n % 3 = 0 THEN ${dev.id} ELSE route END, build, image, commit_hash, upload, key, config_hash, environment, reason, by_whom, parent, rollback_of, version, created_at + n
      FROM releases, n WHERE project = 'shop' AND number = 2`.execute(opened.db);
    const fastest = async (work: () => Promise<unknown>) => {
      const times: number[] = [];
      for (let again = 0; again < 5; again += 1) { const since = performance.now(); await work(); times.push(performance.now() - since); }
      return Math.min(...times);
    };
    expect(await releases.count(ALL)).toBe(10_000);
    for (const wanted of [ALL, { ...ALL, route: 'dev' }, { ...ALL, text: 'v77' }, { ...ALL, text: 'nothing like it' }, { ...ALL, projects: [SHOP, BLOG] }]) {
      for (const offset of [0, 3_300]) expect([wanted, offset, await fastest(() => releases.search(wanted, { offset, limit: 50 })) < 100]).toEqual([wanted, offset, true]);
      expect([wanted, await fastest(() => releases.count(wanted)) < 100]).toEqual([wanted, true]);
    }
  });
});

describe('when a route moved', () => {
  it('is known from its history, and of none that never served', async () => {
    await using opened = await openTestDatabase();
    const routes = createRouteStore(opened);
    const { id } = await routes.ensure(newRoute());
    expect(await routes.movedAt(id)).toBeUndefined();
    await routes.move(id, { release: 1 as ReleaseNumber, reason: 'code' });
    await opened.clock.advance(5_000);
    const now = opened.clock.now();
    await routes.move(id, { release: 2 as ReleaseNumber, reason: 'code' });
    await opened.clock.advance(5_000);
    expect(await routes.movedAt(id)).toBe(now);
  });
});
