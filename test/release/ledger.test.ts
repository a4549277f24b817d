import type { BuildKey, ImageId, ReleaseNumber } from '../../src/domain/ids.js';
import { parseCommitHash, parseProjectName } from '../../src/domain/ids.js';
import type { Route, RunConfig } from '../../src/domain/release.js';
import { createLedger, type Ledger, type ReleaseWanted } from '../../src/release/ledger.js';
import { createReleaseStore, type ReleaseStore } from '../../src/state/releases.js';
import { createRouteStore, type RouteStore } from '../../src/state/routes.js';
import { openTestDatabase } from '../support/database.js';
import { createFakeClock } from '../support/fake-clock.js';

const PROJECT = parseProjectName('shop');
const COMMIT = parseCommitHash('c'.repeat(40));
const IMAGE = `sha256:${'1'.repeat(64)}` as ImageId;
const OTHER_IMAGE = `sha256:${'2'.repeat(64)}` as ImageId;
const CONFIG: RunConfig = { port: null, readyTimeoutMs: 1, stopTimeoutMs: 1, memoryBytes: 1, cpus: 1, pids: 1, profile: 'compat', env: { FEATURE: 'on' } };

interface Shop extends AsyncDisposable {
  readonly ledger: Ledger;
  readonly releases: ReleaseStore;
  readonly routes: RouteStore;
  route(label: string): Promise<Route>;
}

async function openShop(): Promise<Shop> {
  const clock = createFakeClock();
  const database = await openTestDatabase(clock);
  const releases = createReleaseStore({ db: database.db, clock, vault: database.vault });
  const routes = createRouteStore({ db: database.db, clock });
  return {
    ledger: createLedger({ releases, routes }), releases, routes,
    route: (label) => routes.ensure({ project: PROJECT, kind: 'branch', label, environment: null, subject: label }),
    [Symbol.asyncDispose]: database[Symbol.asyncDispose],
  };
}

const wanted = (route: Route, other: Partial<ReleaseWanted> = {}): ReleaseWanted =>
  ({ route, commit: COMMIT, key: 'f'.repeat(64) as BuildKey, image: IMAGE, build: null, config: CONFIG, by: 'open', ...other });

describe('the ledger', () => {
  it('appends the first release of a route, without a parent', async () => {
    await using shop = await openShop();
    const route = await shop.route('branch-main');
    expect(await shop.ledger.current(route)).toBeUndefined();
    const release = await shop.ledger.ensure(wanted(route));
    expect(release).toMatchObject({ number: 1, route: route.id, reason: 'code', parent: null, by: 'open', config: CONFIG });
    expect(await shop.releases.find(PROJECT, release.number)).toEqual(release);
  });

  it('appends nothing for the same image and configuration, before and after it serves', async () => {
    await using shop = await openShop();
    const route = await shop.route('branch-main');
    const first = await shop.ledger.ensure(wanted(route));
    expect((await shop.ledger.ensure(wanted(route, { by: 'reset' }))).number).toBe(first.number);
    await shop.ledger.move(route.id, first);
    expect((await shop.ledger.ensure(wanted(route, { config: { ...CONFIG, env: { FEATURE: 'on' } } }))).number).toBe(first.number);
    expect(await shop.releases.ofRoute(route.id)).toHaveLength(1);
  });

  it('appends once for many who come at the same time', async () => {
    await using shop = await openShop();
    const route = await shop.route('branch-main');
    const numbers = await Promise.all(Array.from({ length: 50 }, async () => (await shop.ledger.ensure(wanted(route))).number));
    expect(new Set(numbers)).toEqual(new Set([1]));
  });

  it('says why: other settings are “config”, another image is “code”, and each names the one before', async () => {
    await using shop = await openShop();
    const route = await shop.route('branch-main');
    const changed = { ...CONFIG, memoryBytes: 2 };
    for (const each of [wanted(route), wanted(route, { config: changed }), wanted(route, { config: changed, image: OTHER_IMAGE })]) {
      await shop.ledger.move(route.id, await shop.ledger.ensure(each));
    }
    const chain = (await shop.releases.ofRoute(route.id)).map(({ number, reason, parent }) => [number, reason, parent]);
    expect(chain).toEqual([[3, 'code', 2], [2, 'config', 1], [1, 'code', null]]);
    expect((await shop.ledger.current(route))?.number).toBe(3);
  });

  it('names the release that serves as the parent, not one that never did', async () => {
    await using shop = await openShop();
    const route = await shop.route('branch-main');
    await shop.ledger.move(route.id, await shop.ledger.ensure(wanted(route)));
    const failed = await shop.ledger.ensure(wanted(route, { image: OTHER_IMAGE }));
    expect((await shop.ledger.ensure(wanted(route, { image: OTHER_IMAGE }))).number).toBe(failed.number);
    const next = await shop.ledger.ensure(wanted(route, { image: `sha256:${'3'.repeat(64)}` as ImageId }));
    expect([failed.parent, next.number, next.parent]).toEqual([1, 3, 1]);
  });

  it('goes back to the release that serves when the wanted image is the old one again', async () => {
    await using shop = await openShop();
    const route = await shop.route('branch-main');
    const first = await shop.ledger.ensure(wanted(route));
    await shop.ledger.move(route.id, first);
    await shop.ledger.ensure(wanted(route, { image: OTHER_IMAGE }));
    expect((await shop.ledger.ensure(wanted(route))).number).toBe(first.number);
    expect(await shop.releases.ofRoute(route.id)).toHaveLength(2);
  });

  it('numbers the releases of all routes of a project in one row, also at the same time', async () => {
    await using shop = await openShop();
    const routes = await Promise.all(['branch-a', 'branch-b', 'branch-c', 'branch-d'].map((label) => shop.route(label)));
    const numbers = await Promise.all(routes.map(async (route) => (await shop.ledger.ensure(wanted(route))).number));
    expect(numbers.toSorted()).toEqual([1, 2, 3, 4]);
    const elsewhere = await shop.routes.ensure({ project: parseProjectName('other'), kind: 'branch', label: 'branch-a', environment: null, subject: 'a' });
    expect((await shop.ledger.ensure(wanted(elsewhere))).number).toBe(1);
    for (const [index, route] of routes.entries()) expect(await shop.releases.latestOfRoute(route.id)).toMatchObject({ number: numbers[index], parent: null });
  });

  it('moves a route, and writes history only when it changes', async () => {
    await using shop = await openShop();
    const route = await shop.route('branch-main');
    const release = await shop.ledger.ensure(wanted(route));
    await shop.routes.setLastError(route.id, { code: 'crashed', message: 'It exited.', at: 1 });
    await shop.ledger.move(route.id, release);
    const moved = await shop.routes.find(route.id);
    expect(moved).toMatchObject({ current: release.number, lastError: null });
    await shop.routes.setLastError(route.id, { code: 'crashed', message: 'It exited.', at: 2 });
    await shop.ledger.move(route.id, release);
    expect((await shop.routes.find(route.id))?.lastError).toMatchObject({ at: 2 });
  });

  it('serves nothing when the route is unknown', async () => {
    await using shop = await openShop();
    const route = await shop.route('branch-main');
    expect(await shop.ledger.current({ ...route, id: 'r_0' as Route['id'], current: 1 as ReleaseNumber })).toBeUndefined();
  });
});
