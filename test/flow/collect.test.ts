import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageId } from '../../src/domain/ids.js';
import { createCollect } from '../../src/flow/collect.js';
import type { MachineFacts } from '../../src/kernel/machine.js';
import type { TestRepository } from '../support/git.js';
import { createFakeClock, type FakeClock } from '../support/fake-clock.js';
import { eventually } from '../support/eventually.js';
import { createQuietLog } from '../support/quiet-log.js';
import { startStagedApp, type StagedApp } from '../support/staged-app.js';
import { echo, gate, startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';
import type { GcAnswer } from '../../src/web/gc-api.js';

const MINUTE = 60_000;
/** Nobody counts as having used anything a moment ago. */
const LATER = 11 * MINUTE;
const NEVER = { 'idle.stop': 'never', 'idle.sleep': 'never' };
const TOO_FULL = 'the disk is too full, and no image may go';
const BRANCHES = ['one', 'two', 'three', 'four'];
const gc = async (app: TestApp) => (await app.control('/api/gc')).json() as unknown as GcAnswer;
const collect = async (app: TestApp) => (await app.control('/api/gc', { method: 'POST', headers: { authorization: `Bearer ${app.token}` }, body: '{}' })).json() as unknown as GcAnswer;
const imagesOf = async (app: TestApp): Promise<ImageId[]> => (await app.engine.images('repository' as never)).map(({ id }) => id);

const fourBranches = (repository: TestRepository) => { for (const branch of BRANCHES) repository.commit({ [branch]: branch }, { branch }); };

/** Four commits that were opened one after the other, a second apart, and stopped. */
async function startFour(options: TestAppOptions = {}) {
  const clock = createFakeClock();
  const app = await startTestApp({ clock, prepare: fourBranches, ...options });
  for (const branch of BRANCHES) {
    await app.open(`hash=${app.repository.head(branch)}`);
    await clock.advance(1_000);
  }
  return { app, clock, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

const stopAll = (app: TestApp) => app.control('/apps/repository/stop', { method: 'POST', headers: { authorization: `Bearer ${app.token}` }, body: '{}' });

/** What waits for time to pass, with time passing. */
async function meanwhile<Answer>(clock: FakeClock, work: Promise<Answer>): Promise<Answer> {
  let isOver = false;
  const done = work.finally(() => { isOver = true; });
  await eventually(async () => { if (!isOver) await clock.advance(1_000); return isOver; }, { what: 'it is done' });
  return done;
}

/** Lets dev serve one release after the other. @returns their images */
async function imagesOfRuns(app: StagedApp, files: readonly string[]): Promise<string[]> {
  const images: string[] = [];
  for (const file of files) images.push((await app.read<{ image: string }>(`releases/${(await app.run(file)).id}`)).image);
  return images;
}

describe('more images than are kept', () => {
  it('those that nobody used for longest go, which is told before, and their URLs bring them back', async () => {
    await using four = await startFour({ settings: { 'limits.images': '2', ...NEVER } });
    const { app, clock } = four;
    await clock.advance(LATER);
    const built = (await app.control('/api/images')).json() as unknown as { id: string; lastUsedAt: string }[];
    const oldest = [...built].reverse().map(({ id }) => id);
    // What runs of them is never a reason to lose it.
    expect((await gc(app)).images).toEqual([]);
    await stopAll(app);
    const told = await gc(app);
    expect(told.images.map(({ image }) => image)).toEqual(oldest.slice(0, 2));
    expect([told.images[0]?.why, told.kept.map(({ why }) => why)]).toEqual(['more than 2 images, and nobody used it for longest', ['there is room', 'there is room']]);
    expect(told.marks.find(({ name }) => name === 'images')).toEqual({ name: 'images', now: 4, most: 2, over: true });
    await clock.advance(MINUTE);
    await eventually(async () => (await imagesOf(app)).length === 2, { what: 'two are left' });
    expect(new Set(await imagesOf(app))).toEqual(new Set(oldest.slice(2)));
    expect((await app.get(app.commitHost(app.repository.head('one')), '/')).status).toBe(200);
    expect(app.engine.calls.build).toBe(5);
  });

  it('go at once when somebody says so, with the token alone', async () => {
    await using four = await startFour({ settings: { 'limits.images': '1', ...NEVER } });
    const { app, clock } = four;
    await clock.advance(LATER);
    await stopAll(app);
    expect((await app.control('/api/gc', { method: 'POST' })).status).toBe(401);
    const done = await collect(app);
    expect([done.images.length, done.kept.length, (await imagesOf(app)).length]).toEqual([3, 1, 1]);
    expect((await collect(app)).images).toEqual([]);
  });

  it('never are one that somebody opens while others go: its preview is not stopped', async () => {
    const { opened, open } = gate();
    await using four = await startFour({
      settings: { 'limits.images': '1', ...NEVER },
      program: (spec) => ({ serve: (req, res) => { if (req.url !== '/slow') { echo(spec)(req, res); return; } res.write('begun, '); void opened.then(() => { res.end('done'); }); } }),
    });
    const { app, clock } = four;
    await clock.advance(LATER);
    await stopAll(app);
    const release = app.engine.hold('removeImage');
    const collecting = collect(app);
    await eventually(() => app.engine.calls.removeImage === 1, { what: 'the first one goes' });
    const host = app.commitHost(app.repository.head('three'));
    expect((await app.get(host, '/')).status).toBe(200);
    const builds = app.engine.calls.build;
    const slow = app.get(host, '/slow');
    await app.get(host, '/');
    release();
    expect((await collecting).images.length).toBe(2);
    open();
    expect((await slow).text).toBe('begun, done');
    expect((await app.get(host, '/')).status).toBe(200);
    expect([app.engine.calls.build, (await app.engine.list()).length]).toEqual([builds, 1]);
  });

  it('never are one that was used in the last ten minutes', async () => {
    await using four = await startFour({ settings: { 'limits.images': '1', ...NEVER } });
    const { app, clock } = four;
    await clock.advance(5 * MINUTE);
    await stopAll(app);
    expect([(await collect(app)).images, (await imagesOf(app)).length]).toEqual([[], 4]);
    await clock.advance(6 * MINUTE);
    await eventually(async () => (await imagesOf(app)).length === 1, { what: 'three go later' });
  });

  it('are counted by the engine now and then: records that were lost know none of them', async () => {
    await using four = await startFour({ settings: { 'limits.images': '1', ...NEVER } });
    const { app, clock } = four;
    await stopAll(app);
    await app.stop();
    for (const name of ['slipway.db', 'slipway.db-wal', 'slipway.db-shm']) rmSync(join(app.stateDir, name), { force: true });
    await app.start();
    expect((await imagesOf(app)).length).toBe(4);
    await clock.advance(2 * LATER);
    await eventually(async () => (await imagesOf(app)).length === 1, { what: 'one is left' });
  });

  it('P6: never take what runs, what a branch serves and served before, nor what a stage may be rolled back to', async () => {
    const clock = createFakeClock();
    await using app = await startStagedApp({ clock, settings: { 'limits.images': '1' } });
    const served = await meanwhile(clock, imagesOfRuns(app, ['a', 'b', 'c']));
    await stopAll(app);
    await clock.advance(LATER);
    await eventually(async () => !(await imagesOf(app)).includes(served[0] as ImageId), { what: 'the oldest goes' });
    expect((await collect(app)).images).toEqual([]);
    expect(new Set(await imagesOf(app))).toEqual(new Set(served.slice(1)));
    expect((await meanwhile(clock, app.post('stages/dev/rollback'))).status).toBe(200);
  });

  it('P6: leave as many to roll back to as are kept, though one was removed by hand', async () => {
    const clock = createFakeClock();
    await using app = await startStagedApp({ clock, settings: { 'limits.images': '1' } });
    const [first, second, third] = await meanwhile(clock, imagesOfRuns(app, ['a', 'b', 'c']));
    await stopAll(app);
    await app.engine.removeImage(second as ImageId);
    await clock.advance(LATER);
    expect((await collect(app)).images).toEqual([]);
    expect(new Set(await imagesOf(app))).toEqual(new Set([first, third]));
  });

  it('P6: leave that of a release which a stage was given and does not run yet', async () => {
    const clock = createFakeClock();
    await using app = await startStagedApp({ clock, settings: { 'limits.images': '1' } });
    await meanwhile(clock, app.run('a'));
    const waiting = await meanwhile(clock, app.release('b'));
    await stopAll(app);
    await clock.advance(LATER);
    expect((await collect(app)).images).toEqual([]);
    expect((await meanwhile(clock, app.post('stages/dev/run', { release: waiting }))).status).toBe(200);
  });
});

describe('a machine that is nearly full', () => {
  it('loses images that nobody needs while the disk is over its mark', async () => {
    await using four = await startFour({ settings: { 'limits.disk': '1%', ...NEVER } });
    const { app, clock } = four;
    await clock.advance(LATER);
    await stopAll(app);
    expect((await gc(app)).images.map(({ why }) => why)).toEqual(BRANCHES.map(() => 'the disk is too full'));
    await clock.advance(MINUTE);
    await eventually(async () => (await imagesOf(app)).length === 0, { what: 'all are gone' });
    expect((await app.get(app.commitHost(app.repository.head('one')), '/')).status).toBe(200);
  });

  it('says once that nothing may go, until there is room again', async () => {
    const clock = createFakeClock();
    const log = createQuietLog();
    const machine = { usedBytes: 99 };
    const disk = () => Promise.resolve({ totalBytes: 100, usedBytes: machine.usedBytes, freeBytes: 100 - machine.usedBytes });
    const collecting = createCollect({
      projects: [], clock, log, limits: { running: 1, images: 1, memory: 1, disk: 0.5 }, room: { count: 0, relieve: () => Promise.resolve(undefined) },
      machine: { facts: async () => ({ memory: { totalBytes: 1, freeBytes: 1 }, disk: await disk() }) as MachineFacts, disk },
      engine: { describe: () => Promise.reject(new Error('away')) }, images: { list: () => Promise.resolve([]) }, listImages: () => Promise.resolve([]),
      neededImages: { withoutRoom: () => Promise.resolve(null) }, removeImage: () => Promise.reject(new Error('nothing is there')),
    });
    const said = () => log.recent().filter(({ message }) => message === TOO_FULL).length;
    await collecting.start();
    await clock.advance(5 * MINUTE);
    expect(said()).toBe(1);
    machine.usedBytes = 1;
    await clock.advance(MINUTE);
    machine.usedBytes = 99;
    await clock.advance(5 * MINUTE);
    expect(said()).toBe(2);
    await collecting.stop();
  });

  it('stops previews one by one, who was used least recently first, while memory is over its mark, but nobody who was used just now', async () => {
    await using four = await startFour({ settings: { 'limits.memory': '1%', ...NEVER } });
    const { app, clock } = four;
    const running = async () => new Set((await app.engine.list()).map(({ commit }) => commit));
    await clock.advance(25_000);
    expect((await running()).size).toBe(BRANCHES.length);
    const heads = BRANCHES.map((branch) => app.repository.head(branch));
    for (const [index] of heads.entries()) {
      await clock.advance(10_000);
      await eventually(async () => (await running()).size === heads.length - index - 1, { what: `${BRANCHES[index]} stops` });
      expect(await running()).toEqual(new Set(heads.slice(index + 1)));
    }
    expect((await app.get(app.commitHost(app.repository.head('four')), '/')).status).toBe(200);
  });

  it('stops one more preview every half a minute while memory stays over its mark, however long those before take to end', async () => {
    await using four = await startFour({ settings: { 'limits.memory': '1%', 'run.stopTimeout': '10m', ...NEVER }, program: (spec) => ({ serve: echo(spec), deaf: true }) });
    const { app, clock } = four;
    await clock.advance(25_000);
    for (const told of [1, 2, 3, 4]) {
      await clock.advance(told === 1 ? 10_000 : 30_000);
      await eventually(() => app.engine.calls.stop === told, { what: `${told} are told to stop` });
    }
    expect((await app.engine.list()).length).toBe(BRANCHES.length);
    await clock.advance(10 * MINUTE);
    await eventually(async () => (await app.engine.list()).length === 0, { what: 'all are gone' });
  });
});

describe('GET /api/gc', () => {
  it('says of each preview when it sleeps or stops, and why it does not', async () => {
    const clock = createFakeClock();
    await using app = await startStagedApp({ clock, settings: { 'idle.sleep': '5m', 'idle.stop': '30m' } });
    await app.run('a');
    const commit = app.repository.head();
    await app.get(app.commitHost(commit), '/');
    await clock.advance(MINUTE);
    const { previews } = await gc(app);
    expect(previews.find(({ label }) => label === 'dev')).toMatchObject({ status: 'running', next: null, why: 'a stage always runs', turn: null });
    expect(previews.find(({ label }) => label === `hash-${commit}`)).toMatchObject({ status: 'running', next: 'sleep', inSeconds: 240, idleSeconds: 60, why: null, turn: 1 });
    await clock.advance(5 * MINUTE);
    expect((await gc(app)).previews.find(({ label }) => label === `hash-${commit}`)).toMatchObject({ status: 'sleeping', next: 'stop', inSeconds: 1_440 });
  });
});
