import type { ContainerId, ProjectName } from '../../src/domain/ids.js';
import type { IdleTimes } from '../../src/domain/project.js';
import { createIdle, retireInstance, type Traffic } from '../../src/run/idle.js';
import { until } from '../support/until.js';
import { PLACEMENT, PROJECT, startInstances, type StartedInstances } from './started-instances.js';

const MINUTE = 60_000;

/** Traffic as a test sets it: who is idle since when, and who has something in flight. */
function createTraffic({ clock }: Pick<StartedInstances, 'clock'>) {
  const lastUsed = new Map<ContainerId, number>();
  const inFlight = new Map<ContainerId, number>();
  const withdrawn = new Set<ContainerId>();
  const suspended = new Map<ContainerId, () => Promise<void>>();
  let wake: () => void = () => undefined;
  const busy = (id: ContainerId) => (inFlight.get(id) ?? 0) > 0;
  const traffic: Traffic = {
    idleMs: (id) => (busy(id) ? null : clock.monotonic() - (lastUsed.get(id) ?? 0)),
    withdraw: (id) => {
      if (busy(id)) return false;
      withdrawn.add(id);
      return true;
    },
    suspend: (id, letGoOn) => {
      if (busy(id)) return false;
      suspended.set(id, letGoOn);
      return true;
    },
    resume: (id) => { suspended.delete(id); },
    drained: async (id, signal) => {
      signal.addEventListener('abort', () => { wake(); }, { once: true });
      while (busy(id) && !signal.aborted) await new Promise<void>((resolve) => { wake = resolve; });
    },
  };
  return {
    traffic, withdrawn, suspended,
    begin: (id: ContainerId) => { inFlight.set(id, (inFlight.get(id) ?? 0) + 1); },
    end: (id: ContainerId) => { inFlight.set(id, (inFlight.get(id) ?? 0) - 1); lastUsed.set(id, clock.monotonic()); wake(); },
  };
}

const limit = (stopMs: number | null, sleepMs: number | null = null): ReadonlyMap<ProjectName, IdleTimes> => new Map([[PROJECT, { sleepMs, stopMs }]]);

async function startIdle(stopMs: number | null = 30 * MINUTE, sleepMs: number | null = null) {
  const house = await startInstances({ program: () => ({ lines: ['up'] }) });
  const use = createTraffic(house);
  const idle = createIdle({ instances: house.instances, traffic: use.traffic, clock: house.clock, log: house.log, times: limit(stopMs, sleepMs) });
  await idle.start();
  return { ...house, ...use, idle, [Symbol.asyncDispose]: async () => { await idle.stop(); await house[Symbol.asyncDispose](); } };
}

