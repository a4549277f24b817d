import type { ContainerSpec } from '../../src/engine/port.js';
import { until } from '../support/until.js';
import { PLACEMENT, PROJECT, silent, startInstances } from './started-instances.js';

describe('an instance', () => {
  it('K18: starts once for 100 who want it at the same time', async () => {
    await using house = await startInstances();
    const release = house.release();
    const running = await Promise.all(Array.from({ length: 100 }, () => house.instances.ensure(release, PLACEMENT)));
    expect(new Set(running.map(({ container }) => container)).size).toBe(1);
    expect(house.engine.calls.start).toBe(1);
    expect(house.changes).toEqual(['starting', 'running']);
    expect(house.instances.state(release)).toBe('running');
    expect(house.instances.running()).toEqual([running[0]]);
    expect(await house.instances.ensure(release, PLACEMENT)).toBe(running[0]);
  });

  it('gets the release’s settings, the route’s variables and its port', async () => {
    const specs: ContainerSpec[] = [];
    await using house = await startInstances({ program: (spec) => { specs.push(spec); return {}; } });
    const release = house.release({ port: 8080, memoryBytes: 1024 ** 2, cpus: 0.5, pids: 7, profile: 'strict', stopTimeoutMs: 3_000 });
    await house.instances.ensure(release, PLACEMENT);
    expect(specs).toEqual([{
      project: PROJECT, release: 1, commit: release.commit, build: null, environment: null, process: null, command: null, image: house.image, port: 8080,
      memoryBytes: 1024 ** 2, cpus: 0.5, pids: 7, profile: 'strict', stopTimeoutMs: 3_000,
      env: { FEATURE: 'on', SLIPWAY_URL: 'http://branch-main.localhost:3000', PORT: '8080' },
    }]);
    expect(house.engine.calls.ensureNetwork).toBe(1);
  });

  it.each([[[8000], 8000], [[], 3000], [[80, 443], 3000]])('dials the only port that the image exposes, else 3000: %j gives %d', async (exposedPorts, port) => {
    const ports: number[] = [];
    await using house = await startInstances({ exposedPorts, program: (spec) => { ports.push(spec.port); return {}; } });
    await house.instances.ensure(house.release(), PLACEMENT);
    expect(ports).toEqual([port]);
  });

  it('is one for each release, side by side', async () => {
    await using house = await startInstances();
    const [first, second] = await Promise.all([1, 2].map((n) => house.instances.ensure(house.release({}, n), PLACEMENT)));
    expect(first?.container).not.toBe(second?.container);
    expect(house.instances.running()).toHaveLength(2);
  });
});

