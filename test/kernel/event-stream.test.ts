import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { LogLine } from '../../src/domain/log-line.js';
import { createEventStreams as create, lastEventId, type EventStream, type EventStreamsDeps } from '../../src/kernel/event-stream.js';
import { createFakeClock } from '../support/fake-clock.js';

/** All who ask are at the same address unless a test says otherwise. */
const createEventStreams = (deps: Pick<EventStreamsDeps, 'clock'> & Partial<EventStreamsDeps>) => create({ addressOf: () => '192.0.2.1', ...deps });

const HEAD = 'retry: 1000\n\n';

interface Viewing extends AsyncDisposable { readonly stream: EventStream; readonly req: IncomingMessage; readonly res: ServerResponse; readonly seen: IncomingMessage }

/** One viewer of one stream over a real connection; nothing is read before the test does. */
async function view(streams: Pick<ReturnType<typeof createEventStreams>, 'open'>): Promise<Viewing> {
  let opened: { stream: EventStream; req: IncomingMessage; res: ServerResponse } | undefined;
  const server = createServer((req, res) => { opened = { stream: streams.open(req, res), req, res }; });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const asking = request({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', agent: false }).end();
  const [seen] = await once(asking, 'response') as [IncomingMessage];
  if (!opened) throw new Error('nothing was opened');
  asking.on('error', () => undefined);
  seen.on('error', () => undefined);
  return {
    ...opened, seen,
    [Symbol.asyncDispose]: async () => { asking.destroy(); server.closeAllConnections(); server.close(); await once(server, 'close'); },
  };
}

async function readUntil(seen: IncomingMessage, isEnough: (text: string) => boolean): Promise<string> {
  let text = '';
  for await (const chunk of seen.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    if (isEnough(text)) return text;
  }
  return text;
}

async function* threeLines(): AsyncGenerator<LogLine> {
  for (let n = 1; n <= 3; n += 1) yield { n, at: 'now', text: 'a\nb</script>' };
}

describe('an event stream', () => {
  it('is kept by no proxy and no browser', async () => {
    await using viewing = await view(createEventStreams({ clock: createFakeClock() }));
    expect(viewing.seen.statusCode).toBe(200);
    expect(viewing.seen.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', 'x-accel-buffering': 'no', 'x-content-type-options': 'nosniff',
    });
  });

  it('sends events as JSON in one line, so that no content can begin another event', async () => {
    await using viewing = await view(createEventStreams({ clock: createFakeClock() }));
    await viewing.stream.send('state', { text: 'x\n\nevent: forged\ndata: {}' }, 7);
    viewing.stream.close();
    expect(await readUntil(viewing.seen, () => false)).toBe(`${HEAD}event: state\nid: 7\ndata: {"text":"x\\n\\nevent: forged\\ndata: {}"}\n\n`);
    expect(viewing.stream.signal.aborted).toBe(true);
  });

  it('sends lines with their numbers as ids', async () => {
    await using viewing = await view(createEventStreams({ clock: createFakeClock() }));
    await viewing.stream.sendLines(threeLines());
    viewing.stream.close();
    const text = await readUntil(viewing.seen, () => false);
    expect(text.match(/^id: \d+$/gm)).toEqual(['id: 1', 'id: 2', 'id: 3']);
    expect(text).toContain('data: {"n":3,"at":"now","text":"a\\nb</script>"}\n\n');
  });

  it('says every 15 seconds that it is alive', async () => {
    const clock = createFakeClock();
    await using viewing = await view(createEventStreams({ clock }));
    await clock.advance(30_000);
    viewing.stream.close();
    expect(await readUntil(viewing.seen, () => false)).toBe(`${HEAD}: here\n\n: here\n\n`);
    await clock.advance(0);
    expect(clock.sleepers).toBe(0);
  });

  it('lets the sender go on only when the viewer can take more', async () => {
    await using viewing = await view(createEventStreams({ clock: createFakeClock() }));
    const reading = readUntil(viewing.seen, (text) => text.includes('last'));
    for (let sent = 0; sent < 50; sent += 1) {
      await viewing.stream.send('big', 'x'.repeat(256 * 1024));
      expect(viewing.res.writableNeedDrain).toBe(false);
    }
    await viewing.stream.send('last', null);
    expect((await reading).length).toBeGreaterThan(50 * 256 * 1024);
  });

  it('J11: frees the sender when a viewer who takes nothing goes', async () => {
    await using viewing = await view(createEventStreams({ clock: createFakeClock() }));
    const sending = (async () => { for (let sent = 0; sent < 400 && !viewing.stream.signal.aborted; sent += 1) await viewing.stream.send('big', 'x'.repeat(256 * 1024)); })();
    while (!viewing.res.writableNeedDrain) await new Promise<void>((resolve) => { setImmediate(resolve); });
    viewing.seen.destroy();
    await sending;
    expect(viewing.stream.signal.aborted).toBe(true);
    await viewing.stream.send('after', null);
  });

  it('ends with the server, the ones that come later at once', async () => {
    const streams = createEventStreams({ clock: createFakeClock() });
    await using early = await view(streams);
    streams.close();
    await using late = await view(streams);
    streams.close();
    expect([await readUntil(early.seen, () => false), await readUntil(late.seen, () => false)]).toEqual([HEAD, HEAD]);
    expect([early.stream.signal.aborted, late.stream.signal.aborted]).toEqual([true, true]);
  });

  it.each([
    ['too_busy', { most: 1, perClient: 9 }, '192.0.2.2'], ['too_many_requests', { most: 9, perClient: 1 }, '192.0.2.1'],
  ])('INV7: is refused with %s beyond its bound, until one ends', async (code, limits, second) => {
    const asking = ['192.0.2.1', second, second];
    const streams = createEventStreams({ clock: createFakeClock(), limits, addressOf: () => asking.shift() ?? '' });
    await using first = await view(streams);
    expect(() => streams.open(first.req, first.res)).toThrow(expect.objectContaining({ code, details: { retryAfterSeconds: 5 } }) as Error);
    first.stream.close();
    await using next = await view(streams);
    expect([next.seen.statusCode, streams.count, streams.most]).toEqual([200, 1, limits.most]);
  });

  it('INV7: of one address leave room for those of others', async () => {
    const asking = ['192.0.2.1', '192.0.2.2'];
    const streams = createEventStreams({ clock: createFakeClock(), limits: { most: 9, perClient: 1 }, addressOf: () => asking.shift() ?? '' });
    await using one = await view(streams);
    await using other = await view(streams);
    expect([one.seen.statusCode, other.seen.statusCode, streams.count]).toEqual([200, 200, 2]);
  });
});

it.each([[undefined, 0], ['', 0], ['12', 12], ['-1', 0], ['1.5', 0], ['NaN', 0], ['99999999999999999999', 0], ['12, 13', 0]])('Last-Event-ID %j means line %d', (header, line) => {
  expect(lastEventId({ headers: { 'last-event-id': header } })).toBe(line);
});
