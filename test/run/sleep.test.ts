import type { ContainerSpec } from '../../src/engine/port.js';
import { until } from '../support/until.js';
import { PLACEMENT, startInstances } from './started-instances.js';

describe('an instance that sleeps', () => {
  it('is frozen with all its processes, and wakes once however many want it', async () => {
    const starts: ContainerSpec[] = [];
    await using house = await startInstances({ program: (spec) => { starts.push(spec); return {}; } });
    const release = house.release({ processes: { worker: ['work'] } });
    const instance = await house.instances.ensure(release, PLACEMENT);
    expect(await house.instances.sleep(release)).toBe(true);
    expect([(await house.engine.list()).map(({ paused }) => paused), house.instances.running(), house.instances.living()]).toEqual([[true, true], [], [instance]]);
    const woken = await Promise.all([house.instances.wake(release), house.instances.ensure(release, PLACEMENT), house.instances.wake(release)]);
    expect(woken).toEqual([instance, instance, instance]);
    expect([(await house.engine.list()).map(({ paused }) => paused), house.engine.calls.resume, starts.length]).toEqual([[false, false], 2, 2]);
    expect(house.changes).toEqual(['starting', 'running', 'sleeping', 'running']);
  });

  it('is woken by who wants it to run, as one that never slept would be started', async () => {
    await using house = await startInstances();
    const release = house.release();
    const instance = await house.instances.ensure(release, PLACEMENT);
    await house.instances.sleep(release);
    expect(await house.instances.ensure(release, PLACEMENT)).toBe(instance);
    expect([house.instances.state(release), (await house.engine.list()).map(({ paused }) => paused), house.engine.calls.start]).toEqual(['running', [false], 1]);
  });

  it('does not go on before it is frozen: who wants it meanwhile waits for that', async () => {
    await using house = await startInstances();
    const release = house.release();
    const instance = await house.instances.ensure(release, PLACEMENT);
    const sleeping = house.instances.sleep(release);
    const woken = house.instances.wake(release);
    expect([await sleeping, await woken]).toEqual([true, instance]);
    expect((await house.engine.list()).map(({ paused }) => paused)).toEqual([false]);
  });

  it('is started anew by who wants it when its container is gone', async () => {
    await using house = await startInstances();
    const release = house.release();
    const { container } = await house.instances.ensure(release, PLACEMENT);
    await house.instances.sleep(release);
    await house.engine.remove(container);
    const again = await house.instances.ensure(release, PLACEMENT);
    expect(again.container).not.toBe(container);
    expect(house.instances.state(release)).toBe('running');
  });

  it('can be stopped, its log kept, and is no crash', async () => {
    await using house = await startInstances({ program: () => ({ lines: ['up'] }) });
    const release = house.release();
    await house.instances.ensure(release, PLACEMENT);
    await house.instances.sleep(release);
    await house.instances.stop(release);
    await until(async () => (await house.engine.list()).length === 0, 'its container is removed');
    expect([await house.textsOf(release), house.instances.lastFailure(release), house.instances.state(release)]).toEqual([['up'], undefined, undefined]);
    expect(await house.instances.wake(release)).toBeUndefined();
  });

  it('sleeps on when the engine does not answer, and wakes later', async () => {
    await using house = await startInstances();
    const release = house.release();
    const instance = await house.instances.ensure(release, PLACEMENT);
    await house.instances.sleep(release);
    house.engine.down();
    await expect(house.instances.wake(release)).rejects.toMatchObject({ code: 'engine_unavailable' });
    expect(house.instances.state(release)).toBe('sleeping');
    house.engine.up();
    expect(await house.instances.wake(release)).toBe(instance);
  });

  it('does not sleep when a process of it ended', async () => {
    await using house = await startInstances();
    const release = house.release({ processes: { worker: ['work'] } });
    const { beside } = await house.instances.ensure(release, PLACEMENT);
    const [worker] = beside;
    if (!worker) throw new Error('there is no worker');
    house.engine.exit(worker.container, 1);
    expect(await house.instances.sleep(release)).toBe(false);
    await until(() => house.instances.state(release) === undefined, 'its set is gone');
  });

  it('sleeps on when it is left half frozen, so that whoever wants it wakes it', async () => {
    await using house = await startInstances();
    const release = house.release({ processes: { worker: ['work'] } });
    const instance = await house.instances.ensure(release, PLACEMENT);
    const { pause } = house.engine;
    const [worker] = instance.beside;
    house.engine.pause = async (id) => { if (id === worker?.container) { house.engine.down(); } return pause(id); };
    await expect(house.instances.sleep(release)).rejects.toMatchObject({ code: 'engine_unavailable' });
    expect(house.instances.state(release)).toBe('sleeping');
    house.engine.up();
    expect(await house.instances.wake(release)).toBe(instance);
    expect((await house.engine.list()).map(({ paused }) => paused)).toEqual([false, false]);
  });

  it('says that nothing sleeps that does not run', async () => {
    await using house = await startInstances();
    expect([await house.instances.sleep(house.release()), await house.instances.wake(house.release())]).toEqual([false, undefined]);
  });
});
