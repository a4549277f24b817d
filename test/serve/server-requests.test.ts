import { OK, untilTrue } from '../support/forward-front.js';
import { bodyOf, headerOf, startRawApp, statusOf, type RawApp } from '../support/raw-app.js';
import { gate } from '../support/test-app.js';

const answering = (request: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${request.indexOf(' HTTP/')}\r\n\r\n${request.slice(0, request.indexOf(' HTTP/'))}`;

describe('requests on their way through the server', () => {
  let raw: RawApp;
  beforeAll(async () => { raw = await startRawApp(answering, { prepare: (repository) => { repository.commit({ other: 'other' }, { branch: 'other' }); } }); });
  afterAll(async () => { await raw[Symbol.asyncDispose](); });
  const send = (line: string, lines: string[] = [], host = raw.authority) => raw.send(`${line} HTTP/1.1\r\nHost: ${host}\r\n${[...lines, 'Connection: close'].map((each) => `${each}\r\n`).join('')}\r\n`);
  const control = () => `localhost:${raw.app.port}`;

  it('G18: CONNECT is told what is allowed, and nothing is dialled', async () => {
    const before = raw.upstream.sockets.length;
    const answer = await raw.send(`CONNECT 127.0.0.1:${raw.upstream.port} HTTP/1.1\r\nHost: 127.0.0.1:${raw.upstream.port}\r\n\r\nGET / HTTP/1.1\r\n\r\n`);
    expect([statusOf(answer), headerOf(answer, 'allow')]).toEqual([405, 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS']);
    expect(raw.upstream.sockets).toHaveLength(before);
  });

  it.each([['//x'], ['//evil.com/x'], ['/http://evil.com/']])('G18: %s is a path and names no host', async (path) => {
    expect(bodyOf(await send(`GET ${path}`))).toBe(`GET ${path}`);
    expect(statusOf(await send(`GET ${path}`, [], control()))).toBe(404);
  });

  it('G18: an absolute form on an upgrade is the path in it, and that of another host is refused', async () => {
    const upgrade = ['Upgrade: websocket', 'Connection: Upgrade'];
    expect(bodyOf(await send(`GET http://${raw.authority}/ws?x`, upgrade))).toBe('GET /ws?x');
    expect(statusOf(await send('GET http://evil.com/ws', upgrade))).toBe(400);
    expect(statusOf(await send('GET http://evil.com/ws', upgrade, 'evil.com'))).toBe(421);
  });

  it.each(['/a//b', '/a/../b', '/a/./b', '/a\\b', '/a%2fb', '/%', '/?', '/a?b?c', '/a#b', '/img/https://h//x', '/a;b=c', '/?branch=x&hash=y&reset=1', `/?q=${'x'.repeat(8_000)}`])('G19: the target %j arrives as it is', async (target) => {
    expect(bodyOf(await send(`GET ${target}`))).toBe(`GET ${target}`);
  });

  it.each(['PURGE', 'PROPFIND', 'QUERY', 'REPORT', 'MKCOL'])('G23: %s belongs to the application, and the control plane says what it takes', async (method) => {
    expect(bodyOf(await send(`${method} /x`))).toBe(`${method} /x`);
    for (const path of ['/', '/healthz', '/api/status', '/nothing']) {
      const answer = await send(`${method} ${path}`, [], control());
      expect([statusOf(answer), headerOf(answer, 'allow')]).toEqual([405, expect.stringMatching(/^GET, HEAD/) as string]);
    }
  });

  it('G23: TRACE is refused everywhere, also as an upgrade, and no header line comes back', async () => {
    for (const host of [raw.authority, control()]) {
      for (const lines of [[], ['Upgrade: websocket', 'Connection: Upgrade']]) {
        const answer = await send('TRACE /', ['Cookie: secret=1', ...lines], host);
        expect([statusOf(answer), headerOf(answer, 'allow')]).toEqual([405, expect.stringMatching(/^GET, HEAD/) as string]);
        expect(answer).not.toContain('secret');
      }
    }
    expect(raw.asked().join('')).not.toContain('TRACE');
  });

  it.each([['POST', '/healthz'], ['DELETE', '/api/status'], ['PUT', '/']])('G23: %s %s is answered with what the path takes', async (method, path) => {
    const answer = await send(`${method} ${path}`, [], control());
    expect([statusOf(answer), headerOf(answer, 'allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('G23: a method of 1,000 letters is refused', async () => {
    expect(statusOf(await send(`${'A'.repeat(1_000)} /`))).toBe(400);
  });

  const OFFER = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'];

  it('G33: an offer of HTTP/2 is ignored and the request answered, body and all', async () => {
    const offered = (line: string, host: string, body = '') => raw.send(`${line} HTTP/1.1\r\nHost: ${host}\r\n${OFFER.join('\r\n')}\r\n${body === '' ? '' : `Content-Length: ${body.length}\r\n`}\r\n${body}`);
    const onPreview = await offered('GET /h2', raw.authority);
    expect([statusOf(onPreview), bodyOf(onPreview), headerOf(onPreview, 'connection')]).toEqual([200, 'GET /h2', 'close']);
    expect(statusOf(await offered('GET /healthz', control()))).toBe(200);
    const before = raw.asked().length;
    expect(bodyOf(await offered('POST /h2', raw.authority, 'hello'))).toBe('POST /h2');
    expect(raw.asked().slice(before).join('')).toMatch(/\r\n\r\nhello$/);
    expect(raw.asked().join('')).not.toMatch(/h2c|http2/i);
    expect(statusOf(await offered('POST /actions/reset', control(), 'x=y'))).toBe(401);
  });

  it('G35: pipelined requests are each routed by their own Host, in order', async () => {
    const other = raw.app.commitHost(raw.app.repository.head('other'));
    await raw.app.open('branch=other');
    const hosts = [raw.host, other, 'localhost', other, 'nobody.example.com', raw.host];
    using client = await raw.connect();
    client.send(hosts.map((host, at) => `GET ${host === 'localhost' ? '/healthz' : `/${at}`} HTTP/1.1\r\nHost: ${host}:${raw.app.port}\r\n\r\n`).join(''));
    const text = await client.until((all) => all.endsWith('GET /5'));
    const answers = text.split(/(?=HTTP\/1\.1 \d)/);
    expect(answers.map(statusOf)).toEqual([200, 200, 200, 200, 421, 200]);
    expect(answers.map((answer) => headerOf(answer, 'x-slipway-commit') ?? null)).toEqual(hosts.map((host) => /^hash-([0-9a-f]{40})/.exec(host)?.[1] ?? null));
    expect([0, 5].map((at) => bodyOf(answers[at] ?? ''))).toEqual(['GET /0', 'GET /5']);
    expect([1, 3].map((at) => (JSON.parse(bodyOf(answers[at] ?? '')) as { url: string }).url)).toEqual(['/1', '/3']);
  });
});

describe('G20: a body that waits to be asked for', () => {
  const begin = (host: string, lines: string[] = []) => `POST / HTTP/1.1\r\nHost: ${host}\r\nExpect: 100-continue\r\nContent-Length: 1000000000\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;

  it.each(['401 Unauthorized', '413 Content Too Large'])('is not asked for when the application answers %s at once', async (status) => {
    await using raw = await startRawApp(() => OK);
    using client = await raw.connect();
    client.send(begin(raw.authority));
    await untilTrue(() => raw.asked().join('').includes('Expect: 100-continue'));
    expect(client.text()).toBe('');
    raw.upstream.sockets.at(-1)?.write(`HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nno`);
    await client.closed;
    expect(client.text()).toMatch(new RegExp(`^HTTP/1\\.1 ${status}\r\n[^]*\r\n\r\nno$`));
  });

  it('is refused as well when the client sends it unasked', async () => {
    await using raw = await startRawApp(() => OK);
    using client = await raw.connect();
    client.send(begin(raw.authority));
    await untilTrue(() => raw.asked().join('').includes('Expect: 100-continue'));
    const chunk = 'x'.repeat(65_536);
    const push = () => { while (!client.socket.destroyed && client.socket.write(chunk)); };
    client.socket.on('drain', push);
    push();
    raw.upstream.sockets.at(-1)?.end('HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno');
    expect(await client.until('\r\n\r\nno')).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('is asked for only once the application runs and asks for it', async () => {
    const { opened, open } = gate();
    await using raw = await startRawApp((request) => (request.endsWith('hello') ? OK : undefined), { opened: false, builds: () => ({ until: opened }) });
    using client = await raw.connect();
    client.send(begin(raw.authority).replace('1000000000', '5'));
    await untilTrue(() => raw.app.engine.builds.length === 1);
    expect(client.text()).toBe('');
    open();
    await untilTrue(() => raw.asked().join('').includes('Expect: 100-continue'));
    expect(client.text()).toBe('');
    raw.upstream.sockets.at(-1)?.write('HTTP/1.1 100 Continue\r\n\r\n');
    await client.until('100 Continue\r\n\r\n');
    client.send('hello');
    expect(await client.until('\r\n\r\nok')).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
  });
});
