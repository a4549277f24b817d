import { eventually } from '../support/eventually.js';
import { startStagedApp, type StagedApp } from '../support/staged-app.js';
import { gate } from '../support/test-app.js';

const promote = (app: StagedApp, stage: string, body: object = {}) => app.post(`stages/${stage}/promote`, body);
const stage = (app: StagedApp, name: string) => app.read<{ release: string | null; image: string | null; status: string; previous: string | null }>(`stages/${name}`);

describe('promotion', () => {
  it('X17: takes the image along, with the configuration of the stage it goes to, and builds nothing', async () => {
    await using app = await startStagedApp();
    const { id, commit } = await app.run('a');
    const builds = app.engine.builds.length;
    const moved = await promote(app, 'test', { by: 'alice' });
    expect(moved.json()).toMatchObject({ route: 'test', release: { reason: 'promotion', commit, by: 'alice', parent: null } });
    expect(await app.shown('test')).toMatchObject({ commit, env: { API: 'https://api.test', SLIPWAY_ENV: 'test' } });
    expect((await stage(app, 'test')).image).toBe((await stage(app, 'dev')).image);
    expect((await promote(app, 'prod')).status).toBe(200);
    expect((await app.read<{ stage: string; status: string }[]>('stages')).map((each) => [each.stage, each.status])).toEqual([['dev', 'running'], ['test', 'running'], ['prod', 'running']]);
    expect(app.engine.builds).toHaveLength(builds);
    expect((await stage(app, 'dev')).release).toBe(id);
  });

  it('X17: goes through the stages in their order, unless it is forced', async () => {
    await using app = await startStagedApp();
    const { id } = await app.run('a');
    expect((await promote(app, 'prod')).json().error).toBe('nothing_released');
    const skipped = await promote(app, 'prod', { release: id });
    expect([skipped.status, skipped.json().error]).toEqual([409, 'wrong_stage']);
    expect((await promote(app, 'dev')).json().error).toBe('wrong_stage');
    expect((await promote(app, 'prod', { release: 'v99', force: true })).json().error).toBe('unknown_release');
    expect((await promote(app, 'prod', { release: id, force: true })).json()).toMatchObject({ route: 'prod', release: { reason: 'promotion' } });
  });

  it('X17: takes an earlier release of the stage before, too, and not one that never ran there', async () => {
    await using app = await startStagedApp();
    const a = await app.run('a');
    await app.run('b');
    const never = await app.release('c');
    expect((await promote(app, 'test', { release: a.id })).json()).toMatchObject({ release: { commit: a.commit } });
    expect((await promote(app, 'test', { release: never })).json().error).toBe('wrong_stage');
    expect((await promote(app, 'test', { release: a.id })).json().error).toBe('already_served');
  });

  it('lets one of two at once win', async () => {
    await using app = await startStagedApp();
    await app.run('a');
    const both = await Promise.all([promote(app, 'test'), promote(app, 'test')]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
  });

  it('says that the image of what is promoted is gone', async () => {
    await using app = await startStagedApp();
    const { commit } = await app.run('a');
    const { image } = await stage(app, 'dev');
    // A stage is kept running: its image can go while the server is down only.
    await app.stop();
    for (const { id } of await app.engine.list()) await app.engine.remove(id);
    await app.engine.removeImage(image as never);
    await app.start();
    const refused = await promote(app, 'test');
    expect([refused.status, refused.json().error]).toEqual([410, 'image_gone']);
    expect(refused.json().message).toContain(commit);
  });
});

describe('publishing', () => {
  it('builds a branch or a commit and lets the first stage serve it', async () => {
    await using app = await startStagedApp();
    const first = app.repository.head();
    expect((await app.post('publish', { branch: 'main' })).json()).toMatchObject({ route: 'dev', release: { commit: first, reason: 'code' } });
    const second = app.repository.commit({ b: 'b' });
    expect((await app.post('publish', { commit: second })).json()).toMatchObject({ route: 'dev', release: { commit: second } });
    expect(await app.shown()).toMatchObject({ commit: second });
    expect((await app.post('publish', {})).json().message).toContain('no publish branch');
    expect((await app.post('publish', { branch: 'nowhere' })).json().error).toBe('unknown_ref');
  });

  it('waits for another one of the same stage, which is no reason to refuse', async () => {
    await using app = await startStagedApp();
    const both = await Promise.all([app.post('publish', { branch: 'main' }), app.post('publish', { branch: 'main' })]);
    expect(both.map(({ status, json }) => [status, (json().release as { id: string }).id])).toEqual([[200, 'v1'], [200, 'v1']]);
  });

  it('follows the configured branch by itself, and stays where it was rolled back to until a new commit comes', async () => {
    await using app = await startStagedApp({ change: (project) => ({ ...project, publish: 'main' }) });
    const shows = (commit: string) => eventually(async () => { const answer = await app.get('dev.localhost', '/'); return answer.status === 200 && answer.json().commit === commit; }, { what: `dev shows ${commit}` });
    const first = app.repository.head();
    await shows(first);
    const second = app.repository.commit({ b: 'b' });
    await app.fetch(second);
    await shows(second);
    await app.post('stages/dev/rollback');
    await app.restart();
    await shows(first);
    const third = app.repository.commit({ c: 'c' });
    await app.fetch(third);
    await shows(third);
  });

  it('ends with the newest commit, whichever is built first', async () => {
    const { opened, open } = gate();
    let builds = 0;
    await using app = await startStagedApp({ change: (project) => ({ ...project, publish: 'main' }), builds: () => (++builds === 2 ? { until: opened } : {}) });
    const shows = (commit: string) => eventually(async () => { const answer = await app.get('dev.localhost', '/'); return answer.status === 200 && answer.json().commit === commit; }, { what: `dev shows ${commit}` });
    await shows(app.repository.head());
    await app.fetch(app.repository.commit({ slow: 'slow' }));
    await eventually(() => builds === 2, { what: 'the slow one is built' });
    const newest = app.repository.commit({ quick: 'quick' });
    await app.fetch(newest);
    await shows(newest);
    open();
    await eventually(async () => (JSON.parse((await app.control('/api/builds')).text) as { status: string }[]).every(({ status }) => status === 'succeeded'), { what: 'the slow one is built' });
    expect((await app.read<{ commit: string }[]>('releases?stage=dev'))[0]?.commit).toBe(newest);
    await shows(newest);
  });

  it('P7: keeps what serves when the new one is not healthy, and tries it no further', async () => {
    let starts = 0;
    await using app = await startStagedApp({
      change: (project) => ({ ...project, publish: 'main', run: { ...project.run, readyTimeoutMs: 400 } }),
      program: ({ commit, release }) => {
        const bad = commit === broken;
        if (bad) starts += 1;
        return { serve: (_req, res) => { res.statusCode = bad ? 500 : 200; res.end(JSON.stringify({ commit, release })); } };
      },
    });
    let broken = '';
    const first = app.repository.head();
    await eventually(async () => (await app.get('dev.localhost', '/')).status === 200, { what: 'dev runs' });
    broken = app.repository.commit({ b: 'b' });
    await app.fetch(broken as never);
    await eventually(async () => (await app.read<{ lastError: object | null }>('stages/dev')).lastError !== null, { what: 'the failure is noted' });
    expect(await app.read('stages/dev')).toMatchObject({ status: 'running', release: 'v1', commit: first, lastError: { code: 'start_timeout', release: 'v2' } });
    expect(starts).toBe(2);
    expect(await app.shown()).toMatchObject({ commit: first });
    await app.restart();
    expect(await app.read('stages/dev')).toMatchObject({ status: 'running', release: 'v1', lastError: { code: 'start_timeout' } });
  });
});
