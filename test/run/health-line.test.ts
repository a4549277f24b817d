import { createServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { parseHealthTest, type HealthCheck } from '../../src/domain/health.js';
import { probeTarget, waitUntilReady, type Probe, type ProbeResult } from '../../src/run/probe.js';
import { createFakeClock } from '../support/fake-clock.js';
import { PLACEMENT, startInstances } from './started-instances.js';

const OF = { target: { address: '127.0.0.1', port: 1 }, host: 'branch-main.localhost:3000' };
const NEVER = new AbortController().signal;
const answer = (status: number): ProbeResult => ({ kind: 'answer', status });
const connection: ProbeResult = { kind: 'connection' };
const silence: ProbeResult = { kind: 'silence' };

function checkOf(line: string, times: Partial<HealthCheck> = {}): HealthCheck {
  const test = parseHealthTest(line);
  if (!test) throw new Error(`not a health line: ${line}`);
  return { test, everyMs: 10_000, timeoutMs: 5_000, unhealthyMs: 30_000, ...times };
}

/** Waits 30 s at most with a probe that always gives the same. @returns how it ended, and after how many milliseconds */
async function wait(result: ProbeResult, { health, isSwap = false }: { health?: HealthCheck; isSwap?: boolean }) {
  const clock = createFakeClock();
  const asked: unknown[] = [];
  const probe: Probe = async ({ test }) => { asked.push(test); return result; };
  const waited = waitUntilReady(OF, { probe, clock, readyTimeoutMs: 30_000, health, isSwap, signal: NEVER }).then((ended) => ({ ...ended, at: clock.monotonic() }));
  await clock.advance(31_000);
  return { ...await waited, asked };
}

describe('P8: being ready by a health line', () => {
  it('is exactly the status that the line names, asked by its method at its path', async () => {
    const health = checkOf('GET /healthz 200');
    expect(await wait(answer(200), { health })).toMatchObject({ ready: true, at: 0, asked: [health.test] });
    for (const status of [201, 204, 302, 404, 500, 101]) expect(await wait(answer(status), { health })).toMatchObject({ ready: false, seen: answer(status) });
    expect(await wait(answer(503), { health: checkOf('GET /teapot 503') })).toMatchObject({ ready: true, at: 0 });
  });

  it('is a connection for tcp, and nothing else is', async () => {
    expect(await wait(connection, { health: checkOf('tcp') })).toMatchObject({ ready: true, at: 0 });
    expect(await wait(silence, { health: checkOf('tcp') })).toMatchObject({ ready: false, seen: silence });
    expect(await wait(connection, { health: checkOf('GET / 200') })).toMatchObject({ ready: false });
  });

  it('is never an answer that took longer than the line’s timeout', async () => {
    const clock = createFakeClock();
    let asked = 0;
    const probe: Probe = async (_of, signal) => { asked += 1; await clock.sleep(2_000, signal); return answer(200); };
    const waited = waitUntilReady(OF, { probe, clock, readyTimeoutMs: 10_000, health: checkOf('GET / 200', { timeoutMs: 1_000 }), isSwap: false, signal: NEVER });
    await clock.advance(11_000);
    expect(await waited).toEqual({ ready: false, seen: silence });
    expect(asked).toBeGreaterThan(5);
    expect(clock.sleepers).toBe(0);
  });
});

describe('P7: being ready without a health line', () => {
  it('is a 5xx after five seconds for the first release, and never for one that is to take another’s place', async () => {
    expect(await wait(answer(500), {})).toMatchObject({ ready: true });
    expect(await wait(answer(500), { isSwap: true })).toMatchObject({ ready: false, seen: answer(500) });
    expect(await wait(answer(404), { isSwap: true })).toMatchObject({ ready: true, at: 0 });
  });

  it('is not believed of one that answers 500 once and then nothing', async () => {
    const clock = createFakeClock();
    let first = true;
    const probe: Probe = async () => { const result = first ? answer(500) : silence; first = false; return result; };
    const waited = waitUntilReady(OF, { probe, clock, readyTimeoutMs: 10_000, isSwap: false, signal: NEVER });
    await clock.advance(11_000);
    expect(await waited).toEqual({ ready: false, seen: answer(500) });
  });
});

describe('P7: a release that does not get healthy in time', () => {
  it.each<[string, { readonly result: ProbeResult; readonly line?: string }, string]>([
    ['says what its health line got', { result: answer(500), line: 'GET /healthz 200' }, 'Release v1: not healthy after 30 s: GET /healthz 500.'],
    ['says what GET / got where it was to take another one’s place', { result: answer(502) }, 'Release v1: not healthy after 30 s: GET / 502.'],
    ['says that nothing answered where it listens', { result: silence, line: 'GET /healthz 200' }, 'It listens on port 3000 but did not answer GET /healthz within 30 s.'],
  ])('%s', async (_what, { result, line }, message) => {
    await using house = await startInstances({ probe: async () => result, program: () => ({ lines: ['hello'], listens: [{ port: 3000, loopbackOnly: false }] }) });
    const release = house.release({ readyTimeoutMs: 30_000, ...(line === undefined ? {} : { health: checkOf(line) }) });
    const wanted = house.instances.ensure(release, { ...PLACEMENT, isSwap: true });
    wanted.catch(() => undefined);
    await house.clock.advance(35_300);
    await expect(wanted).rejects.toMatchObject({ code: 'start_timeout', status: 504, message, details: { lastLines: ['hello'] } });
    expect(await house.engine.list()).toEqual([]);
  });
});

/** A server on a free port, asked once by a line. */
async function ask(server: Server, line: string): Promise<ProbeResult> {
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const target = { address: '127.0.0.1', port: (server.address() as AddressInfo).port };
  try {
    return await probeTarget({ target, host: OF.host, test: parseHealthTest(line) }, NEVER);
  } finally {
    await new Promise<void>((resolve) => { server.close(() => { resolve(); }); });
  }
}

describe('P8: a probe by a health line', () => {
  it.each([['GET /healthz?deep=1 200', 'GET'], ['HEAD /healthz?deep=1 204', 'HEAD']])('asks as %s says', async (line, method) => {
    const asked: unknown[] = [];
    const result = await ask(createServer((req, res) => { asked.push([req.method, req.url, req.headers.host]); res.writeHead(204).end(); }), line);
    expect([result, asked]).toEqual([answer(204), [[method, '/healthz?deep=1', OF.host]]]);
  });

  it('tcp: takes a connection for enough, and sends nothing', async () => {
    const received: string[] = [];
    const result = await ask(createTcpServer((socket) => { socket.on('data', (chunk) => { received.push(String(chunk)); }); socket.on('error', () => undefined); }), 'tcp');
    expect([result, received]).toEqual([connection, []]);
  });

  it('tcp: takes a port on which nobody listens for silence', async () => {
    const server = createTcpServer();
    await ask(server, 'tcp');
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    const { port } = server.address() as AddressInfo;
    await new Promise<void>((resolve) => { server.close(() => { resolve(); }); });
    expect(await probeTarget({ target: { address: '127.0.0.1', port }, host: OF.host, test: { kind: 'tcp' } }, NEVER)).toEqual(silence);
    expect(await probeTarget({ target: { address: '127.0.0.1', port }, host: OF.host, test: { kind: 'tcp' } }, AbortSignal.abort())).toEqual(silence);
  });
});
