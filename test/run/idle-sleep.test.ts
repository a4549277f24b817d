import { AppError } from '../../src/domain/errors.js';
import { createIdle, type Traffic } from '../../src/run/idle.js';
import { until } from '../support/until.js';
import { createTraffic, limit, MINUTE, startIdle } from './idle-house.js';
import { PLACEMENT, startInstances, type StartedInstances } from './started-instances.js';

describe('an instance that may sleep', () => {
  const paused = async (house: StartedInstances) => (await house.engine.list()).map((each) => each.paused);

  it('sleeps first, wakes with all its state, and stops later', async () => {
    await using house = await startIdle(30 * MINUTE, 5 * MINUTE);
    const release = house.release();
    const { container } = await house.instances.ensure(release, PLACEMENT);
    await house.clock.advance(5 * MINUTE + 10_001);
    expect([house.instances.state(release), await paused(house), [...house.suspended.keys()]]).toEqual(['sleeping', [true], [container]]);
    await house.suspended.get(container)?.();
    expect([house.instances.state(release), await paused(house), house.suspended.size]).toEqual(['running', [false], 0]);
    expect(house.instances.container(release)).toBe(container);
    house.begin(container);
    house.end(container);
    await house.clock.advance(29 * MINUTE);
    expect(house.instances.state(release)).toBe('sleeping');
    await house.clock.advance(MINUTE + 10_001);
    await until(async () => (await house.engine.list()).length === 0, 'its container is removed');
    expect([house.instances.state(release), house.withdrawn.has(container)]).toEqual([undefined, true]);
  });

  it('K22: does not sleep when a request comes in between: suspending says so', async () => {
    await using house = await startInstances();
    const use = createTraffic(house);
    const { container } = await house.instances.ensure(house.release(), PLACEMENT);
    const suspended: boolean[] = [];
    const traffic: Traffic = {
      ...use.traffic,
      // The request comes after it was looked at, and before it is kept from what comes.
      idleMs: () => 60 * MINUTE,
      suspend: (id, wake) => { use.begin(id); suspended.push(use.traffic.suspend(id, wake)); return suspended.at(-1) ?? true; },
    };
    const idle = createIdle({ instances: house.instances, traffic, clock: house.clock, log: house.log, times: limit(null, MINUTE) });
    await idle.start();
    await house.clock.advance(MINUTE);
    await idle.stop();
    expect([new Set(suspended), use.suspended.size, house.engine.calls.pause]).toEqual([new Set([false]), 0, 0]);
    expect(house.instances.running().map((running) => running.container)).toEqual([container]);
  });

  it('K22: does not sleep while anything is in flight', async () => {
    await using house = await startIdle(null, MINUTE);
    const release = house.release();
    const { container } = await house.instances.ensure(release, PLACEMENT);
    house.begin(container);
    await house.clock.advance(10 * MINUTE);
    expect([house.instances.state(release), house.engine.calls.pause]).toEqual(['running', 0]);
  });

  it('runs on, and is let through, when the engine cannot freeze it', async () => {
    await using house = await startIdle(null, MINUTE);
    const release = house.release();
    await house.instances.ensure(release, PLACEMENT);
    house.engine.down();
    await house.clock.advance(2 * MINUTE);
    expect([house.instances.state(release), house.suspended.size]).toEqual(['running', 0]);
    expect(house.log.recent().some(({ message }) => message === 'idle instance not laid to rest')).toBe(true);
  });

  it('never sleeps where its settings say so, and tells what becomes of it', async () => {
    await using house = await startIdle(null, null);
    const instance = await house.instances.ensure(house.release(), PLACEMENT);
    await house.clock.advance(180 * MINUTE);
    expect(house.instances.running()).toEqual([instance]);
    expect(await house.idle.plan(instance)).toEqual({ next: null, why: 'never, by its settings' });
  });
});

describe('an engine that cannot freeze', () => {
  it('is asked once for each time that a preview was used, and lets it stop in its time', async () => {
    await using house = await startIdle(30 * MINUTE, MINUTE);
    const release = house.release();
    const { container } = await house.instances.ensure(release, PLACEMENT);
    house.engine.pause = () => Promise.reject(new AppError('engine_unavailable', 'It cannot freeze.'));
    let asked = 0;
    const { pause } = house.engine;
    house.engine.pause = (id) => { asked += 1; return pause(id); };
    await house.clock.advance(10 * MINUTE);
    expect([asked, house.instances.state(release), house.suspended.size]).toEqual([1, 'running', 0]);
    house.begin(container);
    house.end(container);
    await house.clock.advance(10 * MINUTE);
    expect([asked, house.instances.state(release)]).toEqual([2, 'running']);
    await house.clock.advance(21 * MINUTE);
    expect(house.instances.state(release)).not.toBe('running');
  });
});

describe('an instance that is told to stop while it is frozen', () => {
  it('is not reached again', async () => {
    await using house = await startIdle(null, MINUTE);
    const release = house.release();
    const { container } = await house.instances.ensure(release, PLACEMENT);
    const { pause } = house.engine;
    house.engine.pause = async (id) => { void house.instances.stop(release); return pause(id); };
    await house.clock.advance(2 * MINUTE);
    await until(async () => (await house.engine.list()).length === 0, 'its container is removed');
    expect([house.instances.state(release), house.suspended.has(container)]).toEqual([undefined, true]);
  });
});