describe('an idle instance', () => {
  it('stops once nothing was in flight for long enough, its log kept', async () => {
    await using house = await startIdle();
    const { container } = await house.instances.ensure(house.release(), PLACEMENT);
    await house.clock.advance(30 * MINUTE - 1);
    expect(house.instances.running()).toHaveLength(1);
    await house.clock.advance(10_001);
    expect(house.instances.running()).toEqual([]);
    expect(house.withdrawn).toEqual(new Set([container]));
    await until(async () => (await house.engine.list()).length === 0, 'its container is removed');
    expect(await house.textsOf(house.release())).toEqual(['up']);
  });

  it('K22: lives on while anything is in flight, and the time starts at its end', async () => {
    await using house = await startIdle();
    const { container } = await house.instances.ensure(house.release(), PLACEMENT);
    house.begin(container);
    house.begin(container);
    await house.clock.advance(90 * MINUTE);
    house.end(container);
    await house.clock.advance(90 * MINUTE);
    expect(house.instances.running()).toHaveLength(1);
    house.end(container);
    await house.clock.advance(29 * MINUTE);
    expect(house.instances.running()).toHaveLength(1);
    await house.clock.advance(2 * MINUTE);
    expect(house.instances.running()).toEqual([]);
  });

  it('stops while another one that is used goes on', async () => {
    await using house = await startIdle(MINUTE);
    const [used, unused] = await Promise.all([1, 2].map((n) => house.instances.ensure(house.release({}, n), PLACEMENT)));
    if (!used || !unused) throw new Error('nothing runs');
    for (let passed = 0; passed < 5; passed += 1) {
      house.begin(used.container);
      house.end(used.container);
      await house.clock.advance(MINUTE / 2);
    }
    expect(house.instances.running()).toEqual([used]);
  });

  it('K22: lives on when a request arrives in between: withdrawing says so', async () => {
    await using house = await startInstances();
    const use = createTraffic(house);
    const { container } = await house.instances.ensure(house.release(), PLACEMENT);
    let asked = 0;
    const traffic: Traffic = { ...use.traffic, idleMs: (id) => { asked += 1; use.begin(id); return 60 * MINUTE; } };
    const idle = createIdle({ instances: house.instances, traffic, clock: house.clock, log: house.log, times: limit(MINUTE) });
    await idle.start();
    await house.clock.advance(MINUTE);
    await idle.stop();
    expect(asked).toBeGreaterThan(1);
    expect(house.engine.calls.stop).toBe(0);
    expect(house.instances.running().map((running) => running.container)).toEqual([container]);
  });

  it('is seen soon after, also with a short limit', async () => {
    await using house = await startIdle(1_000);
    await house.instances.ensure(house.release(), PLACEMENT);
    await house.clock.advance(1_200);
    expect(house.instances.running()).toEqual([]);
  });

  it('K23: is not judged by the wall clock', async () => {
    await using house = await startInstances();
    const day = 24 * 60 * MINUTE;
    const jumping = { ...house.clock, now: () => house.clock.now() + day };
    const use = createTraffic({ clock: house.clock });
    await house.instances.ensure(house.release(), PLACEMENT);
    const idle = createIdle({ instances: house.instances, traffic: use.traffic, clock: jumping, log: house.log, times: limit(30 * MINUTE) });
    await idle.start();
    await house.clock.advance(MINUTE);
    await idle.stop();
    expect(house.instances.running()).toHaveLength(1);
  });

  it('does not keep others from being stopped when stopping it fails, and is logged', async () => {
    await using house = await startIdle(MINUTE);
    const [first, second] = await Promise.all([1, 2].map((n) => house.instances.ensure(house.release({}, n), PLACEMENT)));
    if (!first || !second) throw new Error('nothing runs');
    house.engine.down();
    await house.clock.advance(2 * MINUTE);
    expect(house.log.recent().filter(({ message }) => message === 'idle instance not laid to rest')).toHaveLength(2);
    expect(house.withdrawn.size).toBe(2);
  });

  it('is looked for no more after the end', async () => {
    await using house = await startIdle(MINUTE);
    await house.instances.ensure(house.release(), PLACEMENT);
    await house.idle.stop();
    await house.idle.stop();
    await house.clock.advance(60 * MINUTE);
    expect(house.instances.running()).toHaveLength(1);
    expect(house.clock.sleepers).toBe(0);
  });
});

describe('an instance that was replaced', () => {
  it('stops at once when nothing is in flight', async () => {
    await using house = await startInstances();
    const { traffic } = createTraffic(house);
    const running = await house.instances.ensure(house.release(), PLACEMENT);
    await retireInstance(running, { instances: house.instances, traffic, clock: house.clock }, 30_000);
    expect(await house.engine.list()).toEqual([]);
    expect(house.clock.sleepers).toBe(0);
  });

  it('serves what it still serves, and stops then', async () => {
    await using house = await startInstances();
    const { traffic, begin, end } = createTraffic(house);
    const running = await house.instances.ensure(house.release(), PLACEMENT);
    begin(running.container);
    const retired = retireInstance(running, { instances: house.instances, traffic, clock: house.clock }, 30_000);
    await house.clock.advance(10_000);
    expect(house.instances.running()).toHaveLength(1);
    end(running.container);
    await retired;
    expect(house.instances.running()).toEqual([]);
  });

  it('stops after the drain time although something is still in flight', async () => {
    await using house = await startInstances();
    const { traffic, begin } = createTraffic(house);
    const running = await house.instances.ensure(house.release(), PLACEMENT);
    begin(running.container);
    const retired = retireInstance(running, { instances: house.instances, traffic, clock: house.clock }, 30_000);
    await house.clock.advance(29_999);
    expect(house.instances.running()).toHaveLength(1);
    await house.clock.advance(1);
    await retired;
    await until(async () => (await house.engine.list()).length === 0, 'it is removed');
    expect(house.instances.running()).toEqual([]);
  });
});

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

  it('K22: does not sleep while anything is in flight, nor when a request comes in between', async () => {
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
    await house.clock.advance(60 * 60 * MINUTE);
    expect(house.instances.running()).toEqual([instance]);
    expect(await house.idle.plan(instance)).toEqual({ next: null, why: 'never, by its settings' });
  });
});
