import { sql } from 'kysely';
import type { BuildId, ReleaseNumber, RouteId } from '../../src/domain/ids.js';
import { createBuildStore } from '../../src/state/builds.js';
import { createImageStore } from '../../src/state/images.js';
import { createRouteStore } from '../../src/state/routes.js';
import { createSessionRecords } from '../../src/state/sessions.js';
import { createSourceKeyStore } from '../../src/state/source-keys.js';
import { openTestDatabase, refusalOf } from '../support/database.js';
import { BLOG, COMMIT, image, KEY, newBuild, newRoute, OTHER_COMMIT, OTHER_KEY, RECIPE, SHOP } from './samples.js';

describe('build records', () => {
  it('come back as they were written, with id and time', async () => {
    await using opened = await openTestDatabase();
    const builds = createBuildStore(opened);
    const build = await builds.add(newBuild({ noCache: true, trigger: 'reset', attempt: 2 }));
    expect(build).toEqual({
      id: expect.stringMatching(/^b_[0-9A-HJKMNP-TV-Z]{26}$/) as BuildId, project: SHOP, commit: COMMIT, key: KEY, recipe: RECIPE, status: 'queued', trigger: 'reset', noCache: true,
      attempt: 2, queuedAt: opened.clock.now(), startedAt: null, finishedAt: null, image: null, reusedFrom: null, error: null,
    });
    expect(await builds.find(build.id)).toEqual(build);
    expect(await builds.find('b_unknown' as BuildId)).toBeUndefined();
  });

  it('change in what is given and in nothing else', async () => {
    await using opened = await openTestDatabase();
    const builds = createBuildStore(opened);
    const { id } = await builds.add(newBuild());
    const other = await builds.add(newBuild());
    await builds.change(id, { status: 'building', startedAt: 5 });
    const failed = await builds.change(id, { status: 'failed', finishedAt: 9, error: { code: 'build_failed', message: 'RUN exit 1: “x”' } });
    expect(failed).toMatchObject({ status: 'failed', startedAt: 5, finishedAt: 9, error: { code: 'build_failed', message: 'RUN exit 1: “x”' }, image: null });
    expect(await builds.change(id, { status: 'succeeded', error: null, image: image('3') })).toMatchObject({ status: 'succeeded', error: null, image: image('3'), finishedAt: 9 });
    expect(await builds.find(other.id)).toEqual(other);
    expect(await refusalOf(builds.change('b_unknown' as BuildId, { status: 'failed' }))).toContain('no result');
  });

  it('know the newest of a key and of a commit, in the project only', async () => {
    await using opened = await openTestDatabase();
    const builds = createBuildStore(opened);
    await builds.add(newBuild());
    await opened.clock.advance(1);
    const newest = await builds.add(newBuild({ commit: OTHER_COMMIT }));
    await opened.clock.advance(1);
    const otherKey = await builds.add(newBuild({ key: OTHER_KEY }));
    await builds.add(newBuild({ project: BLOG }));
    expect(await builds.latestOfKey(SHOP, KEY)).toEqual(newest);
    expect(await builds.latestOfCommit(SHOP, COMMIT)).toEqual(otherKey);
    expect(await builds.latestOfKey(BLOG, OTHER_KEY)).toBeUndefined();
    expect(await builds.latestOfCommit(BLOG, OTHER_COMMIT)).toBeUndefined();
  });

  it('P12: know which made the same key before, newest first', async () => {
    await using opened = await openTestDatabase();
    const builds = createBuildStore(opened);
    const add = async (status: 'succeeded' | 'failed', more: Parameters<typeof newBuild>[0] = {}) => builds.change((await builds.add(newBuild(more))).id, { status });
    const [first] = [await add('succeeded'), await add('failed'), await add('succeeded', { key: OTHER_KEY }), await add('succeeded', { project: BLOG })];
    await builds.add(newBuild({ status: 'reused', image: image('1') }));
    const second = await add('succeeded', { commit: OTHER_COMMIT });
    const third = await add('succeeded');
    await add('succeeded');
    expect(await builds.earlierOfKey(third, 10)).toEqual([second, first]);
    expect(await builds.earlierOfKey(third, 1)).toEqual([second]);
    expect(await builds.earlierOfKey(first, 10)).toEqual([]);
  });

  it('K5: keep their order even within one millisecond, also when the clock is set back', async () => {
    await using opened = await openTestDatabase();
    let now = 1_000_000;
    const builds = createBuildStore({ db: opened.db, clock: { ...opened.clock, now: () => (now -= 1) } });
    const asked: BuildId[] = [];
    for (let n = 0; n < 100; n += 1) asked.push((await builds.add(newBuild())).id);
    expect((await builds.active()).map(({ id }) => id)).toEqual(asked);
    expect((await builds.list(SHOP, 10)).map(({ id }) => id)).toEqual(asked.toReversed().slice(0, 10));
    expect((await builds.latestOfKey(SHOP, KEY))?.id).toBe(asked.at(-1));
  });

  it('that are active are the queued and the running ones of all projects, oldest first', async () => {
    await using opened = await openTestDatabase();
    const builds = createBuildStore(opened);
    const made = [];
    for (const status of ['queued', 'building', 'succeeded', 'reused', 'failed', 'cancelled', 'interrupted', 'queued'] as const) {
      made.push(await builds.add(newBuild({ status, project: made.length === 0 ? BLOG : SHOP })));
    }
    expect((await builds.active()).map(({ id }) => id)).toEqual([made[0]?.id, made[1]?.id, made[7]?.id]);
  });

  it('that reused an image took no time, and do not count in the durations', async () => {
    await using opened = await openTestDatabase();
    const builds = createBuildStore(opened);
    for (let n = 1; n <= 12; n += 1) {
      const { id } = await builds.add(newBuild());
      await builds.change(id, { status: 'succeeded', startedAt: 1_000, finishedAt: 1_000 + n });
    }
    const reused = await builds.add(newBuild({ status: 'reused', image: image('1'), reusedFrom: 'b_x' as BuildId }));
    const failed = await builds.add(newBuild());
    await builds.change(failed.id, { status: 'failed', startedAt: 0, finishedAt: 99_999 });
    expect(reused).toMatchObject({ status: 'reused', startedAt: opened.clock.now(), finishedAt: opened.clock.now(), reusedFrom: 'b_x' });
    expect(await builds.durations(SHOP)).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    expect(await builds.durations(BLOG)).toEqual([]);
  });
});

