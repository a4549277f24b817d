import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { createBuildLogs } from '../../src/build/log.js';
import type { BuildId } from '../../src/domain/ids.js';
import type { LogLine } from '../../src/domain/log-line.js';
import { createFakeClock } from '../support/fake-clock.js';
import { createTestFolder } from '../support/git.js';
import { openFiles } from '../support/open-files.js';
import { collect, until } from '../support/until.js';
import { startBuilds, wanted } from './started-builds.js';

const ID = 'b_01ARZ3NDEKTSV4RRFFQ69G5FAV' as BuildId;
const OTHER = 'b_01ARZ3NDEKTSV4RRFFQ69G5FAW' as BuildId;
const MIB = 1024 * 1024;
const live = () => new AbortController().signal;

function openLogs() {
  const temporary = createTestFolder();
  const clock = createFakeClock();
  const folder = join(temporary.path, 'logs', 'builds');
  return { clock, folder, path: temporary.path, file: join(folder, `${ID}.log`), logs: createBuildLogs({ folder, clock }), [Symbol.dispose]: temporary[Symbol.dispose] };
}

/** Follows in the background, with all lines so far. */
function following(lines: AsyncIterable<LogLine>) {
  const seen: LogLine[] = [];
  const ended = (async () => { for await (const line of lines) seen.push(line); })();
  return { seen, ended, texts: () => seen.map(({ text }) => text), numbers: () => seen.map(({ n }) => n) };
}

describe('the log of a build', () => {
  it('is a file of lines, each with its time, clean of what a terminal would obey', async () => {
    using place = openLogs();
    const writer = place.logs.open(ID);
    writer.write('first');
    await place.clock.advance(1_500);
    writer.write('\u001b[31mred\u001b[0m\ttab\u0000 10%\r50%');
    writer.write('');
    writer.close();
    expect(readFileSync(place.file, 'utf8')).toBe('2026-01-01T00:00:00.000Z first\n2026-01-01T00:00:01.500Z 50%\n2026-01-01T00:00:01.500Z \n');
    expect(await collect(place.logs.read(ID))).toEqual([
      { n: 1, at: '2026-01-01T00:00:00.000Z', text: 'first' }, { n: 2, at: '2026-01-01T00:00:01.500Z', text: '50%' }, { n: 3, at: '2026-01-01T00:00:01.500Z', text: '' },
    ]);
  });

  it('is read from any number on, also while it is written', async () => {
    using place = openLogs();
    const writer = place.logs.open(ID);
    for (const text of ['one', 'two', 'three']) writer.write(text);
    expect((await collect(place.logs.read(ID, 1))).map(({ n, text }) => [n, text])).toEqual([[2, 'two'], [3, 'three']]);
    expect(await collect(place.logs.read(ID, 3))).toEqual([]);
    writer.close();
    expect((await collect(place.logs.read(ID, 2))).map(({ text }) => text)).toEqual(['three']);
  });

  it('is empty when nobody wrote one', async () => {
    using place = openLogs();
    expect(await collect(place.logs.read(OTHER))).toEqual([]);
    expect(await collect(place.logs.follow(OTHER, 0, live()))).toEqual([]);
  });

  it('goes on where it ended when it is opened again', async () => {
    using place = openLogs();
    for (const text of ['one', 'two']) { const writer = place.logs.open(ID); writer.write(text); writer.close(); }
    const writer = place.logs.open(ID);
    const follower = following(place.logs.follow(ID, 1, live()));
    await until(() => follower.seen.length === 1, 'the follower has what was there');
    writer.write('three');
    writer.close();
    await follower.ended;
    expect(follower.seen.map(({ n, text }) => [n, text])).toEqual([[2, 'two'], [3, 'three']]);
  });
});

