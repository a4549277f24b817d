import type { HealthAnswer, ProjectAnswer } from '../../src/web/apps-api.js';
import { eventually } from '../support/eventually.js';
import { echo, gate, startTestApp, type TestAnswer, type TestApp, type TestAppOptions } from '../support/test-app.js';
import { until } from '../support/until.js';
import { startTwoProjects } from './several-projects.js';

const bearer = (app: TestApp) => ({ authorization: `Bearer ${app.token}` });
const post = (app: TestApp, path: string, body: object = {}) => app.control(path, { method: 'POST', headers: bearer(app), body: JSON.stringify(body) });
const asList = (answer: TestAnswer) => JSON.parse(answer.text) as Record<string, unknown>[];
const healthOf = async (app: TestApp, name = 'repository') => (await app.control(`/apps/${name}/health`)).json() as unknown as HealthAnswer;
const labelOf = (app: TestApp) => `hash-${app.repository.head('main')}`;
const containers = async (app: TestApp) => (await app.engine.list()).filter(({ running }) => running).map(({ id }) => id).sort();

/** Two previews of one commit that run. */
async function startBoth(options: TestAppOptions = {}): Promise<TestApp> {
  const app = await startTestApp(options);
  await app.open('branch=main');
  expect((await app.get('branch-main.localhost', '/')).status).toBe(200);
  return app;
}

describe('P10s: GET /apps/:name/health', () => {
  it('says what runs, and that it is good', async () => {
    await using app = await startTestApp();
    expect(await healthOf(app)).toEqual({ name: 'repository', status: 'ok', previews: [], stages: [] });
    await app.open('branch=main');
    expect(await healthOf(app)).toEqual({
      name: 'repository', status: 'ok', stages: [],
      previews: [{ label: labelOf(app), status: 'running', release: 'v1', url: `http://${labelOf(app)}.localhost:${app.port}/`, lastError: null, restarts: 0 }],
    });
  });

  it('answers 200 with what failed, while what was there before serves on', async () => {
    let builds = 0;
    await using app = await startTestApp({ builds: () => (++builds === 1 ? {} : { fail: 'no' }) });
    await app.get('branch-main.localhost', '/');
    app.repository.commit({ a: 'a' }, { branch: 'main' });
    await post(app, '/repo/update');
    const failing = await eventually(async () => { const health = await healthOf(app); return health.status === 'failing' && health; }, { what: 'the failure shows' });
    expect(failing.previews).toEqual([expect.objectContaining({ label: 'branch-main', status: 'running', release: 'v1', lastError: expect.objectContaining({ code: 'build_failed' }) as object })]);
    expect((await app.get('branch-main.localhost', '/')).status).toBe(200);
  });

  it('has the stages of the configuration, released or not', async () => {
    await using app = await startTestApp({ configure: (config) => ({ ...config, projects: config.projects.map((project) => ({ ...project, stages: new Map([['dev', { env: {} }], ['prod', { env: {} }]]) })) }) });
    expect((await post(app, '/api/projects/repository/publish', { branch: 'main' })).status).toBe(200);
    expect(await healthOf(app)).toMatchObject({ status: 'ok', previews: [], stages: [{ stage: 'dev', status: 'running', release: 'v1', lastError: null }, { stage: 'prod', release: null }] });
  });

  it('is no preview, whatever its parameters', async () => {
    await using app = await startTestApp();
    for (const query of ['branch=main', 'hash=abcd', 'branch=main&reset=1']) expect([query, (await app.control(`/apps/repository/health?${query}`)).json().name]).toEqual([query, 'repository']);
    expect((await app.control('/apps/repository/healthy?branch=main')).status).toBe(302);
    expect((await app.get('127.0.0.1', '/apps/repository/health')).json().name).toBe('repository');
  });
});

