import type { ListeningPort } from '../../src/engine/port.js';
import type { FakeProgram } from '../support/fake-containers.js';
import { until } from '../support/until.js';
import { PLACEMENT, silent, startInstances } from './started-instances.js';

const MINUTE = 60_000;

describe('an application that ends while it starts', () => {
  it.each([
    [1, false, 'It exited with code 1 after 0.0 s.'],
    [0, false, 'It exited with code 0 after 0.0 s.'],
    [127, false, 'It exited with code 127 (its command was not found) after 0.0 s.'],
    [139, false, 'It exited with code 139 (segmentation fault) after 0.0 s.'],
    [137, true, 'It ran out of memory after 0.0 s: the limit is 64 MiB.'],
  ])('K13: with code %d (out of memory: %s) says “%s”', async (code, outOfMemory, message) => {
    await using house = await startInstances({ probe: silent, program: () => ({ exits: { code, outOfMemory }, lines: ['one', 'two'] }) });
    const release = house.release({ memoryBytes: 64 * 1024 ** 2 });
    await expect(house.instances.ensure(release, PLACEMENT)).rejects.toMatchObject({ code: 'crashed', status: 502, message, details: { lastLines: ['one', 'two'] } });
    expect(await house.engine.list()).toEqual([]);
    expect(await house.textsOf(release)).toEqual(['one', 'two']);
    expect(house.changes).toEqual(['starting', 'gone: crashed']);
    expect(house.instances.lastFailure(release)?.message).toBe(message);
    expect(house.clock.sleepers).toBe(0);
  });

  it('K13: is noticed at once, not at the end of the waiting', async () => {
    await using house = await startInstances({ probe: silent });
    const wanted = house.instances.ensure(house.release(), PLACEMENT);
    wanted.catch(() => undefined);
    await house.clock.advance(1_500);
    const [container] = await house.engine.list();
    if (!container) throw new Error('nothing was started');
    house.engine.exit(container.id, 3, ['no database']);
    await expect(wanted).rejects.toMatchObject({ message: 'It exited with code 3 after 1.5 s.', details: { lastLines: ['no database'] } });
  });

  it('K13: shows its last hundred lines', async () => {
    await using house = await startInstances({ probe: silent, program: () => ({ exits: { code: 1 }, lines: Array.from({ length: 300 }, (_, n) => `line ${n + 1}`) }) });
    const failure = await house.instances.ensure(house.release(), PLACEMENT).catch((error: unknown) => error);
    expect(failure).toMatchObject({ details: { lastLines: Array.from({ length: 100 }, (_, n) => `line ${n + 201}`) } });
    expect(await house.textsOf(house.release())).toHaveLength(300);
  });

  it('K20: is said to be removed when its container is gone', async () => {
    await using house = await startInstances({ probe: silent });
    const wanted = house.instances.ensure(house.release(), PLACEMENT);
    wanted.catch(() => undefined);
    await house.clock.advance(100);
    for (const { id } of await house.engine.list()) await house.engine.remove(id);
    await expect(wanted).rejects.toMatchObject({ code: 'crashed', message: 'Its container was removed while it started.' });
  });

  it('F16: cannot be started at all: says so in the engine’s words, and holds for a minute', async () => {
    await using house = await startInstances({ program: () => ({ refused: 'exec /nope: no such file' }) });
    for (let visit = 0; visit < 3; visit += 1) {
      await expect(house.instances.ensure(house.release(), PLACEMENT)).rejects.toMatchObject({ code: 'start_failed', message: expect.stringContaining('exec /nope') as string });
    }
    expect(house.engine.calls.start).toBe(1);
  });
});

describe('K20: an image that is removed while its container starts', () => {
  it('fails that start and no other: with the image there again, the next one may try at once', async () => {
    await using house = await startInstances();
    const release = house.release();
    const starting = house.engine.hold('start');
    const wanted = house.instances.ensure(release, PLACEMENT);
    wanted.catch(() => undefined);
    await until(() => house.engine.calls.start === 1, 'it starts');
    await house.engine.removeImage(house.image);
    starting();
    await expect(wanted).rejects.toMatchObject({ code: 'start_failed' });
    house.engine.addImage({ id: house.image, project: release.project, key: release.key });
    await expect(house.instances.ensure(release, PLACEMENT)).resolves.toMatchObject({ release: { number: 1 } });
  });
});

describe('an application that never gets ready', () => {
  const cases: [string, readonly ListeningPort[] | undefined, string][] = [
    ['nothing listens', [], 'Nothing listened on port 3000 within 5 s.'],
    ['K14: another port', [{ port: 8080, loopbackOnly: false }, { port: 8080, loopbackOnly: true }, { port: 9229, loopbackOnly: true }], 'Nothing listened on port 3000 within 5 s. It listens on 8080, 9229 instead: configure that port, or let it read PORT.'],
    ['K16: loopback only', [{ port: 3000, loopbackOnly: true }], 'It listens on 127.0.0.1:3000 only: let it listen on 0.0.0.0, or nobody outside its container can reach it.'],
    ['listens without an answer', [{ port: 3000, loopbackOnly: true }, { port: 3000, loopbackOnly: false }], 'It listens on port 3000 but did not answer GET / within 5 s.'],
  ];
  it.each(cases)('%s', async (_what, listens, message) => {
    await using house = await startInstances({ probe: silent, program: () => ({ lines: ['hello'], ...(listens ? { listens } : {}) }) });
    const wanted = house.instances.ensure(house.release({ readyTimeoutMs: 5_000 }), PLACEMENT);
    wanted.catch(() => undefined);
    await house.clock.advance(5_300);
    await expect(wanted).rejects.toMatchObject({ code: 'start_timeout', status: 504, message, details: { lastLines: ['hello'] } });
    expect(await house.engine.list()).toEqual([]);
    expect(await house.textsOf(house.release())).toEqual(['hello']);
  });
});

