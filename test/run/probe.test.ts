import { createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { probeTarget, waitUntilReady, type Probe, type ProbeResult, type Readiness } from '../../src/run/probe.js';
import { createFakeClock, type FakeClock } from '../support/fake-clock.js';

const OF = { target: { address: '127.0.0.1', port: 1 }, host: 'branch-main.localhost:3000' };
const silence: ProbeResult = { kind: 'silence' };
const answer = (status: number): ProbeResult => ({ kind: 'answer', status });

type Waiting = Partial<Pick<Readiness, 'readyTimeoutMs' | 'signal' | 'isSwap' | 'health'>>;

/** Waits with a probe that answers by the time passed, and notes when it was asked and when it was ready. */
function waiting(clock: FakeClock, script: (atMs: number, signal: AbortSignal) => Promise<ProbeResult> | ProbeResult, { readyTimeoutMs = 60_000, signal = new AbortController().signal, isSwap = false, health }: Waiting = {}) {
  const startedAt = clock.monotonic();
  const asked: number[] = [];
  const state: { ready: boolean | undefined; at: number; seen?: ProbeResult } = { ready: undefined, at: 0 };
  const probe: Probe = async (_of, probing) => { asked.push(clock.monotonic() - startedAt); return script(clock.monotonic() - startedAt, probing); };
  const ended = waitUntilReady(OF, { probe, clock, readyTimeoutMs, isSwap, health, signal }).then((waited) => { Object.assign(state, waited, { at: clock.monotonic() - startedAt }); });
  return { asked, state, ended };
}

describe('waiting until an application is ready', () => {
  it.each([[200], [204], [302], [404], [401], [499], [101]])('ends at once with %d', async (status) => {
    const clock = createFakeClock();
    const { asked, state, ended } = waiting(clock, () => answer(status));
    await ended;
    expect([asked, state]).toEqual([[0], { ready: true, at: 0, seen: answer(status) }]);
  });

  it('ends with the first answer after silence', async () => {
    const clock = createFakeClock();
    const { state } = waiting(clock, (at) => (at < 1_000 ? silence : answer(200)));
    await clock.advance(1_100);
    expect(state.ready).toBe(true);
    expect(state.at).toBeLessThanOrEqual(1_045);
  });

  it.each([[500], [503]])('K15: takes %d for ready only after five seconds', async (status) => {
    const clock = createFakeClock();
    const { state } = waiting(clock, () => answer(status));
    await clock.advance(4_999);
    expect(state.ready).toBeUndefined();
    await clock.advance(260);
    expect(state.ready).toBe(true);
    expect(state.at).toBeGreaterThanOrEqual(5_000);
  });

  it('K15: ends with the first good answer after 5xx', async () => {
    const clock = createFakeClock();
    const { state } = waiting(clock, (at) => answer(at < 2_000 ? 503 : 200));
    await clock.advance(2_100);
    expect(state.ready).toBe(true);
  });

  it('asks often at first and never more rarely than each 250 ms', async () => {
    const clock = createFakeClock();
    const { asked } = waiting(clock, () => silence, { readyTimeoutMs: 20_000 });
    await clock.advance(20_000);
    const pauses = asked.slice(1).map((at, index) => Math.round((at - (asked[index] ?? 0)) * 1_000) / 1_000);
    expect(pauses.slice(0, 10)).toEqual(Array<number>(10).fill(5));
    expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
    expect(Math.max(...pauses)).toBe(250);
    const after = asked.findIndex((at) => at >= 1_000);
    expect(pauses[after]).toBeCloseTo((asked[after] ?? 0) * 0.04, 3);
  });

  it('K14: gives up when the time is over', async () => {
    const clock = createFakeClock();
    const { state } = waiting(clock, () => silence, { readyTimeoutMs: 3_000 });
    await clock.advance(2_990);
    expect(state.ready).toBeUndefined();
    await clock.advance(260);
    expect(state.ready).toBe(false);
    expect(clock.sleepers).toBe(0);
  });

  it('K14: gives up in time although a probe never ends, and ends the probe', async () => {
    const clock = createFakeClock();
    let probing: AbortSignal | undefined;
    const { state } = waiting(clock, (_at, signal) => { probing = signal; return new Promise(() => undefined); }, { readyTimeoutMs: 3_000 });
    await clock.advance(3_300);
    expect(state).toMatchObject({ ready: false });
    expect(probing?.aborted).toBe(true);
    expect(clock.sleepers).toBe(0);
  });

  it('ends as soon as the signal aborts', async () => {
    const clock = createFakeClock();
    const leaving = new AbortController();
    const { asked, state, ended } = waiting(clock, () => silence, { signal: leaving.signal });
    await clock.advance(500);
    leaving.abort();
    await ended;
    const before = asked.length;
    await clock.advance(5_000);
    expect([state, asked.length, clock.sleepers]).toEqual([{ ready: false, at: 500, seen: silence }, before, 0]);
  });

  it('K15: lets a slow first answer come while newer probes hang, and is ready with it', async () => {
    const clock = createFakeClock();
    const { asked, state } = waiting(clock, async (at, signal) => {
      if (at > 0) return new Promise(() => undefined);
      await clock.sleep(7_000, signal);
      return answer(200);
    });
    await clock.advance(6_900);
    expect([asked.length, state.ready]).toEqual([2, undefined]);
    await clock.advance(100);
    expect(state).toMatchObject({ ready: true, at: 7_000 });
    expect(clock.sleepers).toBe(0);
  });

  it('is ready by a newer probe although an older one still hangs', async () => {
    const clock = createFakeClock();
    const { state } = waiting(clock, (at) => (at === 0 ? new Promise(() => undefined) : answer(200)));
    await clock.advance(5_300);
    expect(state.ready).toBe(true);
    expect(state.at).toBeGreaterThanOrEqual(5_000);
  });
});

/** A raw server that does with each connection what it is told; asks it once. */
async function probeRaw(onConnection: (socket: Socket, request: string) => void, signal = new AbortController().signal): Promise<{ result: ProbeResult; requests: string[] }> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', (chunk) => { requests.push(chunk.toString()); onConnection(socket, chunk.toString()); });
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const target = { address: '127.0.0.1', port: (server.address() as AddressInfo).port };
  try {
    return { result: await probeTarget({ target, host: OF.host }, signal), requests };
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => { server.close(() => { resolve(); }); });
  }
}

