import { rename } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { containersWith, docker } from '../support/real-docker.js';
import { startStagedServer, versionOf, type StagedServer } from '../support/staged-server.js';

const run = promisify(execFile);
const MORE = Array.from({ length: 20 }, (_, n) => `more-${n}`);

describe('build, release and run, on the real engine', () => {
  let server: StagedServer;
  const releases = () => server.read<{ id: string; release: number; image: string; reason: string }[]>('releases');
  const containerOf = async (commit: string) => {
    const found = (await containersWith(server.label)).find(({ Labels, State }) => Labels['slipway.commit'] === commit && State === 'running');
    if (!found) throw new Error(`nothing runs for ${commit}`);
    return docker.getContainer(found.Id);
  };

  beforeAll(async () => { server = await startStagedServer('', { stages: MORE }); }, 120_000);
  afterAll(async () => { await server[Symbol.asyncDispose](); }, 60_000);

  it('X1–X4: are three calls; nothing is there before the third, and it runs on without repository and mirror', async () => {
    const commit = await server.commit('one');
    const begun = await server.post('builds', { commit });
    expect(begun.status).toBe(202);
    const build = String(begun.json.id);
    await eventually(async () => (JSON.parse((await server.get('localhost', `/api/builds/${build}`)).text) as { status: string }).status === 'succeeded', { what: 'it is built' });
    const made = await server.post('releases', { build, stage: 'dev' });
    expect([made.status, made.json.id]).toEqual([201, 'v1']);
    expect((await server.get('dev.localhost', '/')).status).toBe(404);
    expect((await server.post('stages/dev/run', { release: 'v1' })).status).toBe(200);
    expect(await server.shown('dev')).toBe('one');
    await rename(server.sample.path, `${server.sample.path}.away`);
    await run('rm', ['-rf', `${server.stateDir}/mirrors`]);
    await (await containerOf(commit)).remove({ force: true });
    await eventually(async () => await server.shown('dev') === 'one', { what: 'it runs again' });
    await rename(`${server.sample.path}.away`, server.sample.path);
  }, 120_000);

  it('X6, X8: rolling back appends the release before, in seconds and without a build; twice goes two back', async () => {
    const [a, b, c] = [await server.publish('A'), await server.publish('B'), await server.publish('C')];
    const rows = await releases();
    const builds = (JSON.parse((await server.get('localhost', '/api/builds')).text) as unknown[]).length;
    const since = performance.now();
    expect((await server.post('stages/dev/rollback')).json).toMatchObject({ release: { reason: 'rollback', rollbackOf: b.id, parent: c.id, image: b.image } });
    expect(await server.shown('dev')).toBe('B');
    expect(performance.now() - since).toBeLessThan(5_000);
    expect((await server.post('stages/dev/rollback')).json).toMatchObject({ release: { rollbackOf: a.id } });
    expect(await server.shown('dev')).toBe('A');
    expect((await server.post('stages/dev/rollback', { to: c.id })).json).toMatchObject({ release: { rollbackOf: c.id } });
    expect(await server.shown('dev')).toBe('C');
    expect((await releases()).slice(3)).toEqual(rows);
    expect(JSON.parse((await server.get('localhost', '/api/builds')).text)).toHaveLength(builds);
  }, 120_000);

  it('X7: twenty at once are twenty consecutive numbers, and a restart goes on after them', async () => {
    const build = (await server.read<{ build: string }[]>('releases'))[0]?.build;
    const before = Math.max(...(await releases()).map(({ release }) => release));
    const made = await Promise.all(MORE.map((stage) => server.post('releases', { build, stage })));
    expect(made.map(({ json }) => Number(json.release)).sort((x, y) => x - y)).toEqual(MORE.map((_, n) => before + 1 + n));
    await server.kill('SIGTERM');
    await server.restart();
    expect(await server.publish('after the restart')).toMatchObject({ id: `v${before + MORE.length + 1}` });
  }, 60_000);

  it('X9, X9n: a changed variable is a release of the same image; the same value again is none', async () => {
    const { image, id } = await server.publish('configured');
    const changed = await server.post('config?stage=dev', { set: { API: 'https://x' } });
    expect(changed.json).toMatchObject({ changed: true });
    expect((await releases())[0]).toMatchObject({ id: changed.json.release, image, reason: 'config' });
    expect(JSON.parse(await server.shown('dev', '/env'))).toMatchObject({ API: 'https://x', SLIPWAY_RELEASE: changed.json.release });
    expect((await server.post('config?stage=dev', { set: { API: 'https://x' } })).json).toMatchObject({ changed: false, release: changed.json.release });
    await server.post('stages/dev/rollback', { to: id });
    expect(JSON.parse(await server.shown('dev', '/env'))).not.toHaveProperty('API');
  }, 60_000);

  it('X12: a secret reaches the application, and neither the image nor anything that is shown', async () => {
    const secret = 's3cr3t-value-1';
    const { image, commit } = await server.publish('with a secret');
    expect((await server.post('config?stage=dev', { secrets: { TOKEN: secret } })).text).not.toContain(secret);
    expect(JSON.parse(await server.shown('dev', '/env'))).toMatchObject({ TOKEN: secret });
    expect(JSON.stringify(await docker.getImage(image).history())).not.toContain(secret);
    expect((await (await containerOf(commit)).inspect()).Config.Env).toContain(`TOKEN=${secret}`);
    for (const path of ['/status', '/log', '/debug', `/api/projects/${server.project}/releases`, '/api/builds']) expect((await server.get('localhost', path)).text).not.toContain(secret);
    expect(server.logged()).not.toContain(secret);
  }, 60_000);

  it('X5: what an application overwrites of itself is gone when it starts again', async () => {
    await server.publish('original');
    expect(await server.shown('dev', '/overwrite')).toBe('written');
    expect(await server.shown('dev', '/file')).toBe('overwritten');
    expect((await server.post('previews/dev/restart')).status).toBe(200);
    await eventually(async () => await server.shown('dev', '/file') === 'original\n', { what: 'it is the original again' });
  }, 60_000);

  it('X14: SIGTERM ends it with its last words, and SIGKILL what does not hear', async () => {
    const { id } = await server.publish('polite');
    await server.publish('next');
    await eventually(async () => (await server.get('localhost', `/api/projects/${server.project}/releases/${id}/log`)).text.includes('bye'), { what: 'its last words are kept' });
    const deaf = await server.sample.commit('deaf', { ...versionOf('deaf'), 'app.cjs': "process.on('SIGTERM', () => undefined); require('node:http').createServer((_q, r) => r.end('deaf')).listen(process.env.PORT);" });
    expect((await server.post('publish', { commit: deaf })).status).toBe(200);
    await server.publish('after');
    await eventually(async () => (await containersWith(server.label)).every(({ Labels }) => Labels['slipway.commit'] !== deaf), { what: 'it was killed' });
  }, 90_000);

  it('X17: promotion takes the image along and builds nothing', async () => {
    const { image } = await server.publish('promoted');
    const builds = JSON.parse((await server.get('localhost', '/api/builds')).text) as unknown[];
    for (const stage of ['test', 'prod']) expect((await server.post(`stages/${stage}/promote`)).json).toMatchObject({ route: stage, release: { image, reason: 'promotion' } });
    expect(await server.shown('prod')).toBe('promoted');
    expect(JSON.parse(await server.shown('test', '/env'))).toMatchObject({ API: 'https://api.test', SLIPWAY_ENV: 'test' });
    expect(JSON.parse((await server.get('localhost', '/api/builds')).text)).toHaveLength(builds.length);
  }, 60_000);

  it('X18: nothing runs with privileges', async () => {
    const [running] = await containersWith(server.label);
    const { HostConfig } = await docker.getContainer(running?.Id ?? '').inspect();
    expect(HostConfig).toMatchObject({ Privileged: false, CapDrop: ['ALL'] });
    expect(HostConfig.Binds ?? []).toEqual([]);
  });
});
