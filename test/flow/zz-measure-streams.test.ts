import { request } from 'node:http';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { startTestApp, type TestApp } from '../support/test-app.js';

const MANY = 300;
function stream(app: TestApp, host: string, n: number): Promise<{ state: Promise<void>; end: () => void }> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', localAddress: `127.0.0.${2 + (n % 8)}`, port: app.port, path: '/__slipway/events', agent: false, setHost: false, headers: { host: `${host}:${app.port}`, accept: 'text/event-stream' } }, (answer) => {
      const state = new Promise<void>((done) => { answer.on('data', (chunk) => { if (String(chunk).includes('event: state')) done(); }); });
      answer.on('error', () => undefined);
      resolve({ state, end: () => { asked.destroy(); } });
    });
    asked.on('error', reject);
    asked.end();
  });
}
async function timed(work: () => Promise<unknown>) { const at = performance.now(); await work(); return Math.round(performance.now() - at); }
const out: string[] = [];
async function phase(app: TestApp, name: string, work: () => Promise<unknown>) {
  const delay = monitorEventLoopDelay({ resolution: 5 }); delay.enable();
  const cpu = process.cpuUsage();
  let over = false;
  const health: number[] = [];
  const probing = (async () => { while (!over) { health.push(await timed(() => app.control('/healthz'))); await new Promise((r) => setTimeout(r, 20)); } })();
  await new Promise((r) => setTimeout(r, 50));
  const took = await timed(work);
  over = true; await probing; delay.disable();
  const used = process.cpuUsage(cpu);
  out.push(`${name}: took ${took} ms, cpu ${Math.round((used.user + used.system) / 1000)} ms, healthz worst ${Math.max(...health)} ms, loop delay max ${Math.round(delay.max / 1e6)} ms p99 ${Math.round(delay.percentile(99) / 1e6)} ms`);
}
describe('measure', () => {
  it('measures', async () => {
    await using app = await startTestApp({ prepare: (r) => { for (const name of ['b', 'c', 'd']) r.commit({ [name]: name }, { branch: name }); } });
    const host = app.commitHost(app.repository.head('main'));
    await app.open('branch=main');
    await app.open('branch=d');
    const streams: Awaited<ReturnType<typeof stream>>[] = [];
    await phase(app, `open ${MANY} streams`, async () => { streams.push(...await Promise.all(Array.from({ length: MANY }, (_, n) => stream(app, host, n)))); await Promise.all(streams.map(({ state }) => state)); });
    await new Promise((r) => setTimeout(r, 1500));
    await phase(app, 'build of another branch', async () => { await app.open('branch=b'); await new Promise((r) => setTimeout(r, 300)); });
    for (const { end } of streams) end();
    await phase(app, '1000 × state', () => Promise.all(Array.from({ length: 1000 }, () => app.get(host, '/__slipway/state'))));
    await phase(app, '1000 × passive page of what does not run', () => Promise.all(Array.from({ length: 1000 }, () => app.get(app.commitHost(app.repository.head('c')), '/', { headers: { 'sec-purpose': 'prefetch' } }))));
    await phase(app, '1000 × healthz', () => Promise.all(Array.from({ length: 1000 }, () => app.control('/healthz'))));
    process.stderr.write(`\n${out.join('\n')}\n`);
    expect(out.length).toBe(5);
  }, 170_000);
});
