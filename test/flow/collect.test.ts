import type { ImageId } from '../../src/domain/ids.js';
import { createFakeClock } from '../support/fake-clock.js';
import { eventually } from '../support/eventually.js';
import { startStagedApp } from '../support/staged-app.js';
import { startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';
import type { GcAnswer } from '../../src/web/gc-api.js';

const MINUTE = 60_000;
const BRANCHES = ['one', 'two', 'three', 'four'];
const gc = async (app: TestApp) => (await app.control('/api/gc')).json() as unknown as GcAnswer;
const collect = async (app: TestApp) => (await app.control('/api/gc', { method: 'POST', headers: { authorization: `Bearer ${app.token}` }, body: '{}' })).json() as unknown as GcAnswer;
const imagesOf = async (app: TestApp): Promise<ImageId[]> => (await app.engine.images('repository' as never)).map(({ id }) => id);

/** Four commits that were opened one after the other, a second apart, and stopped. */
async function startFour(options: TestAppOptions = {}) {
  const clock = createFakeClock();
  const app = await startTestApp({ clock, prepare: (repository) => { for (const branch of BRANCHES) repository.commit({ [branch]: branch }, { branch }); }, ...options });
  for (const branch of BRANCHES) {
    await app.open(`hash=${app.repository.head(branch)}`);
    await clock.advance(1_000);
  }
  return { app, clock, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

const stopAll = (app: TestApp) => app.control('/apps/repository/stop', { method: 'POST', headers: { authorization: `Bearer ${app.token}` }, body: '{}' });

describe('more images than are kept', () => {
  it('those that nobody used for longest go, which is told before, and their URLs bring them back', async () => {
    await using four = await startFour({ settings: { 'limits.images': '2', 'idle.stop': 'never', 'idle.sleep': 'never' } });
    const { app, clock } = four;
    const built = (await app.control('/api/images')).json() as unknown as { id: string; lastUsedAt: string }[];
    const oldest = [...built].reverse().map(({ id }) => id);
    // What runs of them is never a reason to lose it.
    expect((await gc(app)).images).toEqual([]);
    await stopAll(app);
    const told = await gc(app);
    expect(told.images.map(({ image }) => image)).toEqual(oldest.slice(0, 2));
    expect([told.images[0]?.why, told.imagesKept]).toEqual(['more than 2 images, and nobody used it for longest', 2]);
    expect(told.marks.find(({ name }) => name === 'images')).toEqual({ name: 'images', now: 4, most: 2, over: true });
    await clock.advance(MINUTE);
    await eventually(async () => (await imagesOf(app)).length === 2, { what: 'two are left' });
    expect(new Set(await imagesOf(app))).toEqual(new Set(oldest.slice(2)));
    expect((await app.get(app.commitHost(app.repository.head('one')), '/')).status).toBe(200);
    expect(app.engine.calls.build).toBe(5);
  });

  it('go at once when somebody says so, with the token alone', async () => {
    await using four = await startFour({ settings: { 'limits.images': '1' } });
    const { app } = four;
    await stopAll(app);
    expect((await app.control('/api/gc', { method: 'POST' })).status).toBe(401);
    const done = await collect(app);
    expect([done.images.length, done.imagesKept, (await imagesOf(app)).length]).toEqual([3, 1, 1]);
    expect((await collect(app)).images).toEqual([]);
  });

  it('P6: never take what runs, what a branch serves and served before, nor what a stage may be rolled back to', async () => {
    await using app = await startStagedApp({ settings: { 'limits.images': '1' } });
    const given = [await app.run('a'), await app.run('b'), await app.run('c')];
    const served = await Promise.all(given.map(async ({ id }) => (await app.read<{ image: string }>(`releases/${id}`)).image));
    await stopAll(app);
    await eventually(async () => (await collect(app)).images.length === 0 && !(await imagesOf(app)).includes(served[0] as ImageId), { what: 'the oldest goes' });
    expect(new Set(await imagesOf(app))).toEqual(new Set(served.slice(1)));
    expect((await app.post('stages/dev/rollback')).status).toBe(200);
  });
});

describe('a machine that is nearly full', () => {
  it('loses images that nobody needs while the disk is over its mark', async () => {
    await using four = await startFour({ settings: { 'limits.disk': '1%' } });
    const { app, clock } = four;
    await stopAll(app);
    expect((await gc(app)).images.map(({ why }) => why)).toEqual(BRANCHES.map(() => 'the disk is too full'));
    await clock.advance(MINUTE);
    await eventually(async () => (await imagesOf(app)).length === 0, { what: 'all are gone' });
    expect((await app.get(app.commitHost(app.repository.head('one')), '/')).status).toBe(200);
  });

  it('stops previews one by one, who was used least recently first, while memory is over its mark', async () => {
    await using four = await startFour({ settings: { 'limits.memory': '1%', 'idle.sleep': 'never' }, prepare: (repository) => { for (const branch of BRANCHES) repository.commit({ [branch]: branch }, { branch }); } });
    const { app, clock } = four;
    const running = async () => (await app.engine.list()).map(({ commit }) => commit);
    const before = await running();
    await clock.advance(10_000);
    await eventually(async () => (await running()).length < before.length, { what: 'one stops' });
    await clock.advance(MINUTE);
    await eventually(async () => (await running()).length === 0, { what: 'the others stop' });
    expect((await app.get(app.commitHost(app.repository.head('four')), '/')).status).toBe(200);
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
