import type { ContainerId } from '../../src/domain/ids.js';
import type { ContainerSpec } from '../../src/engine/port.js';
import { until } from '../support/until.js';
import { PLACEMENT, ready, releaseOf, startInstances } from './started-instances.js';

const MINUTE = 60_000;

describe('an application that ends while it runs', () => {
  it('is out of reach at once, then gone with its error, its log kept and its container removed; the next visit starts it', async () => {
    await using house = await startInstances({ program: () => ({ lines: ['up'] }) });
    const release = house.release();
    const { container } = await house.instances.ensure(release, PLACEMENT);
    house.engine.exit(container, 3, ['out of patience']);
    await until(async () => (await house.engine.list()).length === 0, 'the container is removed');
    expect(house.changes.slice(0, 4)).toEqual(['starting', 'running', 'lost', 'gone: crashed']);
    expect(house.instances.lastFailure(release)).toMatchObject({ message: 'It exited with code 3.', details: { lastLines: ['up', 'out of patience'] } });
    expect(await house.textsOf(release)).toEqual(['up', 'out of patience']);
    const again = await house.instances.ensure(release, PLACEMENT);
    expect(again.container).not.toBe(container);
    expect(house.instances.lastFailure(release)).toBeUndefined();
  });

  it('is out of reach before anything about it is looked into', async () => {
    await using house = await startInstances({ outputMs: 1_000 });
    const release = house.release();
    const { container } = await house.instances.ensure(release, PLACEMENT);
    void house.instances.lost(container, false);
    expect(house.changes).toEqual(['starting', 'running', 'lost']);
    expect([house.instances.state(release), house.instances.container(release), house.instances.running()]).toEqual(['stopping', undefined, []]);
  });

  it('keeps its log also when somebody wants it in the very moment it ends', async () => {
    const starts: ContainerSpec[] = [];
    await using house = await startInstances({ outputMs: 1_000, program: (spec) => { starts.push(spec); return { lines: [`start ${starts.length}`] }; } });
    const release = house.release();
    const again = new Promise<ContainerId>((resolve, reject) => {
      house.instances.onChange((change) => {
        if (change.kind === 'lost') house.instances.ensure(release, PLACEMENT).then(({ container }) => { resolve(container); }, reject);
      });
    });
    const { container } = await house.instances.ensure(release, PLACEMENT);
    house.engine.exit(container, 1, ['the reason']);
    await house.clock.advance(5_000);
    const next = await again;
    expect(next).not.toBe(container);
    expect(await house.textsOf(release)).toEqual(['start 1', 'the reason']);
    expect((await house.engine.list()).map(({ id }) => id)).toEqual([next]);
    expect(house.instances.state(release)).toBe('running');
  });

  it('is stopped, and not said to have crashed, when it is told to stop while its end is looked into', async () => {
    await using house = await startInstances({ outputMs: 1_000, program: () => ({ lines: ['up'] }) });
    const release = house.release();
    const { container } = await house.instances.ensure(release, PLACEMENT);
    house.engine.exit(container, 143);
    await house.clock.advance(500);
    const stopped = house.instances.stop(release);
    await house.clock.advance(5_000);
    await stopped;
    expect(house.changes).toEqual(['starting', 'running', 'lost', 'gone', 'cleared']);
    expect(await house.textsOf(release)).toEqual(['up']);
    expect(house.instances.lastFailure(release)).toBeUndefined();
  });

  it('K7: can be wanted again although what is left of it could not be cleared away', async () => {
    await using house = await startInstances();
    const release = house.release();
    const { container } = await house.instances.ensure(release, PLACEMENT);
    house.engine.down();
    await house.instances.lost(container, false);
    house.engine.up();
    expect((await house.instances.ensure(release, PLACEMENT)).container).not.toBe(container);
    expect(house.log.recent().map(({ message }) => message)).toContain('lost instance not cleared away');
    expect(await house.engine.list()).toHaveLength(1);
  });

  it('K8: is not said to have ended when the engine goes away, and is heard of again when it is back', async () => {
    await using house = await startInstances();
    const release = house.release();
    const { container } = await house.instances.ensure(release, PLACEMENT);
    house.engine.down();
    await house.clock.advance(MINUTE);
    expect(house.changes).toEqual(['starting', 'running']);
    house.engine.up();
    await house.clock.advance(2_000);
    expect(house.instances.running().map((running) => running.container)).toEqual([container]);
    house.engine.exit(container, 1);
    await until(() => house.changes.includes('gone: crashed'), 'its end is heard');
    expect(house.instances.lastFailure(release)?.message).toBe('It exited with code 1.');
  });

  it('does not disturb the one that took its place', async () => {
    await using house = await startInstances({ probe: ready });
    const release = house.release();
    const first = await house.instances.ensure(release, PLACEMENT);
    await house.instances.stop(release);
    const second = await house.instances.ensure(release, PLACEMENT);
    await house.instances.lost(first.container, false);
    expect(second.container).not.toBe(first.container);
    expect(house.instances.state(release)).toBe('running');
    expect(house.changes).toEqual(['starting', 'running', 'stopping', 'gone', 'starting', 'running']);
  });
});

