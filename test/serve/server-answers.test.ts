import { TIMEOUTS } from '../../src/serve/forward.js';
import { OK, untilTrue } from '../support/forward-front.js';
import { bodyOf, headerOf, startRawApp, statusOf, type RawApp } from '../support/raw-app.js';

const get = (host: string, lines: string[] = [], path = '/') => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const PAGE = ['Accept: text/html', 'Connection: close'];
const PROGRAM = ['Accept: application/json', 'Connection: close'];
/** Where a request says by its path what becomes of it. */
const pathOf = (request: string) => request.split(' ')[1] ?? '';

describe('an application that never answers', () => {
  it('G8: 504 with a page for people, and with JSON for programs, when the application never answers', async () => {
    await using raw = await startRawApp(() => undefined, { timeouts: { responseMs: 1_000 } });
    const page = await raw.send(get(raw.authority, PAGE, '/silent'));
    expect([statusOf(page), headerOf(page, 'content-type'), headerOf(page, 'cache-control')]).toEqual([504, 'text/html; charset=utf-8', 'no-store']);
    expect(page).toContain('The application took too long to answer');
    expect(page).toContain(headerOf(page, 'x-request-id'));
    const program = await raw.send(get(raw.authority, PROGRAM, '/silent'));
    expect(statusOf(program)).toBe(504);
    expect(JSON.parse(bodyOf(program))).toEqual({ error: 'upstream_timeout', message: expect.stringMatching(/did not answer in time\. Try again/) as string, requestId: headerOf(program, 'x-request-id') });
    for (const request of raw.asked().filter((text) => text.includes('/silent'))) expect(request).toContain('\r\nX-Request-Id: ');
    expect(raw.asked().join('')).toContain(`X-Request-Id: ${headerOf(program, 'x-request-id') ?? ''}\r\n`);
  });
});

