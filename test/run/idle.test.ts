import { createIdle, retireInstance, type Traffic } from '../../src/run/idle.js';
import { until } from '../support/until.js';
import { createTraffic, limit, MINUTE, startIdle } from './idle-house.js';
import { PLACEMENT, startInstances } from './started-instances.js';

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
