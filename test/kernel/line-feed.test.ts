import type { LogLine } from '../../src/domain/log-line.js';
import { createLineFeed } from '../../src/kernel/line-feed.js';

const line = (n: number): LogLine => ({ n, at: '2026-01-01T00:00:00.000Z', text: `line ${n}` });
const settle = () => new Promise<void>((resolve) => { setImmediate(resolve); });

async function readAll(lines: AsyncIterable<LogLine>, read: LogLine[] = []): Promise<LogLine[]> {
  for await (const each of lines) read.push(each);
  return read;
}

describe('a feed of lines', () => {
  it('gives what was pushed before and after the reader came, and ends', async () => {
    const feed = createLineFeed(new AbortController().signal);
    feed.push(line(1));
    const read: LogLine[] = [];
    const reading = readAll(feed, read);
    await settle();
    expect(read).toEqual([line(1)]);
    feed.push(line(2));
    feed.push(line(3));
    feed.end();
    feed.push(line(4));
    await reading;
    expect(read).toEqual([line(1), line(2), line(3)]);
  });

  it('J11: keeps 5,000 lines for a slow reader, drops the oldest and says how many', async () => {
    const feed = createLineFeed(new AbortController().signal);
    for (let n = 1; n <= 12_000; n += 1) feed.push(line(n));
    feed.end();
    const read = await readAll(feed);
    expect(read).toHaveLength(5_001);
    expect(read[0]).toEqual({ n: 7_000, at: line(1).at, text: '… 7000 lines skipped …' });
    expect([read[1], read.at(-1)]).toEqual([line(7_001), line(12_000)]);
  });

  it('counts anew after it has said so', async () => {
    const feed = createLineFeed(new AbortController().signal);
    const reader = feed[Symbol.asyncIterator]();
    for (let n = 1; n <= 5_002; n += 1) feed.push(line(n));
    expect(await reader.next()).toMatchObject({ value: { n: 2, text: '… 2 lines skipped …' } });
    for (let n = 5_003; n <= 10_003; n += 1) feed.push(line(n));
    feed.end();
    const rest: LogLine[] = [];
    for (let next = await reader.next(); next.done !== true; next = await reader.next()) rest.push(next.value);
    expect(rest.filter(({ text }) => text.includes('skipped')).map(({ text }) => text)).toEqual(['… 1 lines skipped …']);
    expect(rest.at(-1)).toEqual(line(10_003));
  });

  it('ends at once when the reader has gone, with what waits unread', async () => {
    const gone = new AbortController();
    const feed = createLineFeed(gone.signal);
    const waiting = readAll(feed);
    gone.abort();
    expect(await waiting).toEqual([]);
    feed.push(line(1));
    expect(await readAll(feed)).toEqual([]);
    expect(await readAll(createLineFeed(gone.signal))).toEqual([]);
  });
});
