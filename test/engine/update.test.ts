import { rename } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { UpdateAnswer } from '../../src/web/update-api.js';
import { eventually } from '../support/eventually.js';
import { createSampleRepository, unbuilt, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

const HOST = 'branch-main.localhost';
/** Well below the minute after which the server fetches by itself. */
const AT_ONCE_MS = 30_000;

describe('a push that is told to the server', () => {
  let sample: SampleRepository;
  let server: ServerProcess;

  beforeAll(async () => {
    sample = await createSampleRepository();
    server = await startServer({ repository: sample.path });
  }, 120_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  const served = async () => (await server.get(HOST, '/')).headers['x-slipway-commit'];
  const update = async (body: object, token?: string) => {
    const { status, text } = await server.get('localhost', '/repo/update', { method: 'POST', headers: { 'authorization': `Bearer ${token ?? await server.token()}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });
    return { status, ...JSON.parse(text) as UpdateAnswer & { error?: string; message?: string } };
  };
  const buildOf = async (id: string | undefined) => JSON.parse((await server.get('localhost', `/api/builds/${id ?? ''}`)).text) as { status: string; key: string; noCache: boolean; commit: string };
  const succeeded = (id: string | undefined) => eventually(async () => { const build = await buildOf(id); return build.status === 'succeeded' && build; }, { what: 'the build succeeds' });

  it('P10: leads from where the branch stood to what was pushed, and its URL shows that within seconds', async () => {
    const h1 = sample.branches.main;
    expect(await served()).toBe(h1);
    const h4 = await sample.commit('main', unbuilt());
    expect((await update({ project: sample.project, ref: 'main' }, 'wrong')).status).toBe(401);
    expect(await served()).toBe(h1);
    const since = performance.now();
    const first = await update({ project: sample.project, ref: 'main', by: 'ci' });
    expect(performance.now() - since).toBeLessThan(5_000);
    expect(first).toMatchObject({ status: 202, from: { branch: 'main', hash: h1 }, to: { branch: 'main', hash: h4, author: 'Ada', message: 'Change main' } });
    expect(['queued', 'building', 'succeeded']).toContain(first.build?.status);
    const statuses = new Set<number>();
    await eventually(async () => {
      const { status, headers } = await server.get(HOST, '/');
      statuses.add(status);
      return headers['x-slipway-commit'] === h4;
    }, { what: 'the branch’s URL shows it', withinMs: AT_ONCE_MS });
    expect([...statuses]).toEqual([200]);
    expect((await buildOf(first.build?.id)).commit).toBe(h4);
    expect(await update({ project: sample.project, ref: 'main' })).toMatchObject({ status: 200, from: { hash: h4 }, to: { hash: h4 }, build: null });
  }, 120_000);

  it('P3f: invalidate builds again with nothing to pull: another build of the same key, and the URL goes on', async () => {
    const before = await server.status('branch=main');
    const { status, build } = await update({ invalidate: true });
    expect([status, build?.id === before.build?.id]).toEqual([202, false]);
    expect((await update({ invalidate: true })).status).toBe(202);
    const again = await succeeded(build?.id);
    expect(again).toMatchObject({ noCache: true, key: (await buildOf(before.build?.id)).key, commit: before.commit });
    expect(await served()).toBe(before.commit);
  }, 120_000);

  it('P10s: health, restart and stop say what runs and how many it was', async () => {
    const change = async (verb: string, body: object = {}) => {
      const { status, text } = await server.get('localhost', `/apps/${sample.project}/${verb}`, { method: 'POST', headers: { authorization: `Bearer ${await server.token()}` }, body: JSON.stringify(body) });
      return [status, JSON.parse(text) as unknown];
    };
    const health = async () => JSON.parse((await server.get('localhost', `/apps/${sample.project}/health`)).text) as { status: string; previews: { label: string; status: string }[] };
    expect(await served()).toBeDefined();
    expect(await health()).toMatchObject({ status: 'ok', previews: [{ label: 'branch-main', status: 'running' }] });
    expect(await change('restart')).toEqual([200, { count: 1 }]);
    expect((await server.get(HOST, '/')).status).toBe(200);
    expect(await change('stop')).toEqual([200, { count: 1 }]);
    expect(await health()).toMatchObject({ status: 'ok', previews: [] });
    expect((await server.get('localhost', '/apps/nobody/health')).status).toBe(404);
    expect((await server.get(HOST, '/')).status).toBe(200);
  }, 120_000);

  it('P10: 503 with git’s own message while the remote is away, and what it had is told once it is back', async () => {
    const pushed = await sample.commit('main', unbuilt());
    await rename(sample.path, `${sample.path}-away`);
    try {
      expect(await update({})).toMatchObject({ status: 503, error: 'git_unreachable', message: expect.stringContaining('does not appear to be a git repository') as unknown });
      expect((await server.get(HOST, '/')).status).toBe(200);
    } finally {
      await rename(`${sample.path}-away`, sample.path);
    }
    expect(await update({})).toMatchObject({ status: 202, to: { hash: pushed } });
  }, 60_000);
});
