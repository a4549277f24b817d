import { openEvents } from '../support/sse.js';
import { gate, NAVIGATION, startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';
import { bodyOf, headerOf, startRawApp, statusOf, type RawApp } from '../support/raw-app.js';
import { connectRaw, roundTrip } from '../support/raw-http.js';
import { until } from '../support/until.js';
import { OK } from '../support/forward-front.js';

const handshake = (host: string, lines: string[] = [], path = '/ws') =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSet-Cookie: slipway_sid=evil\r\nSet-Cookie: mine=1; Domain=localhost\r\n\r\nfirst frame';
const accept = (request: string) => (request.includes('Upgrade: websocket') ? SWITCH : OK);
/** Asks for a WebSocket in the name of a host, and reads until the server closes. */
const refused = ({ port }: TestApp, host: string, { lines = [], path = '/ws' }: { lines?: string[]; path?: string } = {}) => roundTrip(port, handshake(`${host}:${port}`, lines, path));

describe('H3: a WebSocket to a preview that does not run', () => {
  it('builds and starts it, and loses nothing that came with the handshake', async () => {
    const { opened, open } = gate();
    await using raw = await startRawApp(accept, { opened: false, builds: () => ({ until: opened }) });
    using client = await raw.connect();
    client.send(`${handshake(raw.authority)}early frame`);
    await until(() => raw.app.engine.builds.length === 1, 'the build begins');
    expect([client.text(), raw.asked()]).toEqual(['', []]);
    open();
    const text = await client.until('first frame');
    expect(text).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
    await until(() => raw.asked().join('').endsWith('\r\n\r\nearly frame'), 'the frame arrives');
    client.send(' and more');
    await until(() => raw.asked().join('').endsWith('early frame and more'), 'the next frame arrives');
    expect([raw.app.engine.calls.build, raw.app.engine.calls.start]).toEqual([1, 1]);
  });

  it('starts a stopped one without a build', async () => {
    await using raw = await startRawApp(accept);
    for (const { id } of await raw.app.engine.list()) await raw.app.engine.remove(id);
    await raw.app.restart();
    using client = await raw.connect();
    client.send(handshake(raw.authority));
    expect(await client.until('first frame')).toMatch(/^HTTP\/1\.1 101 /);
    expect([raw.app.engine.calls.build, raw.app.engine.calls.start]).toEqual([1, 2]);
  });

  it('503 with Retry-After when that takes longer than it is held, and the build goes on', async () => {
    const { opened, open } = gate();
    await using app = await startTestApp({ builds: () => ({ until: opened }), settings: { 'hold.request': '100ms' } });
    const answer = await refused(app, app.commitHost(app.repository.head()));
    expect([statusOf(answer), headerOf(answer, 'retry-after'), headerOf(answer, 'connection')]).toEqual([503, '2', 'close']);
    expect(JSON.parse(bodyOf(answer))).toMatchObject({ error: 'preview_pending', requestId: headerOf(answer, 'x-request-id') });
    open();
    expect((await app.open('branch=main')).status).toBe(200);
    expect(app.engine.calls.build).toBe(1);
  });

  it.each<[string, number, { error: string; options: TestAppOptions }]>([
    ['the build failed', 424, { error: 'build_failed', options: { builds: () => ({ fail: 'no' }) } }],
    ['the application crashed', 502, { error: 'crashed', options: { program: () => ({ exits: { code: 3 } }) } }],
    ['it never gets ready', 504, { error: 'start_timeout', options: { program: () => ({}), settings: { 'run.readyTimeout': '100ms' } } }],
  ])('when %s: %d, with what to do', async (_what, status, { error, options }) => {
    await using app = await startTestApp(options);
    const answer = await refused(app, app.commitHost(app.repository.head()));
    expect([statusOf(answer), headerOf(answer, 'connection')]).toEqual([status, 'close']);
    expect(JSON.parse(bodyOf(answer))).toMatchObject({ error, message: expect.stringMatching(/\. [A-Z]/) as string });
  });

  it('404 for what is not there, and nothing is built; a crawler starts nothing', async () => {
    await using app = await startTestApp();
    const hosts = [`hash-${'0'.repeat(40)}.localhost`, 'branch-nowhere.localhost', 'nothing.localhost', `x.${app.commitHost(app.repository.head())}`, app.commitHost(app.repository.head()).replace(/^(hash-.{12}).*?\./, '$1.')];
    for (const host of hosts) expect([host, statusOf(await refused(app, host))]).toEqual([host, 404]);
    expect(statusOf(await refused(app, 'evil.example.com'))).toBe(421);
    expect(statusOf(await refused(app, app.commitHost(app.repository.head()), { lines: ['User-Agent: Slackbot 1.0'] }))).toBe(503);
    expect([app.engine.calls.build, app.engine.calls.start]).toEqual([0, 0]);
  });

  it.each(['ends', 'resets'])('is let go of when its client %s meanwhile', async (how) => {
    const { opened, open } = gate();
    await using app = await startTestApp({ builds: () => ({ until: opened }) });
    const client = await connectRaw(app.port);
    client.send(handshake(`${app.commitHost(app.repository.head())}:${app.port}`));
    await until(() => app.engine.builds.length === 1, 'the build begins');
    if (how === 'ends') client.socket.end();
    else client.socket.resetAndDestroy();
    await client.closed;
    expect(client.text()).toBe('');
    open();
  });
});

describe('who may listen', () => {
  let raw: RawApp;
  let build: string;
  beforeAll(async () => {
    raw = await startRawApp(accept);
    build = String((raw.app.engine.builds[0] ?? { build: '' }).build);
  });
  afterAll(async () => { await raw[Symbol.asyncDispose](); });
  const own = () => `http://localhost:${raw.app.port}`;
  const foreign = (): [string, string[]][] => [
    ['a preview', [`Origin: http://${raw.authority}`]], ['another site', ['Origin: https://evil.example.com']], ['nobody', ['Origin: null']],
    ['another port', ['Origin: http://localhost:1']], ['another scheme', [`Origin: https://localhost:${raw.app.port}`]],
    ['a page that says so', ['Sec-Fetch-Site: same-site']], ['a page of another site that says so', ['Sec-Fetch-Site: cross-site', `Origin: ${own()}`]],
  ];
  const streams = () => [`/api/builds/${build}/events`, '/api/previews/branch-main/events'];
  const headersOf = (lines: string[]) => Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));

  it('H4: no WebSocket to the control plane reaches an application, whoever asks and wherever', async () => {
    const before = raw.upstream.sockets.length;
    for (const path of ['/', '/log', ...streams(), '/__slipway/events']) {
      for (const lines of [[], ['Cookie: slw_sid=s%3Aexpired.signature'], ['Authorization: Bearer slw_wrong'], [`Authorization: Bearer ${raw.app.token}`]]) {
        expect([401, 403, 404]).toContain(statusOf(await refused(raw.app, 'localhost', { lines, path })));
      }
    }
    expect(statusOf(await refused(raw.app, raw.host, { path: '/__slipway/events' }))).toBe(404);
    expect(raw.upstream.sockets).toHaveLength(before);
  });

  it('H5: 403 for a WebSocket to the control plane that a page of another origin asks for, or a cookie without an origin', async () => {
    for (const [who, lines] of [...foreign(), ['a cookie', ['Cookie: slw_sid=s%3Ax.y']] as [string, string[]]]) {
      const answer = await refused(raw.app, 'localhost', { lines, path: '/log' });
      expect([who, statusOf(answer), (JSON.parse(bodyOf(answer)) as { error: string }).error]).toEqual([who, 403, 'cross_site']);
    }
    expect(statusOf(await refused(raw.app, 'localhost', { lines: [`Origin: ${own()}`], path: '/log' }))).toBe(404);
  });

  it('H5: 403 for a stream of the control plane that a page of another origin asks for', async () => {
    for (const path of streams()) {
      for (const [who, lines] of foreign()) {
        const answer = await raw.app.control(path, { headers: { accept: 'text/event-stream', ...headersOf(lines) } });
        expect([who, answer.status, answer.json().error]).toEqual([who, 403, 'cross_site']);
        expect(answer.headers['access-control-allow-origin']).toBeUndefined();
      }
      for (const lines of [[`Origin: ${own()}`], ['Sec-Fetch-Site: same-origin'], [], ['Cookie: slw_sid=s%3Ax.y', 'Sec-Fetch-Site: same-origin']]) {
        using viewer = await openEvents(raw.app, { host: 'localhost', path, headers: headersOf(lines) });
        expect(viewer.status).toBe(200);
      }
    }
  });

  it('H5: the same for the events of a preview’s waiting page, which only its own page may read', async () => {
    for (const [, lines] of foreign().slice(1)) {
      const answer = await raw.app.get(raw.host, '/__slipway/events', { headers: headersOf(lines) });
      expect([answer.status, answer.json().error]).toEqual([403, 'cross_site']);
    }
    for (const lines of [[`Origin: http://${raw.authority}`], [], ['Sec-Fetch-Site: same-origin']]) {
      using viewer = await openEvents(raw.app, { host: raw.host, path: '/__slipway/events', headers: headersOf(lines) });
      expect(viewer.status).toBe(200);
    }
    expect((await raw.app.get(raw.host, '/__slipway/state', { headers: NAVIGATION })).status).toBe(200);
  });

  it('H5, H9: an application gets the Origin as it is, and its cookies stay its own', async () => {
    for (const [, lines] of foreign()) {
      using client = await raw.connect();
      client.send(handshake(raw.authority, [...lines, 'Cookie: slipway_sid=s; mine=2']));
      const answer = await client.until('first frame');
      expect(statusOf(answer)).toBe(101);
      expect([...answer.matchAll(/^Set-Cookie: (.*)\r$/gm)].map(([, cookie]) => cookie)).toEqual(['mine=1']);
      const request = raw.asked().at(-1) ?? '';
      for (const line of [...lines, 'Cookie: mine=2']) expect(request).toContain(`\r\n${line}\r\n`);
    }
  });
});
