import { commitOf, keyOf, openContext, PROJECT, RECIPE, startBuilds, wanted } from './started-builds.js';
import { collect, until } from '../support/until.js';

describe('builds that a server leaves behind', () => {
  it('K6: go back to the queue when it stops, in their order, and are taken up by the next one', async () => {
    await using house = await startBuilds({ limits: { concurrency: 1 } });
    const first = await house.beginRunning(1);
    const second = await house.builds.begin(wanted(2));
    await house.builds.stop();
    await expect(first.result).rejects.toMatchObject({ code: 'shutting_down' });
    await expect(second.result).rejects.toMatchObject({ code: 'shutting_down' });
    expect((await house.textsOf(first.build.id)).at(-1)).toBe('interrupted after 0.0 s: The server stopped.');
    const left = await house.store.active();
    expect(left.map(({ id, status, startedAt }) => [id, status, startedAt])).toEqual([[first.build.id, 'queued', null], [second.build.id, 'queued', null]]);

    const next = house.another();
    for (const build of left) await next.resume(build, openContext);
    expect(next.activeOf(PROJECT, keyOf(1))?.id).toBe(first.build.id);
    await until(() => house.engine.calls.build === 2, 'the first one runs again');
    await house.clock.advance(0);
    const joined = await next.begin(wanted(1));
    expect(joined.build.id).toBe(first.build.id);
    house.finish(1);
    await joined.result;
    await house.clock.advance(0);
    house.finish(2);
    await until(async () => (await house.store.find(second.build.id))?.status === 'succeeded', 'the second one is built');
    expect(house.engine.builds.map(({ build }) => build)).toEqual([first.build.id, first.build.id, second.build.id]);
  });

  it('K6: keep their log, which goes on with its numbers', async () => {
    await using house = await startBuilds();
    const { build } = await house.beginRunning(1);
    await house.builds.stop();
    const before = await collect(house.logs.read(build.id));
    const next = house.another();
    await next.resume((await house.store.find(build.id)) ?? build, openContext);
    await until(() => house.engine.calls.build === 2, 'it runs again');
    await house.clock.advance(0);
    const followed = collect(house.logs.follow(build.id, before.length, new AbortController().signal));
    await house.clock.advance(0);
    house.engine.builds[1]?.onLine('second run');
    house.finish(1);
    const lines = await followed;
    expect(lines.map(({ n }) => n)).toEqual(lines.map((_, index) => before.length + 1 + index));
    expect(lines.map(({ text }) => text)).toEqual([expect.stringContaining(build.id) as string, 'building shop', 'second run', expect.stringContaining('built sha256:') as string]);
    expect(await collect(house.logs.read(build.id, before.length))).toEqual(lines);
  });

  it('K6: begin nothing while it stops, and leave nothing running', async () => {
    await using house = await startBuilds();
    const late = house.builds.begin(wanted(1));
    late.catch(() => undefined);
    await house.builds.stop();
    await expect(late.then(({ result }) => result)).rejects.toMatchObject({ code: 'shutting_down' });
    await expect(house.builds.begin(wanted(2))).rejects.toMatchObject({ code: 'shutting_down' });
    await house.builds.stop();
    expect(house.builds.size()).toEqual({ waiting: 0, building: 0 });
    expect((await house.store.active()).every(({ status }) => status === 'queued')).toBe(true);
  });

  it('K1: are marked interrupted after a kill, in record and log, and tried once more', async () => {
    await using house = await startBuilds({ script: () => ({}) });
    const added = await house.store.add({ project: PROJECT, commit: commitOf(1), key: keyOf(1), recipe: RECIPE, trigger: 'open', noCache: true, attempt: 1 });
    const killed = await house.store.change(added.id, { status: 'building', startedAt: house.clock.now() });
    const writer = house.logs.open(killed.id);
    writer.write('half a');
    writer.close();
    await house.builds.resume(killed, openContext);
    await until(async () => (await house.store.active()).length === 0, 'nothing is active');
    expect(await house.store.find(killed.id)).toMatchObject({ status: 'interrupted', error: { code: 'build_interrupted' } });
    expect(await house.textsOf(killed.id)).toEqual(['half a', 'interrupted: The server stopped while it ran.']);
    expect(await house.store.latestOfKey(PROJECT, keyOf(1))).toMatchObject({ status: 'succeeded', attempt: 2, trigger: 'resume', noCache: true });
    expect(house.engine.calls.build).toBe(1);
  });

  it('K1: fail for good when they were interrupted twice, until somebody wants another try', async () => {
    await using house = await startBuilds({ script: () => ({}) });
    const added = await house.store.add({ project: PROJECT, commit: commitOf(1), key: keyOf(1), recipe: RECIPE, trigger: 'resume', noCache: false, attempt: 2 });
    await house.builds.resume(await house.store.change(added.id, { status: 'building' }), openContext);
    expect(await house.store.active()).toEqual([]);
    await expect(house.builds.begin(wanted(1))).rejects.toMatchObject({ code: 'build_interrupted', status: 424 });
    expect(house.engine.calls.build).toBe(0);
    await expect((await house.builds.begin(wanted(1), { retry: true })).result).resolves.toMatchObject({ build: { status: 'succeeded' } });
  });
});
