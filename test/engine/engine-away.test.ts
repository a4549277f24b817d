import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startEngineProxy, type EngineProxy } from '../support/engine-proxy.js';
import { eventually } from '../support/eventually.js';
import { containersWith, docker } from '../support/real-docker.js';
import { createSampleRepository, slowDockerfile, unbuilt, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

describe('a server whose engine goes and comes', () => {
  let sample: SampleRepository;
  let proxy: EngineProxy;
  let server: ServerProcess;

  beforeAll(async () => { sample = await createSampleRepository(); }, 60_000);
  beforeEach(async () => { proxy = await startEngineProxy(false); });
  afterEach(async () => {
    await server[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
  }, 60_000);
  afterAll(async () => { await sample[Symbol.asyncDispose](); });

  const start = async () => { server = await startServer({ repository: sample.path, env: { DOCKER_HOST: proxy.address } }); };
  const hostOf = (commit: string) => `hash-${commit}.localhost`;
  const becomes = (commit: string, status: string) =>
    eventually(async () => (await server.status(`hash=${commit}`)).status === status, { what: `it is ${status}`, withinMs: 45_000 });
  const containerOf = async () => {
    const [found] = await containersWith(server.label);
    if (!found) throw new Error('nothing runs');
    return found;
  };

  it('K7: starts without it, says so, and everything works once it is there', async () => {
    await start();
    const commit = sample.branches.main ?? '';
    expect((await server.get('localhost', '/healthz')).status).toBe(200);
    const [ready, page] = [await server.get('localhost', '/readyz'), await server.visit(hostOf(commit), '/')];
    expect([ready.status, ready.text, page.status, page.text]).toEqual([503, expect.stringContaining('engine_unavailable'), 503, expect.stringContaining('Start Docker')]);
    await proxy.come();
    expect((await server.get('localhost', '/readyz')).status).toBe(200);
    expect((await server.get(hostOf(commit), '/')).status).toBe(200);
  }, 60_000);

  it('K7: adopts what runs once the engine is there, by itself', async () => {
    await proxy.come();
    await start();
    const commit = sample.branches.main ?? '';
    expect((await server.get(hostOf(commit), '/')).status).toBe(200);
    const { Id } = await containerOf();
    await server.kill('SIGKILL');
    await proxy.leave();
    await server.restart();
    expect(await server.status(`hash=${commit}`)).toMatchObject({ status: 'stopped' });
    await proxy.come();
    await becomes(commit, 'running');
    expect((await server.get(hostOf(commit), '/')).status).toBe(200);
    expect((await containerOf()).Id).toBe(Id);
    expect(server.logged()).not.toContain('instance runs');
  }, 90_000);

  it('K8: serves on while every connection to the engine is cut, again and again, and still hears what happens', async () => {
    await proxy.come();
    await start();
    const commit = sample.branches.main ?? '';
    expect((await server.get(hostOf(commit), '/')).status).toBe(200);
    for (let cut = 0; cut < 5; cut += 1) {
      await eventually(() => proxy.open > 0, { what: 'the server listens to the engine again' });
      proxy.cut();
      expect((await server.get(hostOf(commit), '/')).status).toBe(200);
    }
    const { Id } = await containerOf();
    await docker.getContainer(Id).remove({ force: true });
    await becomes(commit, 'stopped');
    expect((await server.get(hostOf(commit), '/')).status).toBe(200);
    expect(await server.status(`hash=${commit}`)).toMatchObject({ status: 'running', lastError: null });
  }, 90_000);

  it('K8: knows what happened while it was away, as soon as it is back, without a visit', async () => {
    await proxy.come();
    await start();
    const commit = await sample.commit('away', unbuilt());
    expect((await server.get(hostOf(commit), '/')).status).toBe(200);
    const { Id, ImageID } = await containerOf();
    await proxy.leave();
    await docker.getContainer(Id).remove({ force: true });
    await docker.getImage(ImageID).remove({ force: true });
    expect(await server.status(`hash=${commit}`)).toMatchObject({ status: 'running' });
    await proxy.come();
    await eventually(async () => (await server.get('localhost', `/status?hash=${commit}`)).text === 'NotBuilt', { what: 'it says NotBuilt', withinMs: 45_000 });
    expect((await server.get(hostOf(commit), '/')).status).toBe(200);
  }, 120_000);

  it('K8: a build whose engine goes away fails for a passing reason, and the next visit builds again', async () => {
    await proxy.come();
    await start();
    const commit = await sample.commit('slow/away', { Dockerfile: slowDockerfile(3), ...unbuilt() });
    const first = server.get(hostOf(commit), '/');
    await becomes(commit, 'building');
    await proxy.leave();
    const { status, text } = await first;
    expect([status, text]).toEqual([503, expect.stringContaining('engine_unavailable')]);
    await proxy.come();
    await eventually(async () => (await server.get(hostOf(commit), '/')).status === 200, { what: 'it is built', withinMs: 45_000 });
    expect(await server.status(`hash=${commit}`)).toMatchObject({ status: 'running', lastError: null });
  }, 120_000);
});
