import type { RequestListener } from 'node:http';
import type { Config } from '../../src/config.js';
import type { HealthCheck } from '../../src/domain/health.js';
import type { RunConfig } from '../../src/domain/release.js';
import type { ContainerSpec } from '../../src/engine/port.js';
import { eventually } from '../support/eventually.js';
import { gate, NAVIGATION, startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';

const NEVER_MS = 24 * 3_600_000;
const HEALTH: HealthCheck = { test: { kind: 'http', method: 'GET', path: '/healthz', status: 200 }, everyMs: 20, timeoutMs: 10_000, unhealthyMs: NEVER_MS };

interface Application {
  /** What `/healthz` of the nth container that was started answers, counted from 1. */
  answer: (start: number, spec: ContainerSpec) => number;
  starts: number;
}

/** An application that says of itself how it is, and its server. */
async function startHealthApp({ health = {}, run = {}, slow, ...options }: { health?: Partial<HealthCheck>; run?: Partial<RunConfig>; slow?: Promise<void> } & TestAppOptions = {}) {
  const application: Application = { answer: () => 200, starts: 0 };
  const program = (spec: ContainerSpec) => {
    const start = (application.starts += 1);
    const serve: RequestListener = (req, res) => {
      res.statusCode = req.url === '/healthz' ? application.answer(start, spec) : 200;
      const answer = () => { res.end(`start ${start} of v${spec.release}`); };
      if (req.url === '/slow') void slow?.then(answer);
      else answer();
    };
    return { serve };
  };
  const withHealth = (config: Config): Config => ({ ...config, projects: config.projects.map((project) => ({ ...project, run: { ...project.run, ...run, health: { ...HEALTH, ...health } } })) });
  const app = await startTestApp({ program, configure: withHealth, ...options });
  return { app, application, host: app.commitHost(app.repository.head()), [Symbol.asyncDispose]: app[Symbol.asyncDispose] };
}

const statusOf = async (app: TestApp) => (await app.control('/api/status?branch=main')).json();
const becomes = (app: TestApp, wanted: object, what: string) => eventually(async () => {
  const status = await statusOf(app);
  return Object.entries(wanted).every(([key, value]) => JSON.stringify(status[key]) === JSON.stringify(value)) && status;
}, { what });
/** What the list of all previews says of the branch `main`. */
const routeOf = async (app: TestApp) => (JSON.parse((await app.control('/status')).text) as Record<string, unknown>[]).find(({ label }) => label === 'branch-main') ?? {};
const codeOf = (status: Record<string, unknown>) => (status.lastError as { code: string } | null)?.code;

describe('P8: a running release that is not healthy', () => {
  it('runs on and says so, and says nothing once it is good again', async () => {
    await using house = await startHealthApp();
    const { app, application, host } = house;
    await app.get(host, '/');
    expect(await statusOf(app)).toMatchObject({ status: 'running', lastError: null, restarts: 0 });
    application.answer = () => 503;
    const sick = await eventually(async () => { const status = await statusOf(app); return codeOf(status) !== undefined && status; }, { what: 'the failure is said' });
    expect(sick).toMatchObject({ status: 'running', restarts: 0, lastError: { code: 'unhealthy', message: 'Release v1: not healthy: GET /healthz 503.' } });
    expect((await app.get(host, '/')).text).toBe('start 1 of v1');
    application.answer = () => 200;
    await becomes(app, { lastError: null, status: 'running' }, 'nothing is said any more');
    expect([application.starts, (await statusOf(app)).restarts]).toEqual([1, 0]);
  });

  it('is started anew when it stays so, which is counted, while requests wait', async () => {
    await using house = await startHealthApp({ health: { unhealthyMs: 200 } });
    const { app, application, host } = house;
    await app.get(host, '/');
    const traffic = { isOver: false };
    const answers: string[] = [];
    const visitor = (async () => { while (!traffic.isOver) { const { status, text } = await app.get(host, '/', { headers: { accept: '*/*' } }); answers.push(`${status} ${text}`); } })();
    application.answer = (start) => (start === 1 ? 500 : 200);
    await becomes(app, { restarts: 1, status: 'running', lastError: null }, 'it is started anew');
    await eventually(() => answers.includes('200 start 2 of v1'), { what: 'the new one answers' });
    traffic.isOver = true;
    await visitor;
    expect(new Set(answers)).toEqual(new Set(['200 start 1 of v1', '200 start 2 of v1']));
    expect(app.log.recent().find(({ message }) => message === 'unhealthy instance is started anew')?.fields).toMatchObject({ release: 1, reason: expect.stringMatching(/^Release v1: not healthy for \d+ s: GET \/healthz 500\.$/) as string });
  });

  it('holds a request that comes while it is stopped, and says why it is', async () => {
    await using house = await startHealthApp({ health: { unhealthyMs: 60 } });
    const { app, application, host } = house;
    await app.get(host, '/');
    const letThrough = app.engine.hold('stop');
    application.answer = (start) => (start === 1 ? 500 : 200);
    expect(codeOf(await becomes(app, { status: 'stopping' }, 'it is stopped'))).toBe('unhealthy');
    const held = app.get(host, '/');
    await app.control('/healthz');
    letThrough();
    expect(await held).toMatchObject({ status: 200, text: 'start 2 of v1' });
  });

  it('is started ten times in ten minutes at most, and then visitors hear why', async () => {
    await using house = await startHealthApp({ health: { everyMs: 10, unhealthyMs: 20 } });
    const { app, application, host } = house;
    // Good for its readiness, and never again.
    const asked = new Map<number, number>();
    application.answer = (start) => { asked.set(start, (asked.get(start) ?? 0) + 1); return asked.get(start) === 1 ? 200 : 500; };
    await app.get(host, '/');
    await eventually(async () => codeOf(await statusOf(app)) === 'unhealthy' && (await statusOf(app)).status === 'error', { what: 'it is given up' });
    expect([application.starts, (await statusOf(app)).restarts]).toEqual([10, 9]);
    const page = await app.get(host, '/', { headers: NAVIGATION });
    expect([page.status, page.text.includes('The application is not healthy')]).toEqual([502, true]);
    expect(application.starts).toBe(10);
  });

  it('is looked at also after the server was started again', async () => {
    await using house = await startHealthApp();
    const { app, application, host } = house;
    await app.get(host, '/');
    await app.restart();
    expect(await statusOf(app)).toMatchObject({ status: 'running', lastError: null });
    application.answer = () => 500;
    await eventually(async () => codeOf(await statusOf(app)) === 'unhealthy', { what: 'the failure is said' });
    // It is not healthy, but it answers: a server that starts again takes it over, and looks.
    await app.restart();
    await eventually(async () => codeOf(await statusOf(app)) === 'unhealthy', { what: 'the failure is said again' });
    expect(application.starts).toBe(1);
  });

  it('is left to end what it was asked once another release has taken its place', async () => {
    const { opened, open } = gate();
    await using house = await startHealthApp({ health: { unhealthyMs: 60 }, slow: opened });
    const { app, application } = house;
    await app.get('branch-main.localhost', '/');
    const slow = app.get('branch-main.localhost', '/slow');
    await app.fetch(app.repository.commit({ 'next.txt': 'v2' }));
    await eventually(async () => (await app.get('branch-main.localhost', '/')).text.endsWith('of v2'), { what: 'the new release serves' });
    let looks = 0;
    application.answer = (_start, { release }) => { if (release === 1) looks += 1; return release === 1 ? 500 : 200; };
    await eventually(() => looks >= 10, { what: 'the old one is looked at' });
    open();
    expect(await slow).toMatchObject({ status: 200, text: 'start 1 of v1' });
    expect(codeOf(await routeOf(app))).toBeUndefined();
  });

  it('does not keep the server from ending', async () => {
    await using house = await startHealthApp({ health: { unhealthyMs: 60 } });
    const { app, application, host } = house;
    await app.get(host, '/');
    const letThrough = app.engine.hold('start');
    application.answer = () => 500;
    await eventually(() => app.engine.calls.start === 2, { what: 'it is started anew' });
    const stopped = app.stop();
    letThrough();
    await stopped;
    expect(await app.engine.list()).toEqual([]);
  });
});

describe('P7: a commit that does not get healthy', () => {
  const open = async (app: TestApp) => { await app.get('branch-main.localhost', '/'); };

  it('is tried twice; the old release serves every request and goes on, with the reason on the route', async () => {
    await using house = await startHealthApp({ run: { readyTimeoutMs: 400 } });
    const { app, application } = house;
    await open(app);
    application.answer = (_start, { release }) => (release === 1 ? 200 : 500);
    await app.fetch(app.repository.commit({ 'next.txt': 'v2' }));
    const texts: string[] = [];
    const shown = await eventually(async () => {
      texts.push((await app.get('branch-main.localhost', '/')).text);
      const route = await routeOf(app);
      return codeOf(route) !== undefined && route;
    }, { what: 'the new release is refused' });
    expect(shown).toMatchObject({ status: 'running', release: 'v1', lastError: { code: 'start_timeout', message: 'Release v2: not healthy after 0.4 s: GET /healthz 500.' } });
    expect(new Set(texts)).toEqual(new Set(['start 1 of v1']));
    expect(application.starts).toBe(3);
    expect((await app.engine.list()).map(({ release }) => release)).toEqual([1]);
  });

  it('is what its route says again once the old release, which failed meanwhile, is good', async () => {
    await using house = await startHealthApp({ run: { readyTimeoutMs: 100 } });
    const { app, application } = house;
    await open(app);
    let isSick = false;
    application.answer = (_start, { release }) => (release === 1 && !isSick ? 200 : 500);
    await app.fetch(app.repository.commit({ 'next.txt': 'v2' }));
    await eventually(async () => codeOf(await routeOf(app)) === 'start_timeout', { what: 'the new release is refused' });
    isSick = true;
    await eventually(async () => codeOf(await routeOf(app)) === 'unhealthy', { what: 'the old one is not healthy' });
    isSick = false;
    await eventually(async () => codeOf(await routeOf(app)) === 'start_timeout', { what: 'the reason is said again' });
  });
});