describe('answers on their way through the server', () => {
  let raw: RawApp;
  beforeAll(async () => {
    raw = await startRawApp((request, socket) => {
      if (pathOf(request) === '/refuses') socket.end('HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 4\r\n\r\nmine');
      if (pathOf(request) === '/closes') socket.end();
      if (pathOf(request) === '/resets') socket.resetAndDestroy();
      return /^\/(?:late|events|refuses|closes|resets|hints)/.test(pathOf(request)) ? undefined : OK;
    });
  });
  afterAll(async () => { await raw[Symbol.asyncDispose](); });
  const asked = (path: string) => { const at = raw.upstream.received.findIndex((text) => text.includes(`GET ${path} `)); return raw.upstream.sockets[at]; };

  it('G8, G9: two minutes are the limit for the beginning, and ten without a byte for the rest', () => {
    expect(TIMEOUTS).toMatchObject({ responseMs: 120_000, idleMs: 600_000 });
  });

  it('G9: each event arrives before the next is sent, and half of them within 50 ms', async () => {
    using client = await raw.connect();
    client.send(get(raw.authority, ['Accept: text/event-stream'], '/events'));
    await untilTrue(() => asked('/events') !== undefined);
    asked('/events')?.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
    await client.until('\r\n\r\n');
    const took: number[] = [];
    for (let at = 0; at < 41; at += 1) {
      const event = `data: ${String(at).padStart(3, '0')}\n\n`;
      const began = performance.now();
      asked('/events')?.write(`${event.length.toString(16)}\r\n${event}\r\n`);
      await client.until(event);
      took.push(performance.now() - began);
    }
    expect(took.sort((a, b) => a - b)[20]).toBeLessThan(50);
  });

  it('G9: an answer may begin late, while others are served', async () => {
    using client = await raw.connect();
    client.send(get(raw.authority, PROGRAM, '/late'));
    await untilTrue(() => asked('/late') !== undefined);
    for (let times = 0; times < 5; times += 1) expect(statusOf(await raw.send(get(raw.authority, PROGRAM)))).toBe(200);
    expect(client.text()).toBe('');
    asked('/late')?.write(OK);
    expect(await client.until('\r\n\r\nok')).toMatch(/^HTTP\/1\.1 200 OK/);
  });

  it('G21: passes on hints in front of an answer, without what is not the application’s to say', async () => {
    using client = await raw.connect();
    client.send(get(raw.authority, ['Accept: text/html'], '/hints'));
    await untilTrue(() => asked('/hints') !== undefined);
    asked('/hints')?.write('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X-Mine\r\nX-Mine: 1\r\nContent-Length: 5\r\nSet-Cookie: slw_sid=evil\r\n\r\n');
    const hint = await client.until('\r\n\r\n');
    expect(hint).toMatch(/^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a\.css>; rel=preload\r\n/);
    expect(hint).not.toMatch(/X-Mine|Content-Length|slw_/);
    asked('/hints')?.write(OK);
    const text = await client.until('\r\n\r\nok');
    expect(text.slice(hint.length)).toMatch(/^HTTP\/1\.1 200 OK\r\nContent-Length: 2\r\n/);
    client.send(get(raw.authority, PROGRAM));
    await client.closed;
    expect(client.text().slice(text.length)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });

  it('G21: keeps hints from a client of HTTP/1.0', async () => {
    using client = await raw.connect();
    client.send(`GET /hints-old HTTP/1.0\r\nHost: ${raw.authority}\r\n\r\n`);
    await untilTrue(() => asked('/hints-old') !== undefined);
    asked('/hints-old')?.write(`HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n${OK}`);
    await client.closed;
    expect(client.text()).toMatch(/^HTTP\/1\.1 200 OK/);
  });

  const MANY = Array.from({ length: 2_000 }, (_, at) => `x${at % 10}: y`);

  it.each([
    ['17 kB', [`X-Big: ${'x'.repeat(17_000)}`]],
    ['20 kB of cookies', [`Cookie: ${Array.from({ length: 400 }, (_, at) => `cookie${String(at).padStart(4, '0')}=${'v'.repeat(38)}`).join('; ')}`]],
    ['2,000 lines', MANY],
  ])('G22: 431 that says how to delete cookies for a header of %s, on every host', async (_what, lines) => {
    for (const host of [raw.authority, `localhost:${raw.app.port}`]) {
      const page = await raw.send(get(host, [...PAGE, ...lines]));
      expect([statusOf(page), headerOf(page, 'content-type'), headerOf(page, 'connection')]).toEqual([431, 'text/html; charset=utf-8', 'close']);
      expect(page).toContain('delete the cookies of this site');
      expect(page).toContain('</html>');
      const program = await raw.send(get(host, [...PROGRAM, ...lines]));
      expect(statusOf(program)).toBe(431);
      expect(JSON.parse(bodyOf(program))).toMatchObject({ error: 'header_too_large', requestId: headerOf(program, 'x-request-id') });
    }
    expect((await raw.app.control('/healthz')).status).toBe(200);
    expect(raw.asked().join('')).not.toMatch(/x9: y|cookie0001|X-Big/);
  });

  it('G22: a header that comes in pieces gets the page as well, and a client that goes on sending gets it too', async () => {
    using client = await raw.connect();
    client.send(`GET / HTTP/1.1\r\nHost: ${raw.authority}\r\nAccept: text/html\r\nCookie: `);
    const more = () => { while (!client.socket.destroyed && client.socket.write('x=y; '.repeat(1_000))); };
    client.socket.on('drain', more);
    more();
    await client.until('</html>');
    expect(statusOf(client.text())).toBe(431);
  });

  it('G22: passes on as many lines and bytes as it takes itself', async () => {
    const answer = await raw.send(get(raw.authority, [...Array.from({ length: 190 }, (_, at) => `X-Line: ${at}`), `X-Most: ${'x'.repeat(12_000)}`, ...PROGRAM]));
    expect(statusOf(answer)).toBe(200);
    expect(raw.asked().join('')).toMatch(/X-Line: 189\r\nX-Most: x{12000}\r\n/);
  });

  it('G22: an application’s own 431 is passed on, and one that only closes on a large header means it', async () => {
    const large = [`Cookie: a=${'x'.repeat(12_000)}`, ...PROGRAM];
    const own = await raw.send(get(raw.authority, large, '/refuses'));
    expect([statusOf(own), bodyOf(own)]).toEqual([431, 'mine']);
    for (const path of ['/closes', '/resets']) {
      const answer = await raw.send(get(raw.authority, large, path));
      expect(statusOf(answer)).toBe(431);
      expect(JSON.parse(bodyOf(answer))).toMatchObject({ error: 'header_too_large', message: expect.stringContaining('request header of 12 KiB') as string });
      const small = await raw.send(get(raw.authority, PROGRAM, path));
      expect([statusOf(small), (JSON.parse(bodyOf(small)) as { error: string }).error]).toEqual([502, 'bad_upstream']);
    }
  });
});
