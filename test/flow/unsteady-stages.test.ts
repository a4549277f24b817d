import type { Project } from '../../src/domain/project.js';
import { eventually } from '../support/eventually.js';
import { startStagedApp, type StagedApp } from '../support/staged-app.js';
import { echo } from '../support/test-app.js';

const withWorker = (project: Project): Project => ({ ...project, run: { ...project.run, processes: { worker: ['node', 'worker.mjs'] } } });
const stage = (app: StagedApp, name = 'dev') => app.read<{ status: string; release: string | null; restarts: number; lastError: { code: string; message: string; release: string | null } | null }>(`stages/${name}`);
/** Not that of the commit's own preview, which runs beside it. */
const endWorker = async ({ engine }: StagedApp, id: string, code: number) => {
  const worker = await eventually(async () => (await engine.list()).find(({ process, running, release }) => process === 'worker' && running && `v${release}` === id), { what: 'the worker runs' });
  engine.exit(worker.id, code);
  await eventually(async () => (await engine.list()).every((each) => each.id !== worker.id), { what: 'its set is gone' });
};

describe('H1: a stage whose new release has a process that ends just after its start', () => {
  it.each([0, 3])('goes on with the old one, and says which process it was (code %d)', async (code) => {
    let ends = false;
    await using app = await startStagedApp({ change: withWorker, program: (spec) => (spec.process === null ? { serve: echo(spec) } : ends ? { exits: { code } } : {}) });
    const good = await app.run('good');
    ends = true;
    const commit = app.repository.commit({ bad: 'bad' });
    const refused = await app.post('publish', { commit });
    expect([refused.status, refused.json().error]).toEqual([502, 'crashed']);
    expect(await stage(app)).toMatchObject({ status: 'running', release: good.id, lastError: { code: 'crashed', message: expect.stringMatching(`^Its process worker exited with code ${code} after`) as string } });
    expect((await stage(app)).lastError?.release).not.toBe(good.id);
    expect(await app.shown()).toMatchObject({ commit: good.commit });
    // It is about another release: what dev serves is well and goes on to the next stage.
    ends = false;
    expect((await app.post('stages/test/promote')).status).toBe(200);
  });
});

describe('M16: a stage that crashes soon after each start', () => {
  it('is started again three times; then it is in error, and is not promoted unnamed', async () => {
    await using app = await startStagedApp({ change: withWorker, program: (spec) => (spec.process === null ? { serve: echo(spec) } : {}) });
    const { id } = await app.run('a');
    const before = app.engine.calls.start;
    for (let restarts = 0; restarts < 4; restarts += 1) {
      await eventually(async () => { const now = await stage(app); return now.status === 'running' && now.restarts === restarts; }, { what: `it runs after ${restarts} restarts` });
      await endWorker(app, id, 1);
    }
    const said = await eventually(async () => { const now = await stage(app); return now.status === 'error' && now; }, { what: 'the stage is in error' });
    expect(said).toMatchObject({ release: id, restarts: 3, lastError: { code: 'crashed', release: id } });
    expect(said.lastError?.message).toContain('It was started again 3 times');
    // Web and worker, three times.
    expect(app.engine.calls.start - before).toBe(6);
    const visit = await app.get('dev.localhost', '/');
    expect([visit.status, app.engine.calls.start - before]).toEqual([502, 6]);
    const refused = await app.post('stages/test/promote');
    expect([refused.status, refused.json().error]).toEqual([409, 'wrong_stage']);
    expect(refused.json().message).toMatch(new RegExp(`^dev does not run ${id} well: Its process worker exited with code 1\\. .*name it \\(${app.project}@${id}\\) or force it\\.`));
    expect((await stage(app, 'test')).release).toBeNull();
    expect((await app.post('stages/test/promote', { release: id })).status).toBe(200);
  });

  it('is promoted unnamed when it is forced', async () => {
    let unhealthy = false;
    await using app = await startStagedApp({
      change: (project) => ({ ...project, run: { ...project.run, health: { test: { kind: 'http', method: 'GET', path: '/', status: 200 }, everyMs: 20, timeoutMs: 5_000, unhealthyMs: 3_600_000 } } }),
      program: (spec) => ({ serve: (req, res) => { if (unhealthy && spec.env.SLIPWAY_ENV === 'dev') res.statusCode = 500; echo(spec)(req, res); } }),
    });
    const { id } = await app.run('a');
    unhealthy = true;
    await eventually(async () => (await stage(app)).lastError?.code === 'unhealthy', { what: 'the stage is unhealthy' });
    expect((await app.post('stages/test/promote')).json()).toMatchObject({ error: 'wrong_stage', message: expect.stringContaining(`dev does not run ${id} well`) as string });
    expect((await app.post('stages/test/promote', { force: true })).status).toBe(200);
  });
});