describe('P10s: POST /apps/:name/restart and /stop', () => {
  it('restarts all that runs and says how many', async () => {
    await using app = await startBoth();
    const before = await containers(app);
    expect([(await post(app, '/apps/repository/restart')).json(), before.length]).toEqual([{ count: 2 }, 2]);
    await eventually(async () => { const now = await containers(app); return now.length === 2 && now.every((id) => !before.includes(id)); }, { what: 'both are new' });
    expect((await app.get('branch-main.localhost', '/')).json().release).toBe(2);
    expect(app.engine.calls.build).toBe(1);
  });

  it('builds first when told to, and lets what runs serve until then', async () => {
    const second = gate();
    let builds = 0;
    await using app = await startBoth({ builds: () => (++builds === 1 ? {} : { until: second.opened }) });
    const before = await containers(app);
    const { image } = (await app.get('branch-main.localhost', '/')).json();
    expect((await post(app, '/apps/repository/restart', { invalidate: true, by: 'ada' })).json()).toEqual({ count: 2 });
    await until(() => builds === 2, 'it is built again');
    expect([await containers(app), (await app.get('branch-main.localhost', '/')).json().release, app.engine.builds.at(-1)?.noCache]).toEqual([before, 2, true]);
    second.open();
    await eventually(async () => { const now = await containers(app); return now.length === 2 && now.every((id) => !before.includes(id)); }, { what: 'both are new' });
    expect((await app.get('branch-main.localhost', '/')).json().image).not.toBe(image);
    expect(builds).toBe(2);
  });

  it('leaves what runs alone when that build fails', async () => {
    let builds = 0;
    await using app = await startBoth({ builds: () => (++builds === 1 ? {} : { fail: 'no' }) });
    const before = await containers(app);
    expect((await post(app, '/apps/repository/restart', { invalidate: true })).status).toBe(200);
    await eventually(() => app.log.recent().some(({ message }) => message === 'preview not restarted'), { what: 'the failure is logged' });
    expect(await containers(app)).toEqual(before);
  });

  it('stops all that runs, and the next visit starts it again', async () => {
    await using app = await startBoth();
    expect((await post(app, '/apps/repository/stop')).json()).toEqual({ count: 2 });
    expect(await containers(app)).toEqual([]);
    expect((await post(app, '/apps/repository/stop')).json()).toEqual({ count: 0 });
    expect((await app.get('branch-main.localhost', '/')).json().release).toBe(2);
    expect((await post(app, '/apps/repository/stop')).json()).toEqual({ count: 1 });
  });

  it('stops what starts in another one’s place as well', async () => {
    let starts = 0;
    await using app = await startTestApp({ program: (spec) => (++starts === 1 ? { serve: echo(spec) } : {}) });
    await app.get('branch-main.localhost', '/');
    await app.fetch(app.repository.commit({ b: 'b' }, { branch: 'main' }));
    await until(() => starts === 2, 'the next one starts');
    expect((await post(app, '/apps/repository/stop')).json()).toEqual({ count: 1 });
    expect(await containers(app)).toEqual([]);
  });

  it('restarts a stage from the image it has, and never stops one', async () => {
    await using app = await startTestApp({ configure: (config) => ({ ...config, projects: config.projects.map((project) => ({ ...project, stages: new Map([['dev', { env: {} }]]) })) }) });
    await post(app, '/api/projects/repository/publish', { branch: 'main' });
    await app.open('branch=main');
    const served = async () => (await app.get('dev.localhost', '/')).json();
    const [{ image, release }, before] = [await served(), await containers(app)];
    expect((await post(app, '/apps/repository/restart', { invalidate: true })).json()).toEqual({ count: 2 });
    await eventually(async () => { const now = await containers(app); return now.length === 2 && now.every((id) => !before.includes(id)); }, { what: 'both are new' });
    expect(await served()).toMatchObject({ image, release });
    expect((await post(app, '/apps/repository/stop')).json()).toEqual({ count: 1 });
    expect((await post(app, '/api/projects/repository/previews/dev/stop')).json()).toMatchObject({ error: 'invalid_request', message: expect.stringContaining('stages always run') as string });
    expect((await served()).release).toBe(release);
  });

  it('restarts a preview whose branch was deleted', async () => {
    await using app = await startBoth();
    app.repository.git('checkout', '--quiet', '-b', 'other');
    app.repository.git('branch', '-D', 'main');
    await post(app, '/repo/update', { ref: 'other' });
    expect((await post(app, '/apps/repository/restart')).json()).toEqual({ count: 2 });
    expect((await eventually(async () => { const now = await containers(app); return now.length === 2 && now; }, { what: 'both run' })).length).toBe(2);
  });

  it('leaves other projects alone, and knows none of another host', async () => {
    await using two = await startTwoProjects();
    const { app } = two;
    for (const host of ['shop.localhost', 'blog.localhost']) await app.get(host, '/api/wait?branch=main&timeout=20s');
    expect((await post(app, '/apps/shop/stop')).json()).toEqual({ count: 1 });
    expect((await healthOf(app, 'blog')).previews).toHaveLength(1);
    for (const [host, path] of [['blog.localhost', '/apps/shop/stop'], ['localhost', '/apps/shopp/stop'], ['localhost', '/apps/blogg/restart']] as const) {
      const answer = await app.get(host, path, { method: 'POST', headers: bearer(app) });
      expect([host, path, answer.status, answer.json().error]).toEqual([host, path, 404, 'unknown_project']);
    }
    expect((await app.control('/apps/shopp/health')).json()).toMatchObject({ error: 'unknown_project', projects: ['shop'] });
    expect(await containers(app)).toHaveLength(1);
  });

  it('401 without the token, 400 for a body that says something else', async () => {
    await using app = await startBoth();
    const before = await containers(app);
    for (const path of ['/apps/repository/restart', '/apps/repository/stop', `/api/projects/repository/previews/${labelOf(app)}/restart`, `/api/projects/repository/previews/${labelOf(app)}/stop`, '/api/projects/repository/builds']) {
      expect([path, (await app.control(path, { method: 'POST', body: '{}' })).status]).toEqual([path, 401]);
      expect([path, (await post(app, path, { invalid: true })).json().error]).toEqual([path, 'invalid_request']);
      expect([path, (await app.control(path, { method: 'PUT', headers: bearer(app) })).status]).toEqual([path, 405]);
    }
    expect(await containers(app)).toEqual(before);
  });
});

