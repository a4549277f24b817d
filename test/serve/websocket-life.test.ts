import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { TIMEOUTS } from '../../src/serve/forward.js';
import { closed, say, startEchoApp, type EchoApp } from '../support/echo-app.js';
import { createFakeClock, type FakeClock } from '../support/fake-clock.js';
import { OK } from '../support/forward-front.js';
import { startRawApp } from '../support/raw-app.js';
import type { RawClient } from '../support/raw-http.js';
import { until } from '../support/until.js';

const run = promisify(execFile);
const MINUTE = 60_000;
const IDLE = { 'idle.sleep': '10s', 'idle.stop': '60s' } as const;

async function startWithClock(settings: Readonly<Record<string, string>> = IDLE): Promise<EchoApp & { readonly clock: FakeClock }> {
  const clock = createFakeClock();
  const echo = await startEchoApp({ clock, settings, prepare: (repository) => { repository.commit({ side: 'side' }, { branch: 'side' }); } });
  return { ...echo, clock };
}

const paused = async ({ app }: EchoApp) => (await app.engine.list()).map((each) => each.paused);
const bearer = ({ app }: EchoApp) => ({ headers: { authorization: `Bearer ${app.token}` } });
const post = async (echo: EchoApp, path: string) => (await echo.app.control(path, { method: 'POST', ...bearer(echo) })).status;
const labelOf = ({ app }: EchoApp) => `hash-${app.repository.head('main')}`;

describe('H6: a preview of which only a WebSocket is open', () => {
  it('is awake as long as it is open, said or unsaid, and the time starts at its end', async () => {
    await using echo = await startWithClock();
    const client = await echo.connect();
    await echo.clock.advance(10 * MINUTE);
    expect(await paused(echo)).toEqual([false]);
    expect(await say(client, 'still there')).toBe('still there');
    await echo.clock.advance(40 * MINUTE);
    expect(await paused(echo)).toEqual([false]);
    client.close();
    await until(() => echo.accepted.size === 0, 'the application hears of it');
    await echo.clock.advance(8_000);
    expect(await paused(echo)).toEqual([false]);
    await echo.clock.advance(4_000);
    await until(async () => (await paused(echo)).every(Boolean), 'it sleeps');
    await echo.clock.advance(MINUTE);
    await until(async () => (await echo.app.engine.list()).length === 0, 'it is stopped');
  });

  it('is woken by one, whose frames then arrive', async () => {
    await using echo = await startWithClock();
    await echo.app.open('branch=main');
    await echo.app.get(echo.authority.replace(/:\d+$/, ''), '/');
    await echo.clock.advance(12_000);
    await until(async () => (await paused(echo)).every(Boolean), 'it sleeps');
    expect(await say(await echo.connect(), 'good morning')).toBe('good morning');
    expect([echo.app.engine.calls.resume, echo.app.engine.calls.start]).toEqual([1, 1]);
  });

  it('counts until nothing moved on it for an hour, and no longer', async () => {
    expect(TIMEOUTS.upgradedIdleMs).toBe(3_600_000);
    await using echo = await startEchoApp({ settings: { 'idle.sleep': '200ms' }, timeouts: { upgradedIdleMs: 400 } });
    const spoken = await echo.connect();
    const silent = await echo.connect();
    const silentEnd = closed(silent);
    let said = 0;
    const since = performance.now();
    while (performance.now() - since < 1_200) { await say(spoken, `frame ${said}`); said += 1; }
    expect([await silentEnd, spoken.readyState === spoken.OPEN, await paused(echo)]).toEqual([1006, true, [false]]);
    await closed(spoken);
    await until(async () => (await paused(echo)).every(Boolean), 'it sleeps');
  });
});

