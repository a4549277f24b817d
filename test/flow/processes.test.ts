import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../src/config.js';
import type { EngineContainer } from '../../src/engine/port.js';
import type { RunConfig } from '../../src/domain/release.js';
import { eventually } from '../support/eventually.js';
import { echo, NAVIGATION, startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';

const MAIN = 'branch-main.localhost';
const PROCESSES = { worker: ['node', 'worker.mjs'] };

/** A server whose only project has a worker. */
const startWithWorker = (options: TestAppOptions = {}, run: Partial<RunConfig> = { processes: PROCESSES }) => startTestApp({
  program: (spec) => (spec.process === null ? { serve: echo(spec) } : { lines: [`${spec.process} of v${spec.release} works`] }),
  configure: (config: Config) => ({ ...config, projects: config.projects.map((project) => ({ ...project, run: { ...project.run, ...run } })) }),
  ...options,
});

/** What the engine has: `v1 web`, `v1 worker`. */
const listed = async ({ engine }: TestApp) => (await engine.list()).map(({ release, process }) => `v${release} ${process ?? 'web'}`).sort();
async function containerOf({ engine }: TestApp, wanted: string | null): Promise<EngineContainer> {
  const found = (await engine.list()).find(({ process }) => process === wanted);
  if (!found) throw new Error(`${wanted ?? 'web'} does not run`);
  return found;
}
const logOf = ({ stateDir }: TestApp, name: string) => readFileSync(join(stateDir, 'logs', 'releases', name), 'utf8');
const visit = async (app: TestApp) => (await app.get(MAIN, '/')).json();

describe('X4p: a set of processes', () => {
  it('starts with a visit, and web alone answers it', async () => {
    await using app = await startWithWorker();
    expect(await visit(app)).toMatchObject({ release: 1 });
    expect(await listed(app)).toEqual(['v1 web', 'v1 worker']);
    expect(app.engine.calls.start).toBe(2);
  });

  it('is swapped together: the old one serves until the new one is ready, and goes with all it has', async () => {
    await using app = await startWithWorker();
    await visit(app);
    await app.fetch(app.repository.commit({ next: 'v2' }));
    await eventually(async () => (await visit(app)).release === 2, { what: 'the new release serves' });
    await eventually(async () => (await listed(app)).join() === 'v2 web,v2 worker', { what: 'the old set is gone' });
    expect(logOf(app, 'repository-v1.worker.log')).toContain('worker of v1 works');
  });

  it('has a log of each: while it runs, once it is gone, and linked from the preview’s page', async () => {
    await using app = await startWithWorker();
    await visit(app);
    const log = (query: string) => app.control(`/api/previews/branch-main/log${query}`);
    app.engine.print((await containerOf(app, 'worker')).id, 'step 1');
    app.engine.print((await containerOf(app, null)).id, 'served');
    expect((await log('?process=worker')).text).toMatch(/^\S+ worker of v1 works\n\S+ step 1\n$/);
    expect((await log('')).text).toMatch(/^\S+ served\n$/);
    expect((await log('?process=web')).text).toMatch(/^\S+ served\n$/);
    expect(await log('?process=cron')).toMatchObject({ status: 400, text: expect.stringContaining('The release has no process “cron”; there is web, worker.') as string });
    expect((await app.control('/previews/branch-main', { headers: NAVIGATION })).text).toContain('<a href="/api/previews/branch-main/log?process=worker">worker</a>');
    await app.engine.remove((await containerOf(app, null)).id);
    await eventually(async () => (await listed(app)).length === 0, { what: 'it is gone' });
    expect((await log('?process=worker')).text).toContain('step 1');
  });

  it('is taken over together by a server that starts again', async () => {
    await using app = await startWithWorker();
    await visit(app);
    const before = (await app.engine.list()).map(({ id }) => id);
    await app.restart();
    expect(await visit(app)).toMatchObject({ release: 1 });
    expect([(await app.engine.list()).map(({ id }) => id), app.engine.calls.start]).toEqual([before, 2]);
    // What was taken over is one set: the end of its worker is the end of it.
    app.engine.exit((await containerOf(app, 'worker')).id, 1);
    await eventually(async () => (await listed(app)).length === 0, { what: 'the whole set is gone' });
    expect((await app.control('/status')).text).toContain('Its process worker exited with code 1.');
  });

  it.each<[string, (app: TestApp) => Promise<void>]>([
    ['whose worker ended', async (app) => { app.engine.exit((await containerOf(app, 'worker')).id, 1); }],
    ['whose worker was removed', async (app) => app.engine.remove((await containerOf(app, 'worker')).id)],
    ['whose web was removed', async (app) => app.engine.remove((await containerOf(app, null)).id)],
  ])('%s while the server was away is removed, and the next visit starts it anew', async (_what, break_) => {
    await using app = await startWithWorker();
    await visit(app);
    await app.stop();
    await break_(app);
    await app.start();
    expect(await listed(app)).toEqual([]);
    expect(await visit(app)).toMatchObject({ release: 1 });
    expect([await listed(app), app.engine.calls.start]).toEqual([['v1 web', 'v1 worker'], 4]);
  });

  it('that lost a worker without a word is given up when what runs is compared with what there is', async () => {
    await using app = await startWithWorker();
    await visit(app);
    app.engine.cutEvents();
    await app.engine.remove((await containerOf(app, 'worker')).id);
    app.engine.mendEvents();
    await eventually(async () => (await listed(app)).length === 0, { what: 'the rest of it is gone' });
    expect(await visit(app)).toMatchObject({ release: 1 });
  });

  it('that was made of a release without processes is not taken over with one too many', async () => {
    await using app = await startWithWorker({}, {});
    await visit(app);
    await app.stop();
    const { project, image, commit, build, release } = await containerOf(app, null);
    await app.engine.start({
      project, image, commit, build, release, environment: null, process: 'stray', command: ['stray'], env: {}, port: 3000, memoryBytes: 1, cpus: 1, pids: 1, profile: 'compat', stopTimeoutMs: 1,
    });
    await app.start();
    expect(await listed(app)).toEqual([]);
  });
});

it('P8: an application that speaks no HTTP is taken over by a server that starts again, by its tcp line', async () => {
  await using app = await startWithWorker({ program: () => ({ serve: (req) => { req.socket.destroy(); } }) }, { health: { test: { kind: 'tcp' }, everyMs: 60_000, timeoutMs: 5_000, unhealthyMs: 60_000 } });
  await app.open('branch=main');
  const before = await app.engine.list();
  expect(before).toHaveLength(1);
  await app.restart();
  expect(await app.engine.list()).toEqual(before);
});

it.each([['breaks every connection', [] as string[]], ['is only slow', ['v1 web']]])('K5: of applications that ran when the server was started again, one that %s leaves %j', async (what, left) => {
  let isOdd = false;
  await using app = await startWithWorker({
    program: () => ({ serve: (req, res) => { if (!isOdd) res.end('well'); else if (what !== 'is only slow') req.socket.destroy(); } }),
  }, {});
  await app.open('branch=main');
  isOdd = true;
  await app.restart();
  expect(await listed(app)).toEqual(left);
});