describe('K20: an application whose container somebody else ends', () => {
  it.each<[string, (house: Awaited<ReturnType<typeof startInstances>>, container: ContainerId) => Promise<void>]>([
    ['removes', ({ engine }, container) => engine.remove(container)],
    ['stops', ({ engine }, container) => engine.stop(container, 1_000)],
    ['cuts off its network', async ({ engine }, container) => { engine.readdress(container, { address: '10.213.9.9', port: 3000 }); }],
  ])('who %s it: it is gone without an error, and comes back', async (_what, end) => {
    await using house = await startInstances({ program: () => ({ lines: ['up'] }) });
    const release = house.release();
    const { container } = await house.instances.ensure(release, PLACEMENT);
    await end(house, container);
    await until(() => house.instances.state(release) === undefined, 'its end is heard');
    expect(house.changes).toEqual(['starting', 'running', 'lost', 'gone', 'cleared']);
    expect(house.instances.lastFailure(release)).toBeUndefined();
    const again = await house.instances.ensure(release, PLACEMENT);
    expect((await house.engine.list()).map(({ id }) => id)).toEqual([again.container]);
  });

  it('may be ended so as often as they like: it is not the application that fails', async () => {
    await using house = await startInstances();
    for (let start = 0; start < 15; start += 1) {
      const { container } = await house.instances.ensure(house.release(), PLACEMENT);
      await house.engine.remove(container);
      await until(() => house.instances.state(house.release()) === undefined, 'its end is heard');
    }
    expect(house.engine.calls.start).toBe(15);
  });

  it('between its last probe and the moment it runs: it is not taken for one that runs', async () => {
    await using house = await startInstances();
    const release = house.release();
    const changes: string[] = [];
    house.engine.cutEvents();
    house.instances.onChange(({ kind }) => { changes.push(kind); });
    const { container } = await house.instances.ensure(release, PLACEMENT);
    const found = await house.engine.inspect(container);
    await house.instances.stop(release);
    if (!found?.target) throw new Error('it does not run');
    // The engine's list is older than its word that the container ended.
    await house.instances.lost(container, true);
    house.instances.adopt(release, { web: { ...found, target: found.target }, beside: [], host: PLACEMENT.host });
    await until(() => house.instances.state(release) === undefined, 'it is given up');
    expect(changes.slice(-4)).toEqual(['running', 'lost', 'gone', 'cleared']);
  });

  it('after the server has closed: nothing is done about it', async () => {
    await using house = await startInstances();
    const { container } = await house.instances.ensure(house.release(), PLACEMENT);
    await house.instances.close();
    await house.instances.lost(container, false);
    expect(house.changes).toEqual(['starting', 'running']);
    expect(await house.engine.list()).toHaveLength(1);
  });
});

describe('INV3: an address that the engine gave to another container', () => {
  it('takes the one that had it before out of reach at its start, though its end was never heard of', async () => {
    const upstreams = new Map([[1, 41_001], [2, 41_001], [3, 41_003]]);
    await using house = await startInstances({ program: ({ release }) => ({ at: upstreams.get(release) ?? 0 }) });
    house.engine.cutEvents();
    const [first, other] = await Promise.all([1, 3].map((n) => house.instances.ensure(house.release({}, n), PLACEMENT)));
    const lost: unknown[] = [];
    house.instances.onChange((change) => { if (change.kind === 'lost') lost.push([change.container, house.instances.state(releaseOf(2, house.image))]); });
    const second = await house.instances.ensure(house.release({}, 2), PLACEMENT);
    expect(lost).toEqual([[first?.container, 'starting']]);
    expect(new Set(house.instances.running())).toEqual(new Set([other, second]));
  });
});