describe('an instance that is told to stop', () => {
  it('ends, keeps what it printed, and leaves no container', async () => {
    await using house = await startInstances({ program: () => ({ lines: ['listening', 'bye'] }) });
    const release = house.release();
    await house.instances.ensure(release, PLACEMENT);
    await house.instances.stop(release);
    expect(await house.engine.list()).toEqual([]);
    expect(await house.textsOf(release)).toEqual(['listening', 'bye']);
    expect(house.changes).toEqual(['starting', 'running', 'stopping', 'gone']);
    expect([house.instances.state(release), house.instances.lastFailure(release), house.instances.running()]).toEqual([undefined, undefined, []]);
    await house.instances.stop(release);
    expect(house.engine.calls.stop).toBe(1);
  });

  it('K22: is stopped once however many ask, and who wants it meanwhile waits and gets a new one', async () => {
    await using house = await startInstances({ program: () => ({ deaf: true, lines: ['up'] }) });
    const release = house.release();
    const first = await house.instances.ensure(release, PLACEMENT);
    const stops = [house.instances.stop(release), house.instances.stop(release)];
    await house.clock.advance(5_000);
    expect(house.instances.state(release)).toBe('stopping');
    expect(house.instances.running()).toEqual([]);
    const wanted = Promise.all([house.instances.ensure(release, PLACEMENT), house.instances.ensure(release, PLACEMENT)]);
    await house.clock.advance(4_000);
    expect(house.engine.calls.start).toBe(1);
    await house.clock.advance(1_000);
    await Promise.all(stops);
    const [second, joined] = await wanted;
    expect(second.container).not.toBe(first.container);
    expect(joined).toBe(second);
    expect([house.engine.calls.start, house.engine.calls.stop]).toEqual([2, 1]);
    expect((await house.engine.list()).map(({ id }) => id)).toEqual([second.container]);
    expect(await house.textsOf(release)).toEqual(['up']);
  });

  it('while it starts does not start, and leaves no container', async () => {
    await using house = await startInstances({ probe: silent });
    const release = house.release();
    const wanted = house.instances.ensure(release, PLACEMENT);
    wanted.catch(() => undefined);
    await until(() => house.engine.calls.start === 1, 'the container is there');
    await house.instances.stop(release);
    await expect(wanted).rejects.toMatchObject({ code: 'preview_unavailable' });
    expect(await house.engine.list()).toEqual([]);
    expect(house.instances.state(release)).toBeUndefined();
    expect(house.instances.lastFailure(release)).toBeUndefined();
    expect(house.clock.sleepers).toBe(0);
  });

  it('K17: can be wanted again although stopping it failed', async () => {
    await using house = await startInstances();
    const release = house.release();
    await house.instances.ensure(release, PLACEMENT);
    house.engine.down();
    await expect(house.instances.stop(release)).rejects.toMatchObject({ code: 'engine_unavailable' });
    house.engine.up();
    await house.instances.ensure(release, PLACEMENT);
    expect(house.instances.state(release)).toBe('running');
    expect(await house.engine.list()).toHaveLength(1);
  });
});

describe('instances over a restart', () => {
  it('K5: are taken over with their container, and watched', async () => {
    await using house = await startInstances();
    const release = house.release();
    const { container } = await house.instances.ensure(release, PLACEMENT);
    await house.instances.close();
    const next = house.another();
    const found = await house.engine.inspect(container);
    if (!found?.target) throw new Error('it does not run');
    const adopted = next.adopt(release, { web: { ...found, target: found.target }, beside: [], host: PLACEMENT.host });
    expect(adopted).toEqual({ release, container, beside: [], target: found.target, host: PLACEMENT.host, since: found.startedAt });
    expect(await next.ensure(release, PLACEMENT)).toBe(adopted);
    expect(house.engine.calls.start).toBe(1);
    house.engine.exit(container, 1);
    await until(() => next.lastFailure(release)?.code === 'crashed', 'its end is seen');
  });

  it('K6: go on running when the server closes; those that start end', async () => {
    const slow = new Set([2]);
    await using house = await startInstances({ probe: async ({ target }) => (slow.has(target.port) ? { kind: 'silence' } : { kind: 'answer', status: 200 }) });
    const running = await house.instances.ensure(house.release({ port: 1 }, 1), PLACEMENT);
    const starting = house.instances.ensure(house.release({ port: 2 }, 2), PLACEMENT);
    starting.catch(() => undefined);
    await until(() => house.engine.calls.start === 2, 'the second one is there');
    await house.instances.close();
    await expect(starting).rejects.toMatchObject({ code: 'shutting_down' });
    expect((await house.engine.list()).map(({ id, running: runs }) => [id, runs])).toEqual([[running.container, true]]);
    await expect(house.instances.ensure(house.release({}, 3), PLACEMENT)).rejects.toMatchObject({ code: 'shutting_down' });
    expect(house.instances.lastFailure(house.release({}, 2))).toBeUndefined();
    await house.instances.close();
  });

  it('are watched no more once the server has closed', async () => {
    await using house = await startInstances();
    const { container } = await house.instances.ensure(house.release(), PLACEMENT);
    await house.instances.close();
    house.engine.exit(container, 1);
    await house.clock.advance(0);
    expect(house.changes).toEqual(['starting', 'running']);
    expect(await house.engine.list()).toHaveLength(1);
  });
});
