import { ask, startTestApp, type TestApp } from '../support/test-app.js';
import { connectRaw, roundTrip } from '../support/raw-http.js';

let app: TestApp;
let preview: string;
beforeAll(async () => {
  app = await startTestApp();
  await app.open('branch=main');
  preview = app.commitHost(app.repository.head());
});
afterAll(async () => { await app[Symbol.asyncDispose](); });

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
/** Sends a request as it is; each must be answered and its connection closed. */
const send = (head: string) => roundTrip(app.port, `${head}\r\nConnection: close\r\n\r\n`);

describe('requests that no host takes', () => {
  it.each([
    ['two Hosts', (host: string) => `GET / HTTP/1.1\r\nHost: ${host}\r\nHost: evil.com`],
    ['the same Host twice', (host: string) => `GET / HTTP/1.1\r\nHost: ${host}\r\nhost: ${host}`],
    ['no Host', () => 'GET / HTTP/1.1'],
    ['no Host in HTTP/1.0', () => 'GET / HTTP/1.0'],
    ['an empty Host', () => 'GET / HTTP/1.1\r\nHost:'],
    ['an absolute form of another host', (host: string) => `GET http://other.localhost/ HTTP/1.1\r\nHost: ${host}`],
    ['a target that is no path', (host: string) => `GET status HTTP/1.1\r\nHost: ${host}`],
    ['both ways to delimit a body', (host: string) => `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked`],
    ['a broken line', (host: string) => `GET / HTTP/1.1\r\nHost: ${host}\r\nno colon here`],
    ['two Hosts on an upgrade', (host: string) => `GET / HTTP/1.1\r\nHost: ${host}\r\nHost: evil.com\r\nUpgrade: websocket\r\nConnection: Upgrade`],
  ])('G17, G18: 400 for %s, on a preview and on the control plane', async (_what, head) => {
    for (const host of [preview, 'localhost']) {
      const answer = await send(head(`${host}:${app.port}`));
      expect(statusOf(answer)).toBe(400);
      expect(answer).not.toMatch(/set-cookie/i);
    }
  });

  it.each(['TRACE / HTTP/1.1', 'OPTIONS * HTTP/1.1'])('G18, G23: 405 with Allow for %s', async (line) => {
    for (const host of [preview, 'localhost']) {
      const answer = await send(`${line}\r\nHost: ${host}:${app.port}`);
      expect(statusOf(answer)).toBe(405);
      expect(answer).toMatch(/^Allow: GET, HEAD, /m);
    }
  });

  it('G18: 405 for CONNECT, and nothing is connected to', async () => {
    expect(statusOf(await send(`CONNECT 127.0.0.1:${app.port} HTTP/1.1\r\nHost: 127.0.0.1:${app.port}`))).toBe(405);
  });

  it('G18: the absolute form of the own host is the path in it', async () => {
    const authority = `${preview}:${app.port}`;
    const answer = await send(`GET http://${authority}/p?q=1 HTTP/1.1\r\nHost: ${authority}`);
    expect(statusOf(answer)).toBe(200);
    expect(answer).toContain('"url":"/p?q=1"');
    expect(statusOf(await send(`GET http://${authority} HTTP/1.1\r\nHost: ${authority}`))).toBe(200);
    const outside = await send('GET http://evil.com/ HTTP/1.1\r\nHost: evil.com');
    expect(statusOf(outside)).toBe(421);
  });

  it('A16: 431 for a header that is too large, at once, and the server goes on', async () => {
    const answer = await roundTrip(app.port, `GET / HTTP/1.1\r\nHost: ${'a.'.repeat(9_000)}\r\n\r\n`);
    expect(statusOf(answer)).toBe(431);
    const long = await app.get('a.'.repeat(7_000), '/');
    expect(long.status).toBe(421);
    expect((await app.control('/healthz')).status).toBe(200);
  });

  it('survives bytes that are not HTTP', async () => {
    expect(statusOf(await roundTrip(app.port, '\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n'))).toBe(400);
    using client = await connectRaw(app.port);
    client.socket.resetAndDestroy();
    expect((await app.control('/healthz')).status).toBe(200);
  });

  it('methods that it does not know belong to the application', async () => {
    const answer = await ask({ port: app.port, host: `${preview}:${app.port}`, path: '/dav' }, { method: 'PROPFIND' });
    expect(answer.json()).toMatchObject({ method: 'PROPFIND', url: '/dav' });
  });

  it('offers of other protocols are ignored, the request is answered', async () => {
    const answer = await send(`GET /healthz HTTP/1.1\r\nHost: localhost:${app.port}\r\nUpgrade: h2c`);
    expect(statusOf(answer)).toBe(200);
  });

  it('a WebSocket where there is none is told so', async () => {
    const upgrade = (host: string, path: string) => roundTrip(app.port, `GET ${path} HTTP/1.1\r\nHost: ${host}:${app.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`);
    expect(statusOf(await upgrade('localhost', '/'))).toBe(404);
    expect(statusOf(await upgrade('evil.com', '/'))).toBe(421);
    expect(statusOf(await upgrade(preview, '/__slipway/events'))).toBe(404);
    expect(statusOf(await upgrade(preview.slice(0, 12) + '.localhost', '/'))).toBe(404);
    expect(app.engine.calls.start).toBe(1);
  });
});
