import { rmSync } from 'node:fs';
import type { Database } from '../../src/state/database.js';
import { startStagedApp } from '../support/staged-app.js';

/** How many releases one query gave at most since `begin`. */
function countRows() {
  let most = 0;
  const watch = ({ db, close }: Database): Database => ({
    close,
    db: db.withPlugin({
      transformQuery: ({ node }) => node,
      transformResult: async ({ result }) => {
        if (result.rows.some((row) => 'config_hash' in row && 'number' in row)) most = Math.max(most, result.rows.length);
        return result;
      },
    }),
  });
  return { watch, begin: () => { most = 0; }, most: () => most };
}

describe('build, release, run', () => {
  it('X1: are three calls, and nothing runs before the third', async () => {
    await using app = await startStagedApp();
    const commit = app.repository.head();
    const { build } = (await app.open(`hash=${commit}`)).json() as { build: { id: string; image: string } };
    const made = await app.post('releases', { build: build.id, stage: 'dev' });
    expect(made.status).toBe(201);
    const { id } = made.json();
    expect(made.json()).toMatchObject({ project: app.project, route: 'dev', reason: 'code', commit, build: build.id, image: build.image, parent: null, rollbackOf: null, by: 'api' });
    const before = await app.get('dev.localhost', '/');
    expect([before.status, before.json().error]).toEqual([404, 'nothing_released']);
    const moved = await app.post('stages/dev/run', { release: id, by: 'alice' });
    expect([moved.status, moved.json().route]).toEqual([200, 'dev']);
    expect(await app.shown()).toMatchObject({ commit, env: { SLIPWAY_ENV: 'dev', SLIPWAY_RELEASE: id, SLIPWAY_URL: `http://dev.localhost:${app.port}` } });
    expect(await app.read('stages/dev')).toMatchObject({ stage: 'dev', status: 'running', release: id, commit, previous: null, lastError: null });
  });

  it('X1: the same build and configuration again append nothing', async () => {
    await using app = await startStagedApp();
    const { id } = await app.run('a');
    const { build } = await app.read<{ build: string }>(`releases/${id}`);
    const again = await app.post('releases', { build, stage: 'dev' });
    expect([again.status, again.json().id]).toEqual([200, id]);
    expect((await app.post('stages/dev/run', { release: id })).json().error).toBe('already_served');
  });

  it('X2: running one touches neither git nor the builder: it comes back with the remote and the mirror gone', async () => {
    await using app = await startStagedApp();
    const { id, commit } = await app.run('a');
    const builds = app.engine.builds.length;
    await app.stop();
    for (const { id: container } of await app.engine.list()) await app.engine.remove(container);
    rmSync(app.repository.path, { recursive: true });
    rmSync(`${app.stateDir}/mirrors`, { recursive: true });
    await app.start();
    expect(await app.shown()).toMatchObject({ commit, env: { SLIPWAY_RELEASE: id } });
    expect(app.engine.builds).toHaveLength(builds);
  });

  it('X7: are numbered without gaps under concurrency, and go on after a restart', async () => {
    await using app = await startStagedApp();
    const commits = Array.from({ length: 5 }, (_, n) => app.repository.commit({ [`f${n}`]: `${n}` }));
    const builds = await Promise.all(commits.map(async (commit) => ((await app.open(`hash=${commit}`)).json() as { build: { id: string } }).build.id));
    const before = (await app.read<{ release: number }[]>('releases')).map(({ release }) => release);
    const made = await Promise.all(builds.flatMap((build) => ['dev', 'test', 'prod'].map((stage) => app.post('releases', { build, stage }))));
    const numbers = made.map((answer) => Number(answer.json().release)).sort((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: 15 }, (_, n) => Math.max(...before) + 1 + n));
    await app.restart();
    const next = await app.release('after');
    expect(next).toBe(`v${Math.max(...(await app.read<{ release: number }[]>('releases')).map(({ release }) => release))}`);
    expect(Number(next.slice(1))).toBeGreaterThan(Math.max(...numbers));
  });

  it('are listed newest first, of one route or of all, and no more are read than are asked for', async () => {
    const rows = countRows();
    await using app = await startStagedApp({ watchDatabase: rows.watch });
    for (const file of ['a', 'b', 'c']) await app.run(file);
    const all = await app.read<{ id: string; release: number; route: string }[]>('releases');
    expect(all.map(({ release }) => release)).toEqual([6, 5, 4, 3, 2, 1]);
    const commits = all.filter(({ route }) => route.startsWith('hash-'));
    expect([all.filter(({ route }) => route === 'dev').map(({ id }) => id), commits.length]).toEqual([['v6', 'v4', 'v2'], 3]);
    rows.begin();
    expect((await app.read<object[]>('releases?stage=dev&limit=1'))).toEqual(all.slice(0, 1));
    expect(rows.most()).toBe(1);
    expect(await app.read(`releases?preview=${commits[0]?.route ?? ''}`)).toEqual(commits.slice(0, 1));
    expect(await app.read('releases?limit=2')).toEqual(all.slice(0, 2));
    expect(rows.most()).toBe(2);
    expect((await app.control(`/api/projects/${app.project}/releases?stage=devv`)).json()).toMatchObject({ error: 'unknown_stage', nearest: ['dev', 'test'] });
    expect((await app.control(`/api/projects/${app.project}/releases?preview=branch-never`)).json().error).toBe('unknown_preview');
  });

  it.each(['PUT', 'PATCH', 'DELETE'])('X8: %s of a release is refused, and its record is what it was', async (method) => {
    await using app = await startStagedApp();
    const { id } = await app.run('a');
    const before = await app.read(`releases/${id}`);
    const refused = await app.control(`/api/projects/${app.project}/releases/${id}`, { method, headers: { 'authorization': `Bearer ${app.token}`, 'content-type': 'application/json' }, body: '{"by":"mallory"}' });
    expect([refused.status, refused.headers.allow]).toEqual([405, 'GET, HEAD']);
    expect(await app.read(`releases/${id}`)).toEqual(before);
  });

  it('refuses what is not there, with the way to what is', async () => {
    await using app = await startStagedApp();
    const { id } = await app.run('a');
    expect((await app.post('releases', { build: 'b_01ARZ3NDEKTSV4RRFFQ69G5FAV', stage: 'dev' })).json().error).toBe('unknown_build');
    expect((await app.post('stages/devv/run', { release: id })).json()).toMatchObject({ error: 'unknown_stage' });
    expect((await app.post('stages/dev/run', { release: 'v99' })).json().error).toBe('unknown_release');
    expect((await app.post('stages/test/run', { release: id })).json().error).toBe('unknown_release');
    expect((await app.post('stages/dev/run', { release: 'newest' })).json()).toMatchObject({ error: 'invalid_request', message: expect.stringContaining('must be a release such as v7') as string });
    expect((await app.post('stages/dev/run', { relase: id })).json().message).toContain('“relase”');
    expect((await app.control(`/api/projects/${app.project}/stages/dev/run`, { method: 'POST', body: '{"release":"v1"}' })).status).toBe(401);
    expect((await app.control(`/api/projects/nobody/releases`)).status).toBe(404);
  });
});
