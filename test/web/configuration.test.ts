import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually.js';
import { startStagedApp, type StagedApp } from '../support/staged-app.js';
import { echo, gate, TOKEN } from '../support/test-app.js';
import { until } from '../support/until.js';

const SECRET = 's3cr3t-of-the-shop';
const newest = async ({ control, project, token }: StagedApp, stage = 'dev') =>
  (JSON.parse((await control(`/api/projects/${project}/releases?stage=${stage}`, { headers: { authorization: `Bearer ${token}` } })).text) as { id: string; image: string; reason: string; config: { env: object } }[])[0];
const set = (app: StagedApp, set: object, scope = '?stage=dev') => app.post(`config${scope}`, { set });
const settings = async (app: StagedApp, scope = '') => (await app.control(`/api/projects/${app.project}/config${scope}`, { headers: { authorization: `Bearer ${TOKEN}` } })).json().settings as { name: string; value: string | null; digest: string | null }[];
const recorded = (app: StagedApp) => until(() => app.log.recent().some(({ message }) => message === 'configuration changed'), 'the change is recorded');

describe('configuration of a stage', () => {
  it('X9: a changed variable is a new release of the same image, which takes over', async () => {
    await using app = await startStagedApp();
    const { id } = await app.run('a');
    const before = await newest(app);
    const changed = await set(app, { API: 'https://x' });
    expect(changed.json()).toMatchObject({ changed: true, scope: 'stage:dev', releases: [{ route: 'dev', error: null }] });
    const after = await newest(app);
    expect(after).toMatchObject({ id: changed.json().release, reason: 'config', image: before?.image, parent: id, config: { env: { API: 'https://x' } } });
    expect((await app.shown()).env).toMatchObject({ API: 'https://x', SLIPWAY_RELEASE: changed.json().release });
    expect(app.engine.builds).toHaveLength(1);
  });

  it('X9n: the same value again changes nothing', async () => {
    await using app = await startStagedApp();
    await app.run('a');
    const first = await set(app, { API: 'https://x' });
    const again = await set(app, { API: 'https://x' });
    expect(again.json()).toMatchObject({ changed: false, release: first.json().release, releases: [] });
    expect((await app.post('config?stage=dev', { unset: ['NOBODY'] })).json()).toMatchObject({ changed: false });
    expect((await newest(app))?.id).toBe(first.json().release);
  });

  it('comes after the file, and that of the stage after that of the project', async () => {
    await using app = await startStagedApp();
    await app.run('a', 'test');
    expect((await app.shown('test')).env).toMatchObject({ API: 'https://api.test' });
    await set(app, { API: 'of the project', OTHER: '1' }, '');
    expect((await app.shown('test')).env).toMatchObject({ API: 'of the project', OTHER: '1' });
    await set(app, { API: 'of the stage' }, '?stage=test');
    expect((await app.shown('test')).env).toMatchObject({ API: 'of the stage', OTHER: '1' });
    await app.post('config?stage=test', { unset: ['API'] });
    await app.post('config', { unset: ['API'] });
    expect((await app.shown('test')).env).toMatchObject({ API: 'https://api.test', OTHER: '1' });
  });

  it('X9c: another file at the next start is a new release on the same image for stages and branches that run; the rows stay as they were', async () => {
    let colour = 'red';
    await using app = await startStagedApp({ change: (project) => ({ ...project, run: { ...project.run, env: { COLOUR: colour } } }) });
    await app.run('a');
    const branch = async () => (await app.get('branch-main.localhost', '/')).json();
    const commit = app.repository.head();
    await branch();
    const rows = await app.read<object[]>('releases');
    colour = 'blue';
    await app.restart();
    await eventually(async () => (await app.shown()).env, { what: 'the stage has it' });
    for (const shown of [app.shown, branch]) await eventually(async () => ((await shown()).env as Record<string, string>).COLOUR === 'blue', { what: 'it runs with the new configuration' });
    expect((await app.get(app.commitHost(commit), '/')).json().env).toMatchObject({ COLOUR: 'red' });
    const now = await app.read<{ reason: string; image: string }[]>('releases');
    expect(now.slice(-rows.length)).toEqual(rows);
    expect(now.slice(0, -rows.length).map(({ reason }) => reason)).toEqual(['config', 'config']);
    expect(app.engine.builds).toHaveLength(1);
  });
});