describe('H7: an open WebSocket', () => {
  it('is closed at once when its preview is stopped', async () => {
    await using echo = await startWithClock();
    const end = closed(await echo.connect());
    expect(await post(echo, `/api/projects/repository/previews/${labelOf(echo)}/stop`)).toBeLessThan(300);
    expect(await end).toBe(1006);
    await until(() => echo.accepted.size === 0, 'the application hears of it');
    expect(await echo.app.engine.list()).toEqual([]);
  });

  it('is closed at once when its preview is restarted, and the next one reaches the new instance', async () => {
    await using echo = await startWithClock();
    const end = closed(await echo.connect());
    expect(await post(echo, `/api/projects/repository/previews/${labelOf(echo)}/restart`)).toBeLessThan(300);
    await end;
    expect(await say(await echo.connect(), 'again')).toBe('again');
    expect(echo.app.engine.calls.start).toBe(2);
  });

  it('to an image that is built anew has the time of what is in flight, and is closed then', async () => {
    await using echo = await startWithClock({ 'idle.sleep': '10m' });
    const client = await echo.connect();
    const end = closed(client);
    // Of two images the younger one is taken.
    await echo.clock.advance(1_000);
    expect((await echo.app.control('/?branch=main&reset=1', bearer(echo))).status).toBe(202);
    await until(() => echo.app.engine.calls.build === 2, 'it is built');
    // A visit that comes before the old one is out of the table is still answered by it, and starts nothing.
    const visits: Promise<{ status: number }>[] = [];
    let isAsking = false;
    const visit = () => {
      if (isAsking) return;
      isAsking = true;
      visits.push(echo.app.get(echo.authority.replace(/:\d+$/, ''), '/').finally(() => { isAsking = false; }));
    };
    await until(async () => { visit(); await echo.clock.advance(20); return (await echo.app.control('/api/status?branch=main')).json().release === 'v2'; }, 'the new image runs');
    expect(new Set((await Promise.all(visits)).map(({ status }) => status))).toEqual(new Set([200]));
    await echo.clock.advance(20_000);
    expect(await say(client, 'not yet')).toBe('not yet');
    await echo.clock.advance(11_000);
    expect(await end).toBe(1006);
    await until(async () => (await echo.app.engine.list()).length === 1, 'the old container is removed');
  });

  it('does not outlive a branch that was deleted', async () => {
    await using echo = await startWithClock({ 'idle.sleep': '60m' });
    const { app } = echo;
    const client = await echo.connect(`branch-side.localhost:${app.port}`);
    const end = closed(client);
    await run('git', ['-C', app.repository.path, 'update-ref', '-d', 'refs/heads/side']);
    await app.fetch(app.repository.commit({ more: 'more' }));
    await echo.clock.advance(9 * MINUTE);
    expect(await say(client, 'still')).toBe('still');
    await until(async () => { await echo.clock.advance(10_000); return client.readyState !== client.OPEN; }, 'it is closed');
    expect(await end).toBe(1006);
  });

  it('keeps its preview from going to make room for another one', async () => {
    await using echo = await startWithClock({ ...IDLE, 'limits.running': '1' });
    const client = await echo.connect();
    const refused = await echo.app.get(echo.app.commitHost(echo.app.repository.head('side')), '/');
    expect([refused.status, refused.json().error]).toEqual([503, 'too_busy']);
    expect(await say(client, 'mine')).toBe('mine');
    client.close();
    await until(() => echo.accepted.size === 0, 'the application hears of it');
    expect((await echo.app.get(echo.app.commitHost(echo.app.repository.head('side')), '/')).status).toBe(200);
  });

  it('is closed within ten seconds of the server’s end', async () => {
    await using echo = await startWithClock();
    const client = await echo.connect();
    const end = closed(client);
    const sleepers = echo.clock.sleepers;
    const stopping = echo.app.stop();
    await until(() => echo.clock.sleepers !== sleepers, 'it waits for what is in flight');
    expect(client.readyState).toBe(client.OPEN);
    await echo.clock.advance(10_001);
    expect(await end).toBe(1006);
    await stopping;
  });
});