describe('image records', () => {
  it('have the newest image of a key, until it is forgotten', async () => {
    await using opened = await openTestDatabase();
    const images = createImageStore(opened);
    await images.put({ id: image('1'), project: SHOP, key: KEY, build: null });
    await opened.clock.advance(1);
    await images.put({ id: image('2'), project: SHOP, key: KEY, build: 'b_x' as BuildId });
    await images.put({ id: image('3'), project: SHOP, key: OTHER_KEY, build: null });
    expect(await images.ofKey(SHOP, KEY)).toEqual({ id: image('2'), project: SHOP, key: KEY, build: 'b_x' });
    expect(await images.ofKey(BLOG, KEY)).toBeUndefined();
    await images.forget(image('2'));
    expect((await images.ofKey(SHOP, KEY))?.id).toBe(image('1'));
  });

  it('are written twice without harm, and note each use', async () => {
    await using opened = await openTestDatabase();
    const images = createImageStore(opened);
    const record = { id: image('1'), project: SHOP, key: KEY, build: null };
    await images.put(record);
    await images.put(record);
    await opened.clock.advance(500);
    await images.used(image('1'));
    const rows = await opened.db.selectFrom('images').select(['created_at', 'last_used_at']).execute();
    expect(rows).toEqual([{ created_at: opened.clock.now() - 500, last_used_at: opened.clock.now() }]);
  });
});