describe('whoever follows a build', () => {
  it('sees what was there and then each new line, until the build ends', async () => {
    using place = openLogs();
    const writer = place.logs.open(ID);
    writer.write('one');
    const followers = [0, 0, 1].map((after) => following(place.logs.follow(ID, after, live())));
    await until(() => followers[0]?.seen.length === 1 && followers[1]?.seen.length === 1, 'both have the first line');
    writer.write('two');
    await until(() => followers.every(({ seen }) => seen.at(-1)?.text === 'two'), 'all have the second line');
    writer.write('three');
    writer.close();
    await Promise.all(followers.map(({ ended }) => ended));
    expect(followers.map((each) => each.texts())).toEqual([['one', 'two', 'three'], ['one', 'two', 'three'], ['two', 'three']]);
    expect(followers[2]?.numbers()).toEqual([2, 3]);
  });

  it('misses no line and gets none twice, whatever is written while the beginning is read', async () => {
    using place = openLogs();
    const writer = place.logs.open(ID);
    for (let n = 1; n <= 2_000; n += 1) writer.write(`line ${n}`);
    const follower = following(place.logs.follow(ID, 0, live()));
    for (let n = 2_001; n <= 4_000; n += 1) {
      writer.write(`line ${n}`);
      if (n % 100 === 0) await new Promise<void>((resolve) => { setImmediate(resolve); });
    }
    writer.close();
    await follower.ended;
    expect(follower.texts()).toEqual(Array.from({ length: 4_000 }, (_, index) => `line ${index + 1}`));
    expect(follower.numbers()).toEqual(Array.from({ length: 4_000 }, (_, index) => index + 1));
  });

  it('of a finished build gets all of it and the end', async () => {
    using place = openLogs();
    const writer = place.logs.open(ID);
    writer.write('all');
    writer.close();
    expect((await collect(place.logs.follow(ID, 0, live()))).map(({ text }) => text)).toEqual(['all']);
  });

  it('may leave at any time; the others go on', async () => {
    using place = openLogs();
    const writer = place.logs.open(ID);
    writer.write('one');
    const leaving = new AbortController();
    const [leaver, stayer] = [following(place.logs.follow(ID, 0, leaving.signal)), following(place.logs.follow(ID, 0, live()))];
    await until(() => leaver.seen.length + stayer.seen.length === 2, 'both have the first line');
    leaving.abort();
    await leaver.ended;
    writer.write('two');
    writer.close();
    await stayer.ended;
    expect([leaver.texts(), stayer.texts()]).toEqual([['one'], ['one', 'two']]);
  });

  it('leaves no file open when they leave in the middle of it', async () => {
    using place = openLogs();
    const writer = place.logs.open(ID);
    for (let n = 0; n < 20_000; n += 1) writer.write(`a line of some length, so that the file is not read at once ${n}`);
    writer.close();
    for await (const { n } of place.logs.follow(ID, 0, live())) if (n === 3) break;
    for await (const { n } of place.logs.read(ID)) if (n === 3) break;
    await until(() => !openFiles().includes(place.file), 'the file is closed');
    expect(openFiles()).not.toContain(place.file);
  });
});

describe('E10: a log without end', () => {
  const TEXT = 'x'.repeat(1_000);
  const COUNT = 40_000;

  it('keeps its head and its tail, says what it left out, and keeps the numbers', async () => {
    using place = openLogs();
    const writer = place.logs.open(ID);
    for (let n = 1; n <= COUNT; n += 1) writer.write(`${n} ${TEXT}`);
    const during = await collect(place.logs.read(ID));
    writer.close();
    const after = await collect(place.logs.read(ID));
    expect(statSync(place.file).size).toBeLessThanOrEqual(16 * MIB + 1_000);
    expect(statSync(place.file).size).toBeGreaterThan(15 * MIB);
    const marker = after.findIndex(({ text }) => /^… \d+ lines, \d+ bytes omitted …$/.test(text));
    const [, omitted] = /^… (\d+) lines/.exec(after[marker]?.text ?? '') ?? [];
    expect(after).toHaveLength(COUNT - Number(omitted) + 1);
    expect(isDeepStrictEqual(after.filter((_, index) => index !== marker), during)).toBe(true);
    expect(during.every(({ n, text }) => text.startsWith(`${n} `))).toBe(true);
    expect([during[0]?.n, during.at(-1)?.n]).toEqual([1, COUNT]);
    expect((await collect(place.logs.read(ID, COUNT - 2))).map(({ n }) => n)).toEqual([COUNT - 1, COUNT]);
  });

  it('takes little memory, however much is printed', () => {
    using place = openLogs();
    const writer = place.logs.open(ID);
    const before = process.memoryUsage().rss;
    for (let n = 1; n <= 60_000; n += 1) writer.write(TEXT);
    const grown = process.memoryUsage().rss - before;
    writer.close();
    expect(grown).toBeLessThan(64 * MIB);
    expect(statSync(place.file).size).toBeLessThanOrEqual(16 * MIB + 1_000);
  });

  it('gives a follower each line once, with the end that comes while the rest is read', async () => {
    using place = openLogs();
    const writer = place.logs.open(ID);
    for (let n = 1; n <= 10_000; n += 1) writer.write(`${n} ${TEXT}`);
    const iterator = place.logs.follow(ID, 0, live())[Symbol.asyncIterator]();
    const numbers: number[] = [];
    for (let step = await iterator.next(); step.done !== true; step = await iterator.next()) {
      numbers.push(step.value.n);
      if (numbers.length === 1) { writer.write(`10001 ${TEXT}`); writer.close(); }
    }
    expect([numbers.length, new Set(numbers).size, numbers.at(-1)]).toEqual([10_001, 10_001, 10_001]);
  });
});

describe('a disk that takes nothing', () => {
  it('costs the log, never the build; who follows sees it live', async () => {
    using place = openLogs();
    writeFileSync(join(place.path, 'logs'), 'a file where the folder should be');
    const writer = place.logs.open(ID);
    writer.write('one');
    const follower = following(place.logs.follow(ID, 0, live()));
    await until(() => follower.seen.length === 1, 'the follower has the first line');
    writer.write('two');
    writer.close();
    await follower.ended;
    expect(follower.texts()).toEqual(['one', 'two']);
    expect(await collect(place.logs.read(ID))).toEqual([]);
  });

  it('lets a build succeed', async () => {
    await using house = await startBuilds({ script: () => ({}) });
    writeFileSync(join(house.folder, 'builds'), 'a file where the folder should be');
    const { result } = await house.builds.begin(wanted(1));
    await expect(result).resolves.toMatchObject({ build: { status: 'succeeded' } });
  });
});
