import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { containersWith, docker } from '../support/real-docker.js';
import { createSampleRepository, scriptDockerfile, slowDockerfile, unbuilt, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

const MANY = 1_000;
const MIB = 1024 * 1024;
/** Ends three seconds after it was told to. */
const SLOW_TO_END = `
require('node:http').createServer((request, response) => response.end(JSON.stringify({ url: request.url }))).listen(3000);
process.on('SIGTERM', () => setTimeout(() => process.exit(0), 3000));
`;

describe('K18: a thousand first requests at once', () => {
  let sample: SampleRepository;
  let server: ServerProcess;

  beforeAll(async () => {
    sample = await createSampleRepository();
    server = await startServer({ repository: sample.path, args: ['--hold-request', '60s', '--idle-sleep', '5s', '--idle-stop', '20s'] });
  }, 120_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  /** What the engine did to containers of a commit so far, by verb. */
  const verbsOf = async (commit: string, verbs: readonly string[] = ['create', 'start']) => {
    // With an end in the past the stream of events ends by itself.
    const until = Math.ceil(Date.now() / 1_000);
    const events = await docker.getEvents({ since: until - 300, until, filters: { type: ['container'], label: [server.label, `slipway.commit=${commit}`], event: [...verbs] } });
    const lines = (await text(events as Readable)).split('\n').filter((line) => line !== '');
    return lines.map((line) => (JSON.parse(line) as { Action: string }).Action).sort();
  };
  const buildsOf = async (commit: string) =>
    (JSON.parse((await server.get('localhost', '/api/builds')).text) as { commit: string; status: string }[]).filter((build) => build.commit === commit).map(({ status }) => status);
  const containersOf = async (commit: string) => (await containersWith(server.label)).filter(({ Labels }) => Labels['slipway.commit'] === commit);
  const hostOf = (commit: string) => `hash-${commit}.localhost`;

  const askAll = async (commit: string) => {
    const answers = await Promise.all(Array.from({ length: MANY }, (_, number) => server.get(hostOf(commit), `/echo?n=${number}`)));
    const wrong = answers.filter((answer, number) => answer.status !== 200 || (JSON.parse(answer.text) as { url: string }).url !== `/echo?n=${number}`);
    return wrong.map(({ status, text: body }) => `${status} ${body.slice(0, 200)}`);
  };
  const memory = async (line: string) => Number(new RegExp(`^${line}:\\s+(\\d+) kB`, 'm').exec(await readFile(`/proc/${server.pid}/status`, 'utf8'))?.[1]) * 1024;

  it('for a commit that nobody built make one build and one container, all are answered by the application, and memory is bounded', async () => {
    const commit = await sample.commit('wanted', unbuilt());
    expect((await server.get('localhost', '/?branch=wanted')).status).toBe(302);
    const before = await memory('VmRSS');
    expect(await askAll(commit)).toEqual([]);
    expect(await buildsOf(commit)).toEqual(['succeeded']);
    expect(await containersOf(commit)).toHaveLength(1);
    expect(await verbsOf(commit)).toEqual(['create', 'start']);
    expect(await memory('VmHWM') - before).toBeLessThan(256 * MIB);
  }, 120_000);

  it('for a commit that is built and does not run make one container and no build', async () => {
    const commit = await sample.commit('built', unbuilt());
    expect((await server.get(hostOf(commit), '/')).status).toBe(200);
    for (const { Id } of await containersOf(commit)) await docker.getContainer(Id).remove({ force: true });
    expect(await askAll(commit)).toEqual([]);
    expect(await buildsOf(commit)).toEqual(['succeeded']);
    expect(await containersOf(commit)).toHaveLength(1);
    expect(await verbsOf(commit)).toEqual(['create', 'create', 'start', 'start']);
  }, 120_000);

  it('for one that is being stopped wait for that, and make one container', async () => {
    const commit = await sample.commit('stopping', { Dockerfile: scriptDockerfile('slow-to-end.cjs'), 'slow-to-end.cjs': SLOW_TO_END });
    expect((await server.get(hostOf(commit), '/')).status).toBe(200);
    await eventually(async () => (await server.status(`hash=${commit}`)).status === 'stopping', { what: 'it is stopped', withinMs: 60_000 });
    expect(await askAll(commit)).toEqual([]);
    expect(await containersOf(commit)).toHaveLength(1);
    expect(await verbsOf(commit)).toEqual(['create', 'create', 'start', 'start']);
  }, 120_000);

  it('for one that sleeps wake it once, and make no container', async () => {
    const commit = await sample.commit('sleeping', unbuilt());
    expect((await server.get(hostOf(commit), '/')).status).toBe(200);
    await eventually(async () => (await server.status(`hash=${commit}`)).status === 'sleeping', { what: 'it sleeps' });
    expect(await askAll(commit)).toEqual([]);
    expect(await buildsOf(commit)).toEqual(['succeeded']);
    expect(await verbsOf(commit, ['create', 'start', 'unpause'])).toEqual(['create', 'start', 'unpause']);
  }, 120_000);

  it('of people are answered with the waiting page, and make one build', async () => {
    const commit = await sample.commit('slow/crowd', { Dockerfile: slowDockerfile(8), ...unbuilt() });
    const pages = await Promise.all(Array.from({ length: MANY }, () => server.visit(hostOf(commit), '/')));
    expect(new Set(pages.map(({ status, headers }) => `${status} ${headers['retry-after'] ?? ''}`))).toEqual(new Set(['503 2']));
    await eventually(async () => (await server.status(`hash=${commit}`)).status === 'running', { what: 'it runs', withinMs: 60_000 });
    expect(await buildsOf(commit)).toEqual(['succeeded']);
    expect(await verbsOf(commit)).toEqual(['create', 'start']);
  }, 120_000);
});