describe('configuration of a branch', () => {
  it.each([['at its first start', false], ['at a later one', true]])('X9: that changes while it starts, %s, is taken up', async (_when, isLater) => {
    const { opened, open } = gate();
    let isSlow = !isLater;
    let starts = 0;
    await using app = await startStagedApp({ program: (spec) => ({ serve: (req, res) => { starts += 1; if (isSlow) void opened.then(() => { echo(spec)(req, res); }); else echo(spec)(req, res); } }) });
    const branch = async () => (await app.get('branch-main.localhost', '/')).json();
    if (isLater) {
      await branch();
      for (const { id } of await app.engine.list()) await app.engine.remove(id);
      await until(async () => (await app.control('/api/status?branch=main')).json().status === 'stopped', 'it is gone');
    }
    [isSlow, starts] = [true, 0];
    const visit = branch();
    await until(() => starts > 0, 'it starts');
    const change = app.post('config', { set: { COLOUR: 'blue' } });
    await recorded(app);
    open();
    expect((await change).json()).toMatchObject({ changed: true });
    await visit;
    expect((await branch()).env).toMatchObject({ COLOUR: 'blue' });
  });

  it('X9: that changes to what it does not start with while it starts leaves it as it was', async () => {
    const { opened, open } = gate();
    let starts = 0;
    await using app = await startStagedApp({ program: (spec) => (spec.env.COLOUR === 'blue' ? { exits: { code: 3 } } : { serve: (req, res) => { starts += 1; void opened.then(() => { echo(spec)(req, res); }); } }) });
    const visit = app.get('branch-main.localhost', '/');
    await until(() => starts > 0, 'it starts');
    const change = app.post('config', { set: { COLOUR: 'blue' } });
    await recorded(app);
    open();
    await change;
    expect((await visit).status).toBe(200);
    expect((await app.get('branch-main.localhost', '/__slipway/state')).json()).toMatchObject({ state: 'running' });
    expect(app.log.recent().find(({ message }) => message === 'instance not started')?.fields).toMatchObject({ release: 2, code: 'crashed' });
  });
});

describe('secrets', () => {
  it('X12: reach the application and nothing else', async () => {
    await using app = await startStagedApp();
    await app.run('a');
    const changed = await app.post('config?stage=dev', { secrets: { TOKEN: SECRET } });
    expect((await app.shown()).env).toMatchObject({ TOKEN: SECRET });
    expect(await settings(app, '?stage=dev')).toEqual([expect.objectContaining({ name: 'TOKEN', value: null, digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string })]);
    for (const path of ['status', 'debug', 'log', `api/projects/${app.project}/releases`, `api/projects/${app.project}/stages`, 'api/builds']) {
      expect((await app.control(`/${path}`)).text).not.toContain(SECRET);
    }
    expect(changed.text).not.toContain(SECRET);
    expect(JSON.stringify(app.log.recent())).not.toContain(SECRET);
    expect(app.engine.builds.flatMap(({ args }) => Object.values(args))).not.toContain(SECRET);
    await app.stop();
    for (const name of readdirSync(app.stateDir, { recursive: true, encoding: 'utf8' })) {
      if (statSync(join(app.stateDir, name)).isFile()) expect([name, readFileSync(join(app.stateDir, name)).includes(SECRET)]).toEqual([name, false]);
    }
    expect(statSync(join(app.stateDir, 'secrets-key')).mode & 0o777).toBe(0o600);
  });

  it('X12: come back after a restart, and with a rollback', async () => {
    await using app = await startStagedApp();
    await app.run('a');
    const first = (await app.post('config?stage=dev', { secrets: { TOKEN: SECRET } })).json().release;
    await app.post('config?stage=dev', { secrets: { TOKEN: 'another one' } });
    expect((await app.shown()).env).toMatchObject({ TOKEN: 'another one' });
    await app.post('stages/dev/rollback', { to: first });
    expect((await app.shown()).env).toMatchObject({ TOKEN: SECRET });
    await app.stop();
    for (const { id } of await app.engine.list()) await app.engine.remove(id);
    await app.start();
    expect((await app.shown()).env).toMatchObject({ TOKEN: SECRET });
  });

  it('X9n: the same secret again changes nothing, and a plain value in its place does', async () => {
    await using app = await startStagedApp();
    await app.run('a');
    const put = (body: object) => app.post('config?stage=dev', body);
    expect((await put({ secrets: { TOKEN: SECRET } })).json()).toMatchObject({ changed: true });
    expect((await put({ secrets: { TOKEN: SECRET } })).json()).toMatchObject({ changed: false });
    expect((await put({ set: { TOKEN: SECRET } })).json()).toMatchObject({ changed: true });
    expect(await settings(app, '?stage=dev')).toEqual([expect.objectContaining({ value: SECRET, digest: null })]);
  });
});

