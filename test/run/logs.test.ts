import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerId } from '../../src/domain/ids.js';
import type { LogLine } from '../../src/domain/log-line.js';
import { createRunLogs } from '../../src/run/logs.js';
import { openFiles } from '../support/open-files.js';
import { collect, until } from '../support/until.js';
import { PLACEMENT, startInstances, type StartedInstances } from './started-instances.js';

const MIB = 1024 * 1024;
const fileOf = ({ folder }: StartedInstances) => join(folder, 'shop-v1.log');

/** Runs an application that prints the lines, and stops it. */
async function runOnce(house: StartedInstances, lines: readonly string[]): Promise<void> {
  const { container } = await house.instances.ensure(house.release(), PLACEMENT);
  for (const line of lines) house.engine.print(container, line);
  await house.instances.stop(house.release());
}

describe('what an application printed', () => {
  it('is kept after its container is gone: run after run in one file, clean, with the engine’s times', async () => {
    await using house = await startInstances();
    await runOnce(house, ['first', '\u001b[31mred\u001b[0m']);
    await house.clock.advance(1_000);
    await runOnce(house, ['second']);
    expect(readFileSync(fileOf(house), 'utf8')).toBe('2026-01-01T00:00:00.000Z first\n2026-01-01T00:00:00.000Z red\n2026-01-01T00:00:01.000Z second\n');
    expect(await collect(house.logs.read(house.release(), undefined))).toEqual([
      { n: 1, at: '2026-01-01T00:00:00.000Z', text: 'first' }, { n: 2, at: '2026-01-01T00:00:00.000Z', text: 'red' }, { n: 3, at: '2026-01-01T00:00:01.000Z', text: 'second' },
    ]);
  });

  it('is read together with what the running container printed so far', async () => {
    await using house = await startInstances();
    await runOnce(house, ['before']);
    const { container } = await house.instances.ensure(house.release(), PLACEMENT);
    house.engine.print(container, 'now\u0007', 'stderr');
    expect((await collect(house.logs.read(house.release(), container))).map(({ n, text }) => [n, text])).toEqual([[1, 'before'], [2, 'now\u{FFFD}']]);
  });

  it('is followed live until the container ends', async () => {
    await using house = await startInstances();
    await runOnce(house, ['before']);
    const { container } = await house.instances.ensure(house.release(), PLACEMENT);
    const seen: LogLine[] = [];
    const ended = (async () => { for await (const line of house.logs.follow(house.release(), container, new AbortController().signal)) seen.push(line); })();
    await until(() => seen.length === 1, 'the kept line is there');
    house.engine.print(container, 'live');
    await until(() => seen.length === 2, 'the live line is there');
    house.engine.exit(container, 0, ['last words']);
    await ended;
    expect(seen.map(({ n, text }) => [n, text])).toEqual([[1, 'before'], [2, 'live'], [3, 'last words']]);
  });

  it('is followed until the reader leaves', async () => {
    await using house = await startInstances();
    const { container } = await house.instances.ensure(house.release(), PLACEMENT);
    const leaving = new AbortController();
    const seen: string[] = [];
    const ended = (async () => { for await (const { text } of house.logs.follow(house.release(), container, leaving.signal)) seen.push(text); })();
    house.engine.print(container, 'live');
    await until(() => seen.length === 1, 'the live line is there');
    leaving.abort();
    await ended;
    house.engine.print(container, 'unseen');
    expect(seen).toEqual(['live']);
  });

  it('is nothing for a release that never ran, or printed nothing', async () => {
    await using house = await startInstances();
    expect(await collect(house.logs.read(house.release({}, 9), undefined))).toEqual([]);
    expect(await collect(house.logs.follow(house.release({}, 9), undefined, new AbortController().signal))).toEqual([]);
    await runOnce(house, []);
    expect(existsSync(fileOf(house))).toBe(false);
  });

  it('is one file for each release', async () => {
    await using house = await startInstances({ program: ({ release }) => ({ lines: [`v${release}`] }) });
    for (const n of [1, 2]) {
      await house.instances.ensure(house.release({}, n), PLACEMENT);
      await house.instances.stop(house.release({}, n));
    }
    expect(readdirSync(house.folder).toSorted()).toEqual(['shop-v1.log', 'shop-v2.log']);
    expect(await house.textsOf(house.release({}, 2))).toEqual(['v2']);
  });

  it('J1: is bounded: beyond 5 MiB a new part begins, and one older part stays', async () => {
    await using house = await startInstances();
    const lines = Array.from({ length: 600 }, (_, n) => `${n} ${'x'.repeat(10_000)}`);
    for (let run = 1; run <= 4; run += 1) await runOnce(house, [`run ${run}`, ...lines]);
    expect(readdirSync(house.folder).toSorted()).toEqual(['shop-v1.log', 'shop-v1.log.1']);
    expect(statSync(fileOf(house)).size + statSync(`${fileOf(house)}.1`).size).toBeLessThan(13 * MIB);
    const kept = await collect(house.logs.read(house.release(), undefined));
    expect(kept.filter(({ text }) => text.startsWith('run')).map(({ text }) => text)).toEqual(['run 3', 'run 4']);
    expect(kept.map(({ n }) => n)).toEqual(kept.map((_, index) => index + 1));
  });

  it('keeps the last 20,000 lines of a run', async () => {
    await using house = await startInstances();
    await runOnce(house, Array.from({ length: 20_500 }, (_, n) => `line ${n + 1}`));
    const texts = await house.textsOf(house.release());
    expect([texts.length, texts[0], texts.at(-1)]).toEqual([20_000, 'line 501', 'line 20500']);
  });

  it('lets others have their turn while many long lines are kept', async () => {
    await using house = await startInstances();
    let read = 0;
    const output = async function* () {
      for (let n = 0; n < 2_000; n += 1) yield { stream: 'stdout' as const, at: '2026-01-01T00:00:00.000Z', get text() { read += 1; return 'x'.repeat(1_000); } };
    };
    const logs = createRunLogs({ folder: house.folder, engine: { output }, releases: { find: () => Promise.resolve(house.release()), secretsOf: () => Promise.resolve({ TOKEN: 's3cr3t-value' }) }, log: house.log });
    const over = new AbortController();
    const keeping = logs.keep(house.release(), 'c'.repeat(64) as ContainerId).then(() => { over.abort(); });
    const turns: number[] = [];
    while (!over.signal.aborted) { const before = read; await new Promise<void>((resolve) => { setImmediate(resolve); }); turns.push(read - before); }
    await keeping;
    expect(read).toBe(2_000);
    expect(Math.max(...turns)).toBeLessThan(150);
    expect(await house.textsOf(house.release())).toHaveLength(2_000);
  });

  it('leaves no file open when the reader leaves in the middle of it', async () => {
    await using house = await startInstances();
    await runOnce(house, Array.from({ length: 19_000 }, (_, n) => `a line of some length, so that the file is not read at once ${n}`));
    for await (const { n } of house.logs.read(house.release(), undefined)) if (n === 3) break;
    await until(() => !openFiles().includes(fileOf(house)), 'the file is closed');
    expect(openFiles()).not.toContain(fileOf(house));
  });

  it('is lost when the disk takes nothing, but the instance stops all the same', async () => {
    await using house = await startInstances();
    writeFileSync(house.folder, 'a file where the folder should be');
    await runOnce(house, ['lost']);
    expect(await house.engine.list()).toEqual([]);
    expect(house.log.recent()[0]).toMatchObject({ level: 'warn', message: 'application log not kept', fields: { number: 1 } });
    expect(await house.textsOf(house.release())).toEqual([]);
  });
});

describe('the last lines', () => {
  it('are a hundred, cleaned', async () => {
    await using house = await startInstances({ program: () => ({ lines: [...Array.from({ length: 150 }, (_, n) => `line ${n + 1}`), '\u001b[1mend\u001b[0m'] }) });
    const { container } = await house.instances.ensure(house.release(), PLACEMENT);
    const last = await house.logs.last(house.release(), container);
    expect([last.length, last[0], last.at(-1)]).toEqual([100, 'line 52', 'end']);
  });

  it('are none when the engine does not tell, and the log says why', async () => {
    await using house = await startInstances();
    house.engine.down();
    expect(await house.logs.last(house.release(), 'c'.repeat(64) as ContainerId)).toEqual([]);
    expect(house.log.recent()[0]).toMatchObject({ message: 'application output not read' });
  });
});
