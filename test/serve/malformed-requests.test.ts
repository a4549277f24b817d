import { randomBytes } from 'node:crypto';
import { untilTrue } from '../support/forward-front.js';
import { bodyOf, headerOf, startRawApp, statusOf, type RawApp } from '../support/raw-app.js';

let raw: RawApp;
beforeAll(async () => { raw = await startRawApp((request) => (request.includes('/slow') ? 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf' : undefined)); });
afterAll(async () => { await raw[Symbol.asyncDispose](); });

/** A complete request for the preview, with these lines and this body. */
const post = (lines: string[], body = '') => `POST /smuggled HTTP/1.1\r\nHost: ${raw.authority}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n${body}`;
const CHUNKED = 'Transfer-Encoding: chunked';
const LAST = '0\r\n\r\n';

describe('G11: two readings of where a request ends', () => {
  it.each<[string, () => string]>([
    ['a length and chunks', () => post(['Content-Length: 5', CHUNKED], LAST)],
    ['chunks and a length', () => post([CHUNKED, 'Content-Length: 5'], LAST)],
    ['two lengths', () => post(['Content-Length: 5', 'Content-Length: 6'], 'hello')],
    ['the same length twice', () => post(['Content-Length: 5', 'Content-Length: 5'], 'hello')],
    ['two lengths in one line', () => post(['Content-Length: 5, 5'], 'hello')],
    ['a length with a sign', () => post(['Content-Length: +5'], 'hello')],
    ['a length that is none', () => post(['Content-Length: 0x5'], 'hello')],
    ['an unknown coding', () => post(['Transfer-Encoding: xchunked'], LAST)],
    ['chunks that are not last', () => post(['Transfer-Encoding: chunked, identity'], LAST)],
    ['chunks and identity in two lines', () => post([CHUNKED, 'Transfer-Encoding: identity'], LAST)],
    ['chunks twice', () => post(['Transfer-Encoding: chunked, chunked'], LAST)],
    ['a coding in front of chunks', () => post(['Transfer-Encoding: gzip, chunked'], LAST)],
    ['a coding after a control byte', () => post(['Transfer-Encoding: \x0bchunked'], LAST)],
    ['bare line feeds', () => `GET / HTTP/1.1\nHost: ${raw.authority}\n\n`],
    ['one bare line feed', () => `POST / HTTP/1.1\r\nHost: ${raw.authority}\nX: y\r\n${CHUNKED}\r\n\r\n${LAST}`],
    ['a bare carriage return', () => `POST / HTTP/1.1\r\nHost: ${raw.authority}\rX: y\r\n${CHUNKED}\r\n\r\n${LAST}`],
    ['a space in front of the colon', () => post(['Transfer-Encoding : chunked'], LAST)],
    ['a folded line', () => post(['X: y', ' z', 'Content-Length: 0'])],
    ['a folded coding', () => post(['Transfer-Encoding:', ' chunked'], LAST)],
    ['a space in front of the first line', () => `GET / HTTP/1.1\r\n Host: ${raw.authority}\r\n\r\n`],
    ['a zero byte in a name', () => post(['X\0Y: z', 'Content-Length: 0'])],
    ['a chunk larger than any number', () => post([CHUNKED], `${'f'.repeat(17)}\r\nhello\r\n${LAST}`)],
    ['a chunk of less than nothing', () => post([CHUNKED], `-1\r\nhello\r\n${LAST}`)],
    ['a chunk whose size ends in a bare line feed', () => post([CHUNKED], `5\nhello\r\n${LAST}`)],
    ['a chunk longer than it says', () => post([CHUNKED], `3\r\nhello\r\n${LAST}`)],
    ['16 kB behind the size of a chunk', () => post([CHUNKED], `5;${'x'.repeat(17_000)}\r\nhello\r\n${LAST}`)],
  ])('is refused and the connection closed: %s', async (_what, bytes) => {
    const answer = await raw.send(`${bytes()}GET /next HTTP/1.1\r\nHost: ${raw.authority}\r\n\r\n`);
    expect(statusOf(answer)).toBe(400);
    expect(headerOf(answer, 'connection')).toBe('close');
    expect(answer.split('HTTP/1.1 ')).toHaveLength(2);
    expect(raw.asked().join('')).toBe('');
  });

  it('never completes a request at the application whose later chunks are malformed', async () => {
    using client = await raw.connect();
    client.send(post([CHUNKED], '5\r\nhello\r\n'));
    await untilTrue(() => raw.asked().join('').endsWith('5\r\nhello\r\n'));
    client.send('zz\r\n');
    await client.closed;
    expect(statusOf(client.text())).toBe(400);
    await untilTrue(() => raw.upstream.sockets.every((socket) => socket.destroyed));
    expect(raw.asked().join('')).not.toContain(LAST);
  });
});

describe('G36: what is not HTTP', () => {
  const debugLines = () => raw.app.log.recent().filter(({ message }) => message === 'client error');

  it.each([
    ['a TLS greeting', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['HTTP/0.9', 'GET /\r\n\r\n'],
    ['HTTP/0.9 with a host', 'GET / HTTP/0.9\r\nHost: localhost\r\n\r\n'],
    ['HTTP/2 without a greeting', 'GET / HTTP/2.0\r\nHost: localhost\r\n\r\n'],
    ['the greeting of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['HTTP/1.2', 'GET / HTTP/1.2\r\nHost: localhost\r\n\r\n'],
    ['a line of SMTP', 'EHLO example.com\r\n'],
    ['zero bytes', '\0'.repeat(64)],
    ['a method of 1,000 letters', `${'A'.repeat(1_000)} / HTTP/1.1\r\nHost: localhost\r\n\r\n`],
  ])('gets 400 and the end of the connection: %s', async (_what, bytes) => {
    const answer = await raw.send(bytes);
    expect(statusOf(answer)).toBe(400);
    expect(JSON.parse(bodyOf(answer))).toMatchObject({ error: 'invalid_request', requestId: headerOf(answer, 'x-request-id') });
  });

  it('gets one line of the log each', async () => {
    const before = debugLines().length;
    await raw.send('\x16\x03\x01');
    await raw.send('nonsense\r\n');
    expect(debugLines().slice(0, -before || undefined).map(({ level }) => level)).toEqual(['debug', 'debug']);
  });

  it('leaves the server as it was, 10,000 times', async () => {
    const one = async () => {
      using client = await raw.connect();
      client.socket.write(randomBytes(64));
      await client.closed;
      return client.text();
    };
    for (let times = 0; times < 10_000; times += 100) {
      for (const answer of await Promise.all(Array.from({ length: 100 }, one))) expect([400, NaN]).toContain(statusOf(answer));
    }
    expect((await raw.app.control('/healthz')).status).toBe(200);
  }, 120_000);

  it('does not end up in an answer that has begun', async () => {
    using client = await raw.connect();
    client.send(`GET /slow HTTP/1.1\r\nHost: ${raw.authority}\r\n\r\n`);
    await client.until('half');
    client.send('\x16\x03\x01');
    await client.closed;
    expect(client.text().endsWith('\r\n\r\nhalf')).toBe(true);
  });
});