describe('F16: an application that fails again and again', () => {
  const crash: FakeProgram = { exits: { code: 1 } };

  it('is answered with its failure for a minute, and then tried again', async () => {
    await using house = await startInstances({ probe: silent, program: () => crash });
    const release = house.release();
    const visit = () => house.instances.ensure(release, PLACEMENT).catch((error: unknown) => error);
    const first = await visit();
    await house.clock.advance(MINUTE - 1);
    expect(await visit()).toBe(first);
    expect(house.engine.calls.start).toBe(1);
    await house.clock.advance(1);
    expect(await visit()).toMatchObject({ code: 'crashed' });
    expect(house.engine.calls.start).toBe(2);
  });

  it('is tried at once after it was forgiven', async () => {
    let starts = 0;
    await using house = await startInstances({ probe: async () => (starts === 1 ? { kind: 'silence' } : { kind: 'answer', status: 200 }), program: () => (++starts === 1 ? crash : {}) });
    const release = house.release();
    await expect(house.instances.ensure(release, PLACEMENT)).rejects.toMatchObject({ code: 'crashed' });
    house.instances.forgive(release);
    await house.instances.ensure(release, PLACEMENT);
    expect(house.instances.lastFailure(release)).toBeUndefined();
  });

  it('starts ten times in ten minutes at most, also when somebody visits all the time', async () => {
    await using house = await startInstances({ probe: silent, program: () => crash });
    for (let seconds = 0; seconds < 20 * 60; seconds += 5) {
      await house.instances.ensure(house.release(), PLACEMENT).catch(() => undefined);
      await house.clock.advance(5_000);
    }
    expect(house.engine.calls.start).toBeLessThanOrEqual(20);
    expect(house.engine.calls.start).toBeGreaterThan(10);
  });

  it('starts ten times in ten minutes at most when it gets ready each time and ends then', async () => {
    await using house = await startInstances({ program: () => ({ lines: ['up'] }) });
    const release = house.release();
    const crashOnce = async () => {
      const { container } = await house.instances.ensure(release, PLACEMENT);
      house.engine.exit(container, 1, ['down']);
      await until(async () => house.instances.state(release) === undefined && (await house.engine.list()).length === 0, 'it is gone');
    };
    for (let start = 0; start < 10; start += 1) { await crashOnce(); await house.clock.advance(1_000); }
    await expect(crashOnce()).rejects.toMatchObject({ code: 'crashed', details: { lastLines: ['up', 'down'] } });
    expect(house.engine.calls.start).toBe(10);
    await house.clock.advance(10 * MINUTE);
    await crashOnce();
    expect(house.engine.calls.start).toBe(11);
    house.instances.forgive(release);
    await crashOnce();
    expect(house.engine.calls.start).toBe(12);
  });

  it('M16: is started again three times where nobody visits it, and then once every ten minutes', async () => {
    await using house = await startInstances({ program: () => ({ lines: ['up'] }) });
    const release = house.release();
    const crashAfter = async (ms: number) => {
      const { container } = await house.instances.ensure(release, { ...PLACEMENT, mostRestarts: 3 });
      await house.clock.advance(ms);
      house.engine.exit(container, 1, ['down']);
      await until(async () => house.instances.state(release) === undefined && (await house.engine.list()).length === 0, 'it is gone');
    };
    for (let start = 0; start < 4; start += 1) await crashAfter(1_000);
    const refused = { code: 'crashed', message: 'It exited with code 1. It was started again 3 times, and ended again each time: the next try is ten minutes after the last one.', details: { lastLines: ['up', 'down'] } };
    await expect(crashAfter(0)).rejects.toMatchObject(refused);
    await house.clock.advance(10 * MINUTE);
    await crashAfter(1_000);
    await expect(crashAfter(0)).rejects.toMatchObject(refused);
    expect(house.engine.calls.start).toBe(5);
    // What ran for long before it ended goes round in no circle.
    await house.clock.advance(10 * MINUTE);
    await crashAfter(MINUTE);
    for (let start = 0; start < 3; start += 1) await crashAfter(1_000);
    await crashAfter(MINUTE);
    expect(house.engine.calls.start).toBe(10);
  });

  it('may start and stop as often as it likes when it never ends by itself', async () => {
    await using house = await startInstances();
    for (let start = 0; start < 15; start += 1) {
      await house.instances.ensure(house.release(), PLACEMENT);
      await house.instances.stop(house.release());
    }
    expect(house.engine.calls.start).toBe(15);
  });

  it('K7: is not blamed for an engine that is down', async () => {
    await using house = await startInstances();
    house.engine.down();
    await expect(house.instances.ensure(house.release(), PLACEMENT)).rejects.toMatchObject({ code: 'engine_unavailable' });
    house.engine.up();
    await expect(house.instances.ensure(house.release(), PLACEMENT)).resolves.toMatchObject({ release: { number: 1 } });
  });
});
