import type { ContainerId } from '../../src/domain/ids.js';
import type { Release } from '../../src/domain/release.js';
import { createRoom, type Room } from '../../src/run/room.js';
import { until } from '../support/until.js';
import { PLACEMENT, startInstances, type StartedInstances } from './started-instances.js';

interface Crowd extends StartedInstances {
  readonly room: Room;
  readonly idle: Map<ContainerId, number | null>;
  /** Lets a release come in and run, idle for so many milliseconds afterwards. */
  come(n: number, idleMs: number | null): Promise<Release>;
}

async function startCrowd(most: number, pinned: readonly number[] = []): Promise<Crowd> {
  const house = await startInstances();
  const idle = new Map<ContainerId, number | null>();
  const idleMs = (container: ContainerId) => idle.get(container) ?? null;
  const room = createRoom({
    instances: house.instances, most, log: house.log, pinned: ({ number }) => Promise.resolve(pinned.includes(number) ? 'pinned' : null),
    traffic: { idleMs, withdraw: (container) => idleMs(container) !== null },
  });
  const come: Crowd['come'] = async (n, ms) => {
    const release = house.release({}, n);
    const { leave } = await room.enter(release, { mayExceed: false });
    const { container } = await house.instances.ensure(release, PLACEMENT);
    leave();
    idle.set(container, ms);
    return release;
  };
  return { ...house, room, idle, come };
}

const there = (house: Crowd) => house.instances.present().filter((release) => house.instances.state(release) !== 'stopping').map(({ number }) => Number(number)).sort();

describe('room for containers', () => {
  it('is made by whoever was used least recently', async () => {
    await using house = await startCrowd(3);
    await house.come(1, 100);
    await house.come(2, 900);
    await house.come(3, 500);
    await house.come(4, 0);
    expect(there(house)).toEqual([1, 3, 4]);
    await house.come(5, 0);
    expect(there(house)).toEqual([1, 4, 5]);
  });

  it('is never made by what is in use or pinned: who comes then is told so, and nothing stops', async () => {
    await using house = await startCrowd(2, [2]);
    await house.come(1, null);
    await house.come(2, 900);
    await expect(house.come(3, 0)).rejects.toMatchObject({ code: 'too_busy', message: 'No more than 2 containers may be there (limits.running), and too few of them are unused. 1 of them always run, for stages and kept branches.' });
    expect([there(house), house.room.count]).toEqual([[1, 2], 2]);
  });

  it('is exceeded by what always runs, which is said once', async () => {
    await using house = await startCrowd(1, [1, 2, 3]);
    await house.come(1, null);
    for (const n of [2, 3]) {
      const release = house.release({}, n);
      await house.room.enter(release, { mayExceed: true });
      await house.instances.ensure(release, PLACEMENT);
    }
    expect(there(house)).toEqual([1, 2, 3]);
    expect(house.log.recent().filter(({ message }) => message.includes('need all containers of limits.running'))).toHaveLength(1);
  });

  it('counts every process, and those that come at the same time', async () => {
    await using house = await startCrowd(4);
    await house.come(1, 10);
    await house.come(2, 20);
    const set = house.release({ processes: { worker: ['work'] } }, 3);
    const { leave } = await house.room.enter(set, { mayExceed: false });
    const both = [house.come(4, 0), house.come(5, 0)];
    await Promise.all(both);
    expect([there(house), house.room.count]).toEqual([[4, 5], 4]);
    leave();
    expect(house.room.count).toBe(2);
  });

  it('is exceeded by what takes another one’s place, which goes on until then', async () => {
    await using house = await startCrowd(1);
    const old = await house.come(1, 900);
    const next: Release = { ...house.release({}, 2), route: old.route };
    await house.room.enter(next, { mayExceed: true });
    await house.instances.ensure(next, PLACEMENT);
    expect(there(house)).toEqual([1, 2]);
  });

  it('can be made for another reason, one by one', async () => {
    await using house = await startCrowd(10);
    await house.come(1, 100);
    await house.come(2, 900);
    expect((await house.room.relieve('memory'))?.release.number).toBe(2);
    expect((await house.room.relieve('memory'))?.release.number).toBe(1);
    expect(await house.room.relieve('memory')).toBeUndefined();
    await until(async () => (await house.engine.list()).length === 0, 'all are removed');
  });
});

describe('room that cannot be made', () => {
  it('is refused before anything stops, when what comes is larger than what may go', async () => {
    await using house = await startCrowd(3, [1]);
    await house.come(1, 900);
    await house.come(2, 900);
    await house.come(3, 100);
    const large = house.release({ processes: { a: ['a'], b: ['b'], c: ['c'] } }, 9);
    await expect(house.room.enter(large, { mayExceed: false })).rejects.toMatchObject({ code: 'too_busy' });
    expect(there(house)).toEqual([1, 2, 3]);
  });

  it('is refused, though one was told to stop, when another one is taken into use meanwhile', async () => {
    await using house = await startCrowd(2);
    await house.come(1, 900);
    const used = house.instances.container(await house.come(2, 100));
    house.instances.onChange(({ kind }) => { if (kind === 'stopping' && used) house.idle.set(used, null); });
    const two = house.release({ processes: { a: ['a'] } }, 9);
    await expect(house.room.enter(two, { mayExceed: false })).rejects.toMatchObject({ code: 'too_busy' });
    expect([there(house), house.room.count]).toEqual([[2], 1]);
  });

  it('is not missed for ever after the engine was away', async () => {
    await using house = await startCrowd(1);
    await house.come(1, 900);
    house.engine.down();
    const next = house.release({}, 2);
    const { leave } = await house.room.enter(next, { mayExceed: false });
    await expect(house.instances.ensure(next, PLACEMENT)).rejects.toMatchObject({ code: 'engine_unavailable' });
    leave();
    house.engine.up();
    expect(house.room.count).toBeLessThanOrEqual(1);
    await house.come(3, 0);
    expect(there(house)).toContain(3);
  });

  it('is there as soon as somebody is told to stop, however long that takes', async () => {
    await using house = await startCrowd(2);
    await house.come(1, 900);
    await house.come(2, null);
    void house.instances.stop(house.release({}, 1)).catch(() => undefined);
    expect(house.room.count).toBe(1);
    await house.come(3, 0);
    await expect(house.come(4, 0)).resolves.toBeDefined();
  });

  it('is made by the next one for who asks while one still stops', async () => {
    await using house = await startCrowd(10);
    await house.come(1, 100);
    await house.come(2, 900);
    const letGo = house.engine.hold('stop');
    const both = [house.room.relieve('memory'), until(() => house.engine.calls.stop === 1, 'it is told to stop').then(() => house.room.relieve('memory'))];
    await until(() => house.engine.calls.stop === 2, 'the next one is told to stop');
    letGo();
    expect((await Promise.all(both)).map((gone) => gone?.release.number)).toEqual([2, 1]);
  });

  it('spares who was used a moment ago', async () => {
    await using house = await startCrowd(10);
    await house.come(1, 100);
    expect(await house.room.relieve('memory', { leastIdleMs: 200 })).toBeUndefined();
    expect((await house.room.relieve('memory', { leastIdleMs: 100 }))?.release.number).toBe(1);
  });
});
