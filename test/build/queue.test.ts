import type { BegunBuild } from '../../src/build/builds.js';
import { keyOf, PROJECT, startBuilds, wanted, type StartedBuilds } from './started-builds.js';

/** Begins 1, 2, 3 … one after the other. */
async function beginAll(house: StartedBuilds, count: number): Promise<BegunBuild[]> {
  const all: BegunBuild[] = [];
  for (let n = 1; n <= count; n += 1) all.push(await house.builds.begin(wanted(n)));
  for (const { result } of all) result.catch(() => undefined);
  await house.clock.advance(0);
  return all;
}
const keysBuilt = (house: StartedBuilds) => house.engine.builds.map(({ key }) => Number(key));

describe('the queue', () => {
  it('D5, E19: never runs more builds than allowed, and takes them in the order they were asked for', async () => {
    await using house = await startBuilds();
    const begun = await beginAll(house, 6);
    for (const { build } of begun) expect((await house.store.find(build.id))?.status).toBe(begun.findIndex((each) => each.build.id === build.id) < 2 ? 'building' : 'queued');
    for (let n = 1; n <= 6; n += 1) {
      house.finish(n);
      await begun[n - 1]?.result;
      await house.clock.advance(0);
    }
    expect(keysBuilt(house)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(house.engine.mostBuilds).toBe(2);
    expect(house.builds.size()).toEqual({ waiting: 0, building: 0 });
  });

  it('D5, E19: says where each one stands, and when it will be done', async () => {
    await using house = await startBuilds();
    const { result } = await house.beginRunning(9);
    await house.clock.advance(40_000);
    house.finish(9);
    await result;
    const begun = await beginAll(house, 6);
    await house.clock.advance(10_000);
    expect(house.builds.size()).toEqual({ waiting: 4, building: 2 });
    expect(begun.map(({ build }) => house.builds.place(build.id))).toEqual([
      { position: 0, etaSeconds: 30 }, { position: 0, etaSeconds: 30 },
      { position: 1, etaSeconds: 80 }, { position: 2, etaSeconds: 80 }, { position: 3, etaSeconds: 120 }, { position: 4, etaSeconds: 120 },
    ]);
    house.finish(2);
    await begun[1]?.result;
    await house.clock.advance(0);
    expect(begun.map(({ build }) => house.builds.place(build.id)?.position)).toEqual([0, undefined, 0, 1, 2, 3]);
  });

  it('learns durations from what earlier servers built', async () => {
    await using house = await startBuilds();
    const { result } = await house.beginRunning(1);
    await house.clock.advance(25_000);
    house.finish(1);
    await result;
    const later = house.another();
    const { build } = await later.begin(wanted(2));
    expect(later.place(build.id)?.etaSeconds).toBe(25);
  });

  it('E19: refuses when too many wait, records nothing then, and says when to come again', async () => {
    await using house = await startBuilds({ limits: { concurrency: 1, queue: 2 } });
    await beginAll(house, 3);
    await expect(house.builds.begin(wanted(4))).rejects.toMatchObject({ code: 'queue_full', status: 503, details: { retryAfterSeconds: 30 } });
    expect(await house.store.latestOfKey(PROJECT, keyOf(4))).toBeUndefined();
    expect((await house.builds.begin(wanted(3))).build.status).toBe('queued');
    house.finish(1);
    await house.clock.advance(0);
    await expect(house.builds.begin(wanted(4))).resolves.toMatchObject({ build: { status: 'queued' } });
  });

  it('E19: lets no more wait than allowed when many different ones come at the same time', async () => {
    await using house = await startBuilds({ limits: { concurrency: 1, queue: 3 } });
    await house.beginRunning(1);
    const answers = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => house.builds.begin(wanted(n + 2))));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    expect(house.builds.size()).toEqual({ waiting: 3, building: 1 });
  });

  it('D19: starts no more in a minute than allowed', async () => {
    await using house = await startBuilds({ limits: { perMinute: 2 }, script: () => ({}) });
    const begun = await beginAll(house, 4);
    await Promise.all(begun.slice(0, 2).map(({ result }) => result));
    await house.clock.advance(0);
    expect(keysBuilt(house)).toEqual([1, 2]);
    expect(begun.map(({ build }) => house.builds.place(build.id)?.position)).toEqual([undefined, undefined, 1, 2]);
  });
});

describe('a project without cache', () => {
  it('D18: builds each commit without one, and reuses the image of the same content all the same', async () => {
    await using house = await startBuilds({ script: () => ({}) });
    const { build, result } = await house.builds.begin({ ...wanted(1), cache: false });
    expect(build.noCache).toBe(true);
    const { image } = await result;
    expect((await (await house.builds.begin({ ...wanted(1), cache: false })).result).image).toBe(image);
    expect((await house.builds.begin(wanted(2))).build.noCache).toBe(false);
  });
});

