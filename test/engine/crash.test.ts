import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, afterAll, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import { eventually } from '../support/eventually.js';
import { containersWith, docker } from '../support/real-docker.js';
import { createSampleRepository, scriptDockerfile, slowDockerfile, unbuilt, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess, type StatusAnswer } from '../support/server-process.js';

/** Listens after two seconds, and ends two seconds after it was told to. */
const SLUGGISH = `
console.log('warming up');
const server = require('node:http').createServer((_request, response) => response.end('at last'));
setTimeout(() => server.listen(3000), 2000);
process.on('SIGTERM', () => setTimeout(() => process.exit(0), 2000));
`;

interface ListedBuild { readonly id: string; readonly commit: string; readonly status: string; readonly attempt: number }

describe('a server that is killed', () => {
  let sample: SampleRepository;
  let server: ServerProcess;

  beforeAll(async () => { sample = await createSampleRepository(); }, 60_000);
  afterEach(async () => { await server[Symbol.asyncDispose](); }, 60_000);
  afterAll(async () => { await sample[Symbol.asyncDispose](); });

  const start = async (...args: string[]) => { server = await startServer({ repository: sample.path, args }); };
  const killAndRestart = async () => {
    expect(await server.kill('SIGKILL')).toMatchObject({ code: null, signal: 'SIGKILL' });
    await server.restart();
  };
  const hostOf = (commit: string) => `hash-${commit}.localhost`;
  /** Causes what a visitor causes, without waiting for it. */
  const begin = (commit: string) => { server.get(hostOf(commit), '/').catch(() => undefined); };
  const until = (commit: string, isSo: (status: StatusAnswer) => boolean, what: string) => eventually(async () => {
    const status = await server.status(`hash=${commit}`);
    return isSo(status) && status;
  }, { what, withinMs: 60_000 });
  /** A preview is pending before its build has a place in the queue. */
  const isQueued = ({ build }: StatusAnswer) => build?.status === 'queued';
  const builds = async () => (JSON.parse((await server.get('localhost', '/api/builds')).text) as ListedBuild[]).reverse();
  const containers = async () => (await containersWith(server.label)).map(({ Id, State, Labels }) => ({ id: Id, state: State, release: Labels['slipway.release'], commit: Labels['slipway.commit'] }));
  const logOf = async (id: string) => (await server.get('localhost', `/api/builds/${id}/log`)).text;

  it('K1, K5: while it builds, builds again once, what waited keeps its order, and nothing is left behind', async () => {
    await start('--builds-concurrency', '1');
    const slow = await sample.commit('slow/first', { Dockerfile: slowDockerfile(3), ...unbuilt() });
    const [second, third] = [await sample.commit('second', unbuilt()), await sample.commit('third', unbuilt())];
    begin(slow);
    const { build } = await until(slow, ({ status }) => status === 'building', 'the build begins');
    begin(second);
    await until(second, isQueued, 'the second waits');
    begin(third);
    await until(third, isQueued, 'the third waits');
    await eventually(async () => (await logOf(build?.id ?? '')).includes('polishing'), { what: 'a step runs' });
    await killAndRestart();
    const after = await until(slow, ({ status }) => status === 'building', 'it builds again');
    expect(after.build).toMatchObject({ attempt: 2 });
    expect(after.build?.id).not.toBe(build?.id);
    expect(await logOf(build?.id ?? '')).toMatch(/interrupted: The server stopped while it ran\.\n$/);
    const waiting = await Promise.all([second, third].map(async (commit) => (await server.status(`hash=${commit}`)).build));
    expect(waiting).toMatchObject([{ queuePosition: 1, attempt: 1 }, { queuePosition: 2, attempt: 1 }]);
    await until(third, ({ build: last }) => last?.status === 'succeeded', 'all are built');
    expect((await builds()).map(({ commit, status, attempt }) => ({ commit, status, attempt }))).toEqual([
      { commit: slow, status: 'interrupted', attempt: 1 }, { commit: second, status: 'succeeded', attempt: 1 },
      { commit: third, status: 'succeeded', attempt: 1 }, { commit: slow, status: 'succeeded', attempt: 2 },
    ]);
    expect((await server.get(hostOf(slow), '/')).status).toBe(200);
    expect(await docker.listImages({ all: true, filters: { label: [server.label], dangling: ['true'] } })).toEqual([]);
    const files = await readdir(join(server.stateDir, 'mirrors'), { recursive: true });
    expect(files.filter((name) => /\.lock$|\.new(\/|$)|tmp_/.test(name))).toEqual([]);
  }, 120_000);

  it('K1: while it builds, twice, gives the build up and says so', async () => {
    await start();
    const commit = await sample.commit('slow/hopeless', { Dockerfile: slowDockerfile(20), ...unbuilt() });
    begin(commit);
    for (const attempt of [1, 2]) {
      await until(commit, ({ build }) => build?.status === 'building' && build.attempt === attempt, `attempt ${attempt} runs`);
      await killAndRestart();
    }
    expect(await server.status(`hash=${commit}`)).toMatchObject({ status: 'error', build: { status: 'interrupted', attempt: 2 } });
    expect(JSON.parse((await server.get(hostOf(commit), '/')).text)).toMatchObject({ error: 'build_interrupted' });
    expect(await builds()).toHaveLength(2);
  }, 90_000);

  it('K2: between start and ready, starts anew and leaves one container', async () => {
    await start();
    const commit = await sample.commit('sluggish', { Dockerfile: scriptDockerfile('sluggish.cjs'), 'sluggish.cjs': SLUGGISH });
    begin(commit);
    const [left] = await eventually(async () => { const all = await containers(); return all[0]?.state === 'running' && all; }, { what: 'a container starts' });
    await killAndRestart();
    const answer = await server.get(hostOf(commit), '/');
    expect([answer.status, answer.text]).toEqual([200, 'at last']);
    const now = await containers();
    expect(now).toEqual([{ id: expect.any(String) as unknown, state: 'running', release: left?.release, commit }]);
    expect(now[0]?.id).not.toBe(left?.id);
  }, 90_000);

  it('K5: while previews run, adopts them: the same containers, without a start', async () => {
    await start('--idle-stop', '12s');
    const commits = [sample.branches.main ?? '', sample.branches.realtime ?? ''];
    for (const commit of commits) expect((await server.get(hostOf(commit), '/')).status).toBe(200);
    const before = await containers();
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws`, { headers: { host: `${hostOf(commits[0] ?? '')}:${server.port}` } });
    await once(socket, 'open');
    socket.on('error', () => undefined);
    await killAndRestart();
    for (const commit of commits) {
      expect(await server.status(`hash=${commit}`)).toMatchObject({ status: 'running', lastError: null });
      expect(await server.visit(hostOf(commit), '/')).toMatchObject({ status: 200, headers: { 'x-slipway-commit': commit } });
    }
    expect(await containers()).toEqual(before);
    expect(server.logged()).not.toContain('instance runs');
    // What is adopted is still watched and still idles.
    await docker.getContainer(before[0]?.id ?? '').kill();
    await eventually(async () => (await containers()).every(({ id }) => id !== before[0]?.id), { what: 'the dead container goes' });
    await eventually(async () => (await containers()).length === 0, { what: 'the idle container goes', withinMs: 40_000 });
  }, 90_000);

  it('K2: while an idle preview is stopped, lets that end and starts it anew', async () => {
    await start('--idle-stop', '2s');
    const commit = await sample.commit('sluggish-end', { Dockerfile: scriptDockerfile('sluggish.cjs'), 'sluggish.cjs': SLUGGISH });
    expect((await server.get(hostOf(commit), '/')).status).toBe(200);
    const [first] = await containers();
    await until(commit, ({ status }) => status === 'stopping', 'it is stopped');
    await killAndRestart();
    await eventually(async () => (await server.get(hostOf(commit), '/')).text === 'at last', { what: 'it serves again' });
    await eventually(async () => (await containers()).every(({ id }) => id !== first?.id), { what: 'the stopped container goes' });
    const answer = await server.get(hostOf(commit), '/');
    expect([answer.status, await containers()]).toEqual([200, [{ id: expect.any(String) as unknown, state: 'running', release: first?.release, commit }]]);
  }, 90_000);

  it('K6: ends on SIGTERM with code 0 although streams are open, and leaves previews running', async () => {
    await start();
    const commit = sample.branches.main ?? '';
    expect((await server.get(hostOf(commit), '/')).status).toBe(200);
    const slow = await sample.commit('slow/open', { Dockerfile: slowDockerfile(20), ...unbuilt() });
    const before = await containers();
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws`, { headers: { host: `${hostOf(commit)}:${server.port}` } });
    await once(socket, 'open');
    const closed = once(socket, 'close');
    const events = await server.open(hostOf(slow), '/__slipway/events');
    const ended = once(events.resume(), 'close');
    await until(slow, ({ status }) => status === 'building', 'the build begins');
    const begun = performance.now();
    expect(await server.kill('SIGTERM')).toMatchObject({ code: 0, signal: null });
    expect(performance.now() - begun).toBeLessThan(20_000);
    await Promise.all([closed, ended]);
    expect(await containers()).toEqual(before);
    await server.restart();
    expect(await server.status(`hash=${slow}`)).toMatchObject({ build: { attempt: 1 } });
    await until(slow, ({ status }) => status === 'building', 'the build that was broken off goes on');
    expect(await server.get(hostOf(commit), '/')).toMatchObject({ status: 200 });
    expect(await containers()).toEqual(before);
  }, 90_000);

  it('K6: ends at once on a second signal', async () => {
    await start();
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws`, { headers: { host: `${hostOf(sample.branches.main ?? '')}:${server.port}` } });
    await once(socket, 'open');
    socket.on('error', () => undefined);
    const first = server.kill('SIGTERM');
    await eventually(() => server.get('localhost', '/healthz').then(() => false, () => true), { what: 'no connection is taken any more' });
    expect(await server.kill('SIGTERM')).toMatchObject({ code: 130 });
    await first;
  }, 60_000);
});
