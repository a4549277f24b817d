import { rename } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { containersWith, docker } from '../support/real-docker.js';
import { startStagedServer, type StagedServer } from '../support/staged-server.js';

describe('one release after another, under traffic', () => {
  let server: StagedServer;
  const HOST = 'branch-staged.localhost';

  beforeAll(async () => { server = await startStagedServer('    run: { readyTimeout: 3s }\n'); }, 120_000);
  afterAll(async () => { await server[Symbol.asyncDispose](); }, 60_000);

  /** Visitors who ask all the time; `stop` gives every answer. */
  const startTraffic = (host: string) => {
    let isOver = false;
    const answers: string[] = [];
    const visit = async () => {
      while (!isOver) { const { status, text } = await server.get(host, '/'); answers.push(`${status} ${text.slice(0, 100)}`); }
    };
    const all = Promise.all(Array.from({ length: 5 }, visit));
    return { answers, stop: async () => { isOver = true; await all; return answers; } };
  };
  const follow = async (commit: string) => { await server.get('localhost', `/api/status?hash=${commit}`); };

  it('P7: an unhealthy commit takes nothing over, and says why; the next good one does, without a failed request', async () => {
    await follow(await server.commit('v1'));
    expect(await eventually(async () => { const { status, text } = await server.get(HOST, '/'); return status === 200 && text; }, { what: 'the branch serves' })).toBe('v1');
    const traffic = startTraffic(HOST);
    await follow(await server.commit('broken', { unhealthy: true }));
    const status = async () => (JSON.parse((await server.get('localhost', '/status?q=branch-staged', { headers: { accept: 'application/json' } })).text) as { label: string; status: string; release: string; lastError: { message: string } | null }[])
      .find(({ label }) => label === 'branch-staged');
    const said = await eventually(async () => { const now = await status(); return now?.lastError !== null && now; }, { what: 'the failure is noted' });
    expect(said).toMatchObject({ status: 'running', release: 'v1' });
    expect(said.lastError?.message).toMatch(/v2.*not healthy.*500/s);
    const slow = server.get(HOST, '/slow?ms=3000');
    await follow(await server.commit('v3'));
    await eventually(() => traffic.answers.includes('200 v3'), { what: 'the good one serves' });
    expect((await slow).text).toBe('v1');
    expect([...new Set(await traffic.stop())].sort()).toEqual(['200 v1', '200 v3']);
  }, 120_000);

  it('P9: containers are told who they are', async () => {
    const env = JSON.parse((await server.get(HOST, '/env')).text) as Record<string, string>;
    const status = await server.status('branch=staged');
    expect(env).toMatchObject({ SLIPWAY_BRANCH: 'staged', SLIPWAY_COMMIT: status.commit, SLIPWAY_ENV: '', SLIPWAY_URL: `http://${HOST}:${server.port}`, PORT: '3000' });
    const [container] = (await containersWith(server.label)).filter(({ Labels }) => Labels['slipway.commit'] === status.commit);
    const { Labels } = (await docker.getContainer(container?.Id ?? '').inspect()).Config;
    expect([`v${Labels['slipway.release'] ?? ''}`, Labels['slipway.build']]).toEqual([env.SLIPWAY_RELEASE, env.SLIPWAY_BUILD]);
  }, 30_000);

  it('P6: of a branch the current image and the one before it are kept, after the swap', async () => {
    const kept: string[] = [];
    for (const version of ['p6-a', 'p6-b', 'p6-c']) {
      const commit = await server.commit(version);
      await follow(commit);
      await eventually(async () => (await server.get(HOST, '/')).text === version, { what: `${version} serves` });
      kept.push((await docker.getImage(`slipway/${server.project}:${commit}`).inspect()).Id);
    }
    const ids = async () => (await docker.listImages({ filters: { label: [`slipway.project=${server.project}`] } })).map(({ Id }) => Id);
    await eventually(async () => !(await ids()).includes(kept[0] ?? ''), { what: 'the older image is gone' });
    expect(await ids()).toEqual(expect.arrayContaining(kept.slice(1)));
    expect((await server.post('previews/branch-staged/rollback')).json).toMatchObject({ release: { image: kept[1] } });
    expect((await server.get(HOST, '/')).text).toBe('p6-b');
  }, 120_000);

  it('P5: killed in the middle of a swap, the stage serves the old one or the new one', async () => {
    await server.publish('old');
    const commit = await server.commit('new');
    const publishing = server.post('publish', { commit }).then(() => undefined, () => undefined);
    await eventually(async () => (await containersWith(server.label)).some(({ Labels }) => Labels['slipway.commit'] === commit), { what: 'the new one starts' });
    await server.kill('SIGKILL');
    await publishing;
    await server.restart();
    const text = await eventually(async () => { const answer = await server.get('dev.localhost', '/'); return answer.status === 200 && answer.text; }, { what: 'the stage serves' });
    expect(['old', 'new']).toContain(text);
    const serving = (await server.read<{ commit: string; status: string }[]>('stages'))[0];
    expect(serving?.status).toBe('running');
    expect(text === 'new').toBe(serving?.commit === commit);
  }, 90_000);

  it('X10: after a crash and with all containers gone, stages run again without git and without a build', async () => {
    await server.publish('kept');
    await server.post('stages/test/promote');
    const builds = (JSON.parse((await server.get('localhost', '/api/builds')).text) as unknown[]).length;
    await server.kill('SIGKILL');
    for (const { Id } of await containersWith(server.label)) await docker.getContainer(Id).remove({ force: true });
    await rename(`${server.sample.path}/.git`, `${server.sample.path}/git.away`);
    await server.restart();
    // Nobody visits: they come back by themselves.
    await eventually(async () => (await server.read<{ status: string }[]>('stages')).map(({ status }) => status).join() === 'running,running,unknown', { what: 'the stages run' });
    await rename(`${server.sample.path}/git.away`, `${server.sample.path}/.git`);
    expect([await server.shown('dev'), await server.shown('test')]).toEqual(['kept', 'kept']);
    expect(JSON.parse((await server.get('localhost', '/api/builds')).text)).toHaveLength(builds);
  }, 90_000);
});