describe('bad configuration', () => {
  it.each<[string, object, string]>([
    ['a name that is none', { set: { 'A-B': '1' } }, 'A-B'], ['a name of Slipway’s own', { set: { PORT: '1' } }, 'PORT'], ['another one', { set: { SLIPWAY_URL: '1' } }, 'SLIPWAY_URL'],
    ['a value that is no text', { set: { A: 1 } }, 'A'], ['nothing at all', {}, 'set, secrets or unset'], ['a name given twice', { set: { A: '1' }, secrets: { A: '2' } }, 'A is given twice'],
    ['an unknown key', { sets: { A: '1' } }, 'sets'], ['a NUL', { set: { A: 'a\0b' } }, 'A holds a NUL'], ['a build argument as a secret', { secrets: { NPM_TOKEN: 'x' } }, 'NPM_TOKEN is a build argument'],
  ])('refuses %s and changes nothing', async (_what, body, named) => {
    await using app = await startStagedApp({ change: (project) => ({ ...project, recipe: { ...project.recipe, args: { NPM_TOKEN: 'public' } } }) });
    const refused = await app.post('config', body);
    expect([refused.status, refused.json().error]).toEqual([400, 'invalid_request']);
    expect(String(refused.json().message)).toContain(named);
    expect(await settings(app)).toEqual([]);
  });

  it('needs the token, and a scope that there is', async () => {
    await using app = await startStagedApp();
    const path = `/api/projects/${app.project}/config`;
    expect((await app.control(path)).status).toBe(401);
    expect((await app.control(path, { method: 'POST', body: '{"set":{"A":"1"}}' })).status).toBe(401);
    const unknown = await set(app, { A: '1' }, '?stage=prodd');
    expect([unknown.status, unknown.json()]).toMatchObject([404, { error: 'unknown_stage', nearest: ['prod'] }]);
    const same = (await app.control(`/api/projects/${app.project}/stages/prodd`)).json();
    expect([same.error, same.message, same.nearest]).toEqual([unknown.json().error, unknown.json().message, unknown.json().nearest]);
    expect((await set(app, { A: '1' }, '?env=jetpack')).json().error).toBe('unknown_environment');
    expect((await set(app, { A: '1' }, '?stage=dev&env=x')).json().error).toBe('invalid_request');
  });

  it('keeps what serves when the application does not start with it, and says so', async () => {
    await using app = await startStagedApp({
      program: ({ env, release }) => (env.BREAK === undefined ? { serve: (_req, res) => { res.end(JSON.stringify({ release, env })); } } : { exits: { code: 1 } }),
    });
    const { id } = await app.run('a');
    const broken = await set(app, { BREAK: 'yes' });
    expect(broken.json()).toMatchObject({ changed: true, release: id, releases: [{ route: 'dev', error: { code: 'crashed' } }] });
    expect(await app.read('stages/dev')).toMatchObject({ status: 'running', release: id, lastError: { code: 'crashed' } });
    expect((await app.shown()).env).not.toHaveProperty('BREAK');
    expect((await app.post('config?stage=dev', { unset: ['BREAK'] })).json()).toMatchObject({ changed: true });
    expect(await app.read('stages/dev')).toMatchObject({ status: 'running' });
  });
});