describe('a build that is cancelled', () => {
  it('while it waits never runs, and those behind it move up', async () => {
    await using house = await startBuilds({ limits: { concurrency: 1 } });
    const [, second, third] = await beginAll(house, 3);
    if (!second || !third) throw new Error('nothing was begun');
    await house.builds.cancel(second.build.id);
    await expect(second.result).rejects.toMatchObject({ code: 'build_cancelled' });
    expect(house.builds.place(third.build.id)?.position).toBe(1);
    expect(await house.store.find(second.build.id)).toMatchObject({ status: 'cancelled', startedAt: null });
    house.finish(1);
    await house.clock.advance(0);
    expect(keysBuilt(house)).toEqual([1, 3]);
  });

  it('E20: while it runs frees its slot, and its log ends with the reason', async () => {
    await using house = await startBuilds({ limits: { concurrency: 1 } });
    const [first] = await beginAll(house, 2);
    if (!first) throw new Error('nothing was begun');
    await house.clock.advance(3_000);
    await house.builds.cancel(first.build.id);
    await house.clock.advance(0);
    expect(keysBuilt(house)).toEqual([1, 2]);
    expect(house.engine.mostBuilds).toBe(1);
    expect(house.engine.builds[0]?.context.destroyed).toBe(true);
    expect((await house.textsOf(first.build.id)).at(-1)).toBe('cancelled after 3.0 s: It was cancelled.');
    expect(await house.store.find(first.build.id)).toMatchObject({ status: 'cancelled', error: { code: 'build_cancelled' } });
  });

  it('is not begun again by the next visit, but by somebody who wants it', async () => {
    await using house = await startBuilds();
    const { build } = await house.beginRunning(1);
    await house.builds.cancel(build.id);
    await expect(house.builds.begin(wanted(1))).rejects.toMatchObject({ code: 'build_cancelled' });
    await expect(house.builds.begin(wanted(1), { retry: true })).resolves.toMatchObject({ build: { status: 'queued' } });
  });

  it('must be there and be waiting or running', async () => {
    await using house = await startBuilds({ script: () => ({}) });
    const { build } = await (await house.builds.begin(wanted(1))).result;
    await expect(house.builds.cancel(build.id)).rejects.toMatchObject({ code: 'build_not_active' });
    await expect(house.builds.cancel('b_01ARZ3NDEKTSV4RRFFQ69G5FAV' as typeof build.id)).rejects.toMatchObject({ code: 'unknown_build' });
  });
});

describe('a build that hangs', () => {
  const SECOND = 1_000;

  it('D5, E8: ends at the timeout although it goes on printing, says so, and frees its slot', async () => {
    await using house = await startBuilds({ limits: { concurrency: 1, timeoutMs: 5 * SECOND, silenceMs: 2 * SECOND } });
    const [first] = await beginAll(house, 2);
    if (!first) throw new Error('nothing was begun');
    for (let passed = 0; passed < 4; passed += 1) {
      await house.clock.advance(SECOND);
      house.engine.builds[0]?.onLine('still at it');
    }
    expect(house.engine.calls.build).toBe(1);
    await house.clock.advance(SECOND);
    await expect(first.result).rejects.toMatchObject({ code: 'build_timeout', status: 424 });
    await house.clock.advance(0);
    expect(keysBuilt(house)).toEqual([1, 2]);
    expect((await house.textsOf(first.build.id)).at(-1)).toBe('timed out after 5.0 s: The build took longer than 5 s.');
    expect(await house.store.find(first.build.id)).toMatchObject({ status: 'failed', error: { code: 'build_timeout' } });
  });

  it('E8: ends when it prints nothing for too long', async () => {
    await using house = await startBuilds({ limits: { concurrency: 1, timeoutMs: 100 * SECOND, silenceMs: 10 * SECOND } });
    const [first] = await beginAll(house, 2);
    if (!first) throw new Error('nothing was begun');
    await house.clock.advance(9 * SECOND);
    house.engine.builds[0]?.onLine('one more line');
    await house.clock.advance(9 * SECOND);
    expect(house.builds.place(first.build.id)?.position).toBe(0);
    await house.clock.advance(SECOND);
    await expect(first.result).rejects.toMatchObject({ code: 'build_timeout' });
    await house.clock.advance(0);
    expect(keysBuilt(house)).toEqual([1, 2]);
    expect((await house.textsOf(first.build.id)).at(-1)).toBe('timed out after 19.0 s: The build printed nothing for 10 s.');
  });

  it('E8: leaves no watch behind when it ends in time', async () => {
    await using house = await startBuilds();
    const { result } = await house.beginRunning(1);
    house.finish(1);
    await result;
    await house.clock.advance(0);
    expect(house.clock.sleepers).toBe(0);
  });
});
