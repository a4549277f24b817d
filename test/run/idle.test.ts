import { createIdle, retireInstance, type Traffic } from '../../src/run/idle.js';
import { until } from '../support/until.js';
import { createTraffic, limit, MINUTE, startIdle } from './idle-house.js';
import { PLACEMENT, startInstances, type StartedInstances } from './started-instances.js';

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

describe('an idle instance that takes its time to rest', () => {
  /** Of two, both unused from now on; v1 is deaf to SIGTERM. */
  const startTwo = async (sleepMs: number, stopMs: number) => {
    const house = await startInstances({ program: ({ release }) => ({ deaf: release === 1 }) });
    const use = createTraffic(house);
    const idle = createIdle({ instances: house.instances, traffic: use.traffic, clock: house.clock, log: house.log, times: limit(stopMs, sleepMs) });
    const [slow, other] = [house.release({ stopTimeoutMs: 60 * MINUTE }, 1), house.release({}, 2)];
    const [{ container }, { container: second }] = await Promise.all([house.instances.ensure(slow, PLACEMENT), house.instances.ensure(other, PLACEMENT)]);
    await idle.start();
    const dispose = async () => {
      await Promise.all([idle.stop(), house.clock.advance(120 * MINUTE)]);
      await house[Symbol.asyncDispose]();
    };
    return { ...house, ...use, idle, container, second, states: () => [slow, other].map(house.instances.state), [Symbol.asyncDispose]: dispose };
  };
  const failures = ({ log }: StartedInstances) => log.recent().filter(({ level }) => level === 'error');

  it('K22: keeps no other one from sleeping and stopping in its time; only the end waits for it', async () => {
    await using house = await startTwo(5 * MINUTE, 10 * MINUTE);
    for (let used = 0; used < 2; used += 1) {
      await house.clock.advance(4 * MINUTE);
      house.begin(house.second);
      house.end(house.second);
    }
    await house.clock.advance(3 * MINUTE);
    expect(house.states()).toEqual(['stopping', 'running']);
    await house.clock.advance(2 * MINUTE + 10_001);
    expect(house.states()).toEqual(['stopping', 'sleeping']);
    await house.clock.advance(5 * MINUTE);
    await until(() => house.states()[1] === undefined, 'the other one is gone');
    expect([house.states(), house.engine.calls.stop]).toEqual([['stopping', undefined], 2]);
    let isOver = false;
    const stopped = house.idle.stop().then(() => { isOver = true; });
    await house.clock.advance(50 * MINUTE);
    expect([isOver, house.states()[0]]).toEqual([false, 'stopping']);
    await house.clock.advance(10 * MINUTE);
    await stopped;
    expect([await house.engine.list(), failures(house)]).toEqual([[], []]);
  });

  it('K22: is not told to stop while the engine still freezes it, which holds up no other one', async () => {
    await using house = await startTwo(MINUTE, 3 * MINUTE);
    const { pause } = house.engine;
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => { letGo = resolve; });
    let asked = 0;
    house.engine.pause = async (id) => { if (id === house.container) { asked += 1; await held; } return pause(id); };
    await house.clock.advance(10 * MINUTE);
    await until(() => house.states()[1] === undefined, 'the other one is gone');
    expect([asked, house.states(), house.withdrawn]).toEqual([1, ['sleeping', undefined], new Set([house.second])]);
    letGo();
    await house.clock.advance(10_001);
    expect([asked, house.states()[0], house.withdrawn.has(house.container)]).toEqual([1, 'stopping', true]);
    await house.clock.advance(60 * MINUTE);
    await until(async () => (await house.engine.list()).length === 0, 'it is killed');
    expect(failures(house)).toEqual([]);
  });

  it('K22: is told of in the log when it fails in the end, which then ends too', async () => {
    await using house = await startTwo(5 * MINUTE, 10 * MINUTE);
    await house.clock.advance(11 * MINUTE);
    const stopped = house.idle.stop();
    house.engine.down();
    await house.clock.advance(60 * MINUTE);
    await stopped;
    expect(failures(house).map(({ message }) => message)).toEqual(['idle instance not laid to rest']);
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
