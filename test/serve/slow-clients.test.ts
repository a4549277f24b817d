import { createFakeClock } from '../support/fake-clock.js';
import { statusOf } from '../support/raw-app.js';
import { connectRaw, type RawClient } from '../support/raw-http.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

const MANY = 200;

const connectMany = (app: TestApp, many = MANY): Promise<RawClient[]> => Promise.all(Array.from({ length: many }, () => connectRaw(app.port)));

function leave(clients: readonly RawClient[]): void {
  for (const { socket } of clients) socket.destroy();
}

/** Asks anew until the signal of the test, and notes how long each answer took, in milliseconds. */
async function watchHealth(app: TestApp, isOver: () => boolean): Promise<number[]> {
  const took: number[] = [];
  while (!isOver()) {
    const since = performance.now();
    expect((await app.control('/healthz')).status).toBe(200);
    took.push(performance.now() - since);
  }
  return took;
}

const p99 = (values: readonly number[]): number => [...values].sort((one, other) => one - other)[Math.floor(values.length * 0.99)] ?? NaN;

describe('G24: clients that send their header byte by byte', () => {
  it('are answered 408 and closed in the end, and nobody else notices', async () => {
    await using app = await startTestApp({ listener: { headersMs: 400, checkMs: 50 } });
    const clients = await connectMany(app);
    let closed = 0;
    for (const { closed: end } of clients) void end.then(() => { closed += 1; });
    // A byte now and then, for as long as it lasts: that it goes on buys no time.
    const drip = setInterval(() => { for (const { socket, send } of clients) if (socket.writable) send('x'); }, 20);
    clients.forEach(({ send }, at) => { send(at % 2 ? `GET / HTTP/1.1\r\nHost: localhost:${app.port}\r\nX-Slow: ` : 'GET /'); });
    const took = await watchHealth(app, () => closed === MANY);
    clearInterval(drip);
    expect(new Set(clients.map(({ text }) => statusOf(text())))).toEqual(new Set([408]));
    expect(took.length).toBeGreaterThan(1);
    expect(p99(took)).toBeLessThan(1_000);
  });

  it('are closed as well when they send nothing at all, or a request of HTTP/0.9', async () => {
    await using app = await startTestApp({ listener: { headersMs: 300, checkMs: 50 } });
    const [silent, old] = await Promise.all([connectRaw(app.port), connectRaw(app.port)]);
    old.send('GET /\r\n');
    await Promise.all([silent.closed, old.closed]);
    expect([statusOf(silent.text()), statusOf(old.text())]).toEqual([408, 408]);
  });

  it('are given fifteen seconds', async () => {
    const { LISTENER_LIMITS } = await import('../../src/serve/listener.js');
    expect(LISTENER_LIMITS).toEqual({ headersMs: 15_000, keepAliveMs: 65_000, checkMs: 5_000, connections: 10_000 });
  });
});

describe('G24: a body for the control plane that comes byte by byte', () => {
  const begin = (app: TestApp, lines: string) => `POST /repo/update HTTP/1.1\r\nHost: localhost:${app.port}\r\nContent-Type: application/json\r\n${lines}\r\n${lines.includes('chunked') ? '1000\r\n' : ''}{`;
  const withToken = (app: TestApp) => `Authorization: Bearer ${app.token}\r\n`;

  it.each(['Content-Length: 1000\r\n', 'Transfer-Encoding: chunked\r\n'])('is answered 408 after a minute, and its connection ends: %j', async (length) => {
    const clock = createFakeClock();
    await using app = await startTestApp({ clock });
    using client = await connectRaw(app.port);
    const asked = clock.sleepers;
    client.send(begin(app, `${withToken(app)}${length}`));
    await until(() => clock.sleepers > asked, 'the server waits for the body');
    await clock.advance(59_000);
    client.send('"');
    await clock.advance(900);
    expect(client.text()).toBe('');
    await clock.advance(200);
    await client.closed;
    expect(statusOf(client.text())).toBe(408);
    expect(client.text()).toContain('"error":"request_timeout"');
    expect((await app.control('/healthz')).status).toBe(200);
  });

  it('which nobody wanted, and which was refused at once, ends with its connection too', async () => {
    const clock = createFakeClock();
    await using app = await startTestApp({ clock });
    using client = await connectRaw(app.port);
    client.send(begin(app, 'Content-Length: 1000\r\n'));
    await client.until('401 Unauthorized');
    await clock.advance(60_100);
    await client.closed;
  });

  it('leaves no timer behind when it is whole', async () => {
    const clock = createFakeClock();
    await using app = await startTestApp({ clock });
    const before = clock.sleepers;
    // Far more than the server has loops of its own, some of which may begin to sleep meanwhile.
    const many = 200;
    for (let n = 0; n < many; n += 1) await app.control('/repo/update', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } });
    await until(() => clock.sleepers < before + many / 2, 'their timers are gone');
  });
});

describe('G25: idle connections that are kept open', () => {
  const MOST = 150;

  /** Connections that were used once and are kept. */
  const keep = async (app: TestApp, many: number): Promise<RawClient[]> => {
    const clients = await connectMany(app, many);
    for (const { send } of clients) send(`GET /healthz HTTP/1.1\r\nHost: localhost:${app.port}\r\n\r\n`);
    await Promise.all(clients.map(({ until: seen }) => seen('\r\n\r\n')));
    return clients;
  };
  const open = async (app: TestApp) => {
    const { bounds } = (await app.control('/debug', { headers: { accept: 'application/json' } })).json() as { bounds: { connections: { now: number; most: number } } };
    return bounds.connections;
  };

  it('are no more than the limit, and make room for whoever comes', async () => {
    await using app = await startTestApp({ listener: { connections: MOST } });
    const clients = await keep(app, MOST - 1);
    const took: number[] = [];
    for (let asked = 0; asked < 100; asked += 1) {
      const since = performance.now();
      expect((await app.control('/healthz')).status).toBe(200);
      took.push(performance.now() - since);
    }
    expect(p99(took)).toBeLessThan(1_000);
    const found = await open(app);
    expect(found.most).toBe(MOST);
    expect(found.now).toBeLessThanOrEqual(MOST);
    leave(clients);
  });

  it('are closed after a while of their own', async () => {
    await using app = await startTestApp({ listener: { keepAliveMs: 100 } });
    const clients = await keep(app, 50);
    expect(await Promise.all(clients.map(({ closed }) => closed))).toEqual(clients.map(() => null));
  });

  it('do not cost those their connection whose requests are in flight', async () => {
    await using app = await startTestApp({ listener: { connections: 20 }, program: () => ({ serve: (req, res) => { if (req.url === '/slow') res.write('begun'); else res.end('ok'); } }) });
    const host = `${app.commitHost(app.repository.head())}:${app.port}`;
    await app.open('branch=main');
    const busy = await connectMany(app, 19);
    for (const { send } of busy) send(`GET /slow HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    await Promise.all(busy.map(({ until: seen }) => seen('begun')));
    for (let asked = 0; asked < 30; asked += 1) expect((await app.control('/healthz')).status).toBe(200);
    expect(busy.every(({ socket }) => !socket.destroyed)).toBe(true);
    // Nobody idles any more, so that the limit is kept by refusing.
    using last = await connectRaw(app.port);
    using beyond = await connectRaw(app.port);
    await beyond.closed;
    last.send(`GET /healthz HTTP/1.1\r\nHost: localhost:${app.port}\r\nConnection: close\r\n\r\n`);
    await last.closed;
    expect([beyond.text(), statusOf(last.text())]).toEqual(['', 200]);
    leave(busy);
  });
});