describe('P10s: POST /api/projects/:project/previews/:label/restart and /stop', () => {
  it('does it to one', async () => {
    await using app = await startBoth();
    const at = (label: string, verb: string) => post(app, `/api/projects/repository/previews/${label}/${verb}`);
    const before = await containers(app);
    expect((await at('branch-main', 'restart')).json()).toEqual({ count: 1 });
    await eventually(async () => { const now = await containers(app); return now.length === 2 && now.filter((id) => before.includes(id)).length === 1; }, { what: 'one is new' });
    expect((await at(labelOf(app), 'stop')).json()).toEqual({ count: 1 });
    expect((await at(labelOf(app), 'stop')).json()).toEqual({ count: 0 });
    expect((await healthOf(app)).previews.map(({ label }) => label)).toEqual(['branch-main']);
    expect((await at(labelOf(app), 'restart')).json()).toEqual({ count: 1 });
    await eventually(async () => (await containers(app)).length === 2, { what: 'it is opened' });
    for (const label of ['nothing', 'branch-nobody', 'run-x']) expect([label, (await at(label, 'stop')).status]).toEqual([label, 404]);
  });

  it('stops one that is starting', async () => {
    let starts = 0;
    await using app = await startTestApp({ program: (spec) => (++starts === 1 ? {} : { serve: echo(spec) }) });
    const opening = app.open('branch=main');
    await until(() => starts === 1, 'it starts');
    expect((await post(app, `/api/projects/repository/previews/${labelOf(app)}/stop`)).json()).toEqual({ count: 1 });
    expect((await opening).status).toBe(503);
    expect(await containers(app)).toEqual([]);
  });
});

describe('X1: /api/projects', () => {
  it('lists the projects of the host, without their repositories', async () => {
    await using two = await startTwoProjects();
    const { app, at } = two;
    await app.get('shop.localhost', '/api/wait?branch=main&timeout=20s');
    const list = async (host: string) => asList(await app.get(host, '/api/projects')) as unknown as ProjectAnswer[];
    expect(await list('localhost')).toEqual([{ name: 'shop', url: at('shop.localhost'), previewsRunning: 1, stages: [] }, { name: 'blog', url: at('blog.localhost'), previewsRunning: 0, stages: [] }]);
    expect((await list('blog.localhost')).map(({ name }) => name)).toEqual(['blog']);
  });

  it('builds a commit or what a branch is now, and starts nothing', async () => {
    await using app = await startTestApp();
    const build = (body: object) => post(app, '/api/projects/repository/builds', body);
    const first = await build({ commit: app.repository.head().slice(0, 8) });
    expect([first.status, first.json()]).toEqual([202, expect.objectContaining({ project: 'repository', commit: app.repository.head(), noCache: false })]);
    const tip = app.repository.commit({ a: 'a' }, { branch: 'main' });
    expect((await build({ branch: 'main' })).json()).toMatchObject({ commit: tip });
    await until(() => app.engine.calls.build === 2, 'both are built');
    const again = await eventually(async () => { const answer = (await build({ commit: tip })).json(); return answer.status === 'succeeded' && answer; }, { what: 'it is there' });
    const forced = (await build({ commit: tip, force: true, by: 'ci' })).json();
    expect([forced.key, forced.noCache, forced.id === again.id]).toEqual([again.key, true, false]);
    await eventually(async () => asList(await app.control('/api/projects/repository/builds')).every(({ status }) => status === 'succeeded'), { what: 'all are built' });
    expect([app.engine.calls.build, app.engine.calls.start, await app.engine.list()]).toEqual([3, 0, []]);
    expect(asList(await app.control('/api/projects/repository/builds')).map(({ id }) => id)).toEqual([forced.id, again.id, first.json().id]);
    for (const [body, status] of [[{}, 400], [{ commit: tip, branch: 'main' }, 400], [{ branch: 'nobody' }, 404], [{ commit: 'abcdef' }, 404], [{ force: 'yes' }, 400]] as const) expect([body, (await build(body)).status]).toEqual([body, status]);
    expect((await app.control('/api/projects/nobody/builds')).status).toBe(404);
  });
});