describe('a probe', () => {
  it('asks GET / in the preview’s own name, on a connection of its own', async () => {
    const { result, requests } = await probeRaw((socket) => { socket.end('HTTP/1.1 204 No Content\r\n\r\n'); });
    expect(result).toEqual(answer(204));
    const [request = ''] = requests;
    expect(request).toMatch(/^GET \/ HTTP\/1\.1\r\n/);
    expect(request.toLowerCase()).toContain(`\r\nhost: ${OF.host}\r\n`);
    expect(request.toLowerCase()).toContain('\r\nconnection: close\r\n');
  });

  it.each([
    ['an answer whose body never ends', 'HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegin', answer(200)],
    ['an answer with an error', 'HTTP/1.1 503 Service Unavailable\r\n\r\n', answer(503)],
    ['hints in front of the answer', 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', answer(200)],
    ['an upgrade nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n', answer(101)],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n', silence],
    ['garbage', '\u0000\u0001\u0002\r\n\r\n', silence],
    ['half a header', 'HTTP/1.1 200', silence],
  ])('takes %s for what it is', async (_what, text, expected) => {
    const { result } = await probeRaw((socket) => { if (text.includes('1000000')) socket.write(text); else socket.end(text); });
    expect(result).toEqual(expected);
  });

  it('takes a connection that is closed or reset for silence', async () => {
    expect((await probeRaw((socket) => { socket.end(); })).result).toEqual(silence);
    expect((await probeRaw((socket) => { socket.resetAndDestroy(); })).result).toEqual(silence);
  });

  it('takes a port on which nobody listens for silence', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    const { port } = server.address() as AddressInfo;
    await new Promise<void>((resolve) => { server.close(() => { resolve(); }); });
    expect(await probeTarget({ target: { address: '127.0.0.1', port }, host: OF.host }, new AbortController().signal)).toEqual(silence);
  });

  it('K14: waits for one who accepts and never answers until it is ended', async () => {
    const leaving = new AbortController();
    const { result } = await probeRaw(() => { leaving.abort(); }, leaving.signal);
    expect(result).toEqual(silence);
  });
});
