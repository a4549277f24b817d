import type { RouteId } from '../../src/domain/ids.js';
import type { Clock } from '../../src/kernel/clock.js';
import type { Db } from '../../src/state/database.js';
import { createReleaseStore } from '../../src/state/releases.js';
import { createRouteStore } from '../../src/state/routes.js';
import type { Vault } from '../../src/state/vault.js';
import { openTestDatabase, refusalOf } from '../support/database.js';
import { BLOG, CONFIG, image, newRelease, newRoute, SHOP } from './samples.js';

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
    expect((await releases.list(SHOP, 10)).map(({ number }) => number)).toEqual([2, 1]);
    expect(await releases.list(SHOP, 1)).toHaveLength(1);
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

  it('belong to a route that is there', async () => {
    await using opened = await openTestDatabase();
    const { releases } = await withRoute(opened);
    expect(await refusalOf(releases.append(newRelease('r_unknown' as RouteId)))).toContain('FOREIGN KEY');
    expect(await releases.list(SHOP, 10)).toEqual([]);
  });
});