describe('routes', () => {
  it('are one for a label, however many ask at the same time', async () => {
    await using opened = await openTestDatabase();
    const routes = createRouteStore(opened);
    const made = await Promise.all(Array.from({ length: 20 }, () => routes.ensure(newRoute())));
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
    expect(made[0]).toEqual({ ...newRoute(), id: expect.stringMatching(/^r_/) as RouteId, current: null, configHash: null, lastError: null, createdAt: opened.clock.now(), lastAccessAt: null });
    expect((await routes.ensure(newRoute({ project: BLOG }))).id).not.toBe(made[0]?.id);
    expect(await routes.findLabel(SHOP, 'branch-other')).toBeUndefined();
    expect(await routes.find('r_unknown' as RouteId)).toBeUndefined();
  });

  it('move to a release with a line of history, and lose the last error with that', async () => {
    await using opened = await openTestDatabase();
    const routes = createRouteStore(opened);
    const { id } = await routes.ensure(newRoute());
    const error = { code: 'start_timeout' as const, message: 'Nothing listened on 3000.', at: 5 };
    await routes.setLastError(id, error);
    expect((await routes.find(id))?.lastError).toEqual(error);
    await routes.move(id, { release: 1 as ReleaseNumber, reason: 'code' });
    await opened.clock.advance(10);
    await routes.move(id, { release: 2 as ReleaseNumber, reason: 'rollback' });
    expect(await routes.find(id)).toMatchObject({ current: 2, lastError: null });
    expect(await opened.db.selectFrom('route_history').selectAll().execute()).toEqual([
      { id: 1, route: id, release: 1, at: opened.clock.now() - 10, reason: 'code' }, { id: 2, route: id, release: 2, at: opened.clock.now(), reason: 'rollback' },
    ]);
  });

  it('K28: move not at all when the history cannot be written', async () => {
    await using opened = await openTestDatabase();
    const routes = createRouteStore(opened);
    const { id } = await routes.ensure(newRoute());
    await routes.move(id, { release: 1 as ReleaseNumber, reason: 'code' });
    await sql`CREATE TRIGGER full BEFORE INSERT ON route_history BEGIN SELECT RAISE(ABORT, 'disk full'); END`.execute(opened.db);
    expect(await refusalOf(routes.move(id, { release: 2 as ReleaseNumber, reason: 'code' }))).toContain('disk full');
    expect((await routes.find(id))?.current).toBe(1);
  });

  it('are listed by last use, never used ones last', async () => {
    await using opened = await openTestDatabase();
    const routes = createRouteStore(opened);
    const ids = [];
    for (const label of ['branch-a', 'branch-b', 'branch-c', 'branch-d']) ids.push((await routes.ensure(newRoute({ label }))).id);
    const [a, b, c, d] = ids as [RouteId, RouteId, RouteId, RouteId];
    await routes.touch(new Map([[a, 100], [c, 200]]));
    await routes.touch(new Map([[a, 150]]));
    expect((await routes.list(SHOP)).map(({ id, lastAccessAt }) => [id, lastAccessAt])).toEqual([[c, 200], [a, 150], [d, null], [b, null]]);
    expect(await routes.list(BLOG)).toEqual([]);
  });
});

describe('browser sessions', () => {
  it('are found until they expire or are removed', async () => {
    await using opened = await openTestDatabase();
    const sessions = createSessionRecords(opened);
    await sessions.put('a', '{"n":1}', opened.clock.now() + 1_000);
    await sessions.put('b', '{}', opened.clock.now() + 5_000);
    await sessions.put('a', '{"n":2}', opened.clock.now() + 2_000);
    expect([await sessions.find('a'), await sessions.find('c')]).toEqual(['{"n":2}', undefined]);
    await opened.clock.advance(2_000);
    expect([await sessions.find('a'), await sessions.find('b')]).toEqual([undefined, '{}']);
    await sessions.remove('b');
    expect(await sessions.find('b')).toBeUndefined();
  });

  it('that have expired are swept, and no others', async () => {
    await using opened = await openTestDatabase();
    const sessions = createSessionRecords(opened);
    await sessions.put('old', '{}', opened.clock.now());
    await sessions.put('new', '{}', opened.clock.now() + 1);
    await sessions.sweep();
    expect(await opened.db.selectFrom('sessions').select('sid').execute()).toEqual([{ sid: 'new' }]);
  });
});

it('source keys are kept by project, commit and recipe; the first one stays', async () => {
  await using opened = await openTestDatabase();
  const keys = createSourceKeyStore(opened);
  const of = { project: SHOP, commit: COMMIT, recipeHash: 'r1' };
  await keys.put(of, KEY);
  await keys.put(of, OTHER_KEY);
  await keys.put({ ...of, recipeHash: 'r2' }, OTHER_KEY);
  expect(await Promise.all([of, { ...of, recipeHash: 'r2' }, { ...of, recipeHash: 'r3' }, { ...of, project: BLOG }, { ...of, commit: OTHER_COMMIT }].map(keys.find)))
    .toEqual([KEY, OTHER_KEY, undefined, undefined, undefined]);
});