describe('H11: peers that neither read nor answer any more', () => {
  const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';
  const HALF = 'HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n';
  const BULK = 'x'.repeat(1024 * 1024);
  const handshake = (host: string) => `GET /ws HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
  const MANY = 50;
  const reply = (request: string) => {
    if (request.startsWith('GET /ws')) return SWITCH;
    return request.startsWith('GET /large') ? HALF + BULK : OK;
  };
  const freed = async (raw: Awaited<ReturnType<typeof startRawApp>>, clients: readonly RawClient[]) => {
    const inFlight = async () => ((await raw.app.control('/debug', { headers: { accept: 'application/json' } })).json() as { bounds: { requestsInFlight: { now: number }; connections: { now: number } } }).bounds;
    await until(async () => (await inFlight()).requestsInFlight.now === 0, 'nothing is in flight');
    // Its own one.
    await until(async () => (await inFlight()).connections.now === 1, 'their connections are gone');
    for (const { socket } of clients) socket.destroy();
  };

  it('are freed when both sides of a WebSocket fall silent', async () => {
    await using raw = await startRawApp(reply, { timeouts: { upgradedIdleMs: 300 } });
    const clients = await Promise.all(Array.from({ length: MANY }, () => raw.connect()));
    for (const { send } of clients) send(handshake(raw.authority));
    await Promise.all(clients.map(({ until: seen }) => seen('\r\n\r\n')));
    for (const { socket } of clients) socket.pause();
    await freed(raw, clients);
  });

  it('are freed when one sends what the other does not take', async () => {
    await using raw = await startRawApp(reply, { timeouts: { upgradedIdleMs: 300 } });
    const clients = await Promise.all(Array.from({ length: 10 }, () => raw.connect()));
    for (const { send } of clients) send(handshake(raw.authority));
    await Promise.all(clients.map(({ until: seen }) => seen('\r\n\r\n')));
    for (const { socket } of clients) socket.pause();
    const upgraded = raw.upstream.sockets.filter((_, at) => raw.upstream.received[at]?.startsWith('GET /ws') === true);
    expect(upgraded).toHaveLength(10);
    for (const socket of upgraded) for (let sent = 0; sent < 8; sent += 1) socket.write(BULK);
    await freed(raw, clients);
  });

  it('are freed when a client does not take its answer', async () => {
    await using raw = await startRawApp(reply, { timeouts: { idleMs: 300 } });
    const clients = await Promise.all(Array.from({ length: 10 }, () => raw.connect()));
    for (const { socket, send } of clients) { socket.pause(); send(`GET /large HTTP/1.1\r\nHost: ${raw.authority}\r\n\r\n`); }
    await until(() => raw.asked().length === 10, 'all are asked for');
    await freed(raw, clients);
  });
});

describe('H12: two hundred WebSockets that come and go', () => {
  const MANY = 200;
  const ROUNDS = 10;
  /** Of this process, which is both ends of each connection. */
  const tcpSockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;

  it('leave nothing behind', async () => {
    await using echo = await startEchoApp();
    await echo.app.open('branch=main');
    await echo.app.get(echo.authority.replace(/:\d+$/, ''), '/');
    const before = tcpSockets();
    let open = await Promise.all(Array.from({ length: MANY }, () => echo.connect()));
    for (let round = 0; round < ROUNDS; round += 1) {
      const [leaving, staying] = [open.slice(0, MANY / 10), open.slice(MANY / 10)];
      leaving.forEach((client, at) => { if (at % 2) client.close(); else client.terminate(); });
      open = [...staying, ...await Promise.all(leaving.map(() => echo.connect()))];
      expect(await Promise.all(open.map((client, at) => say(client, `${round} ${at}`)))).toEqual(open.map((_, at) => `${round} ${at}`));
    }
    await until(() => echo.accepted.size === MANY, 'those that left are gone');
    for (const client of open) client.close();
    await until(() => echo.accepted.size === 0, 'all are gone');
    await until(() => tcpSockets() <= before, 'as many sockets as before');
  });
});
