import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { containersWith, docker } from '../support/real-docker.js';
import { createSampleRepository, scriptDockerfile, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

const WEB = "console.log('web is up');\nrequire('node:http').createServer((_request, response) => response.end('hello')).listen(3000);\nprocess.on('SIGTERM', () => { console.log('web ends'); process.exit(0); });\n";
/** Works all the time, with the settings that web has, until it is told to end. */
const WORKER = "let n = 0;\nsetInterval(() => console.log(`step ${++n} for ${process.env.GREETING} of ${process.env.SLIPWAY_RELEASE}`), 100);\nprocess.on('SIGTERM', () => { console.log('worker ends'); process.exit(0); });\nprocess.on('SIGUSR2', () => process.exit(3));\n";

describe('X4p: processes of one release', () => {
  let sample: SampleRepository;
  let server: ServerProcess;
  let commit: string;
  const host = () => `hash-${commit}.localhost`;
  const logOf = async (process: string) => (await server.get('localhost', `/api/previews/hash-${commit}/log?process=${process}`)).text;
  const containers = async () => (await containersWith(server.label)).map(({ Names, State, Labels }) => ({ name: Names[0], state: State, process: Labels['slipway.process'] }));
  const named = (process: string) => containersWith(server.label).then((all) => all.find(({ Labels }) => Labels['slipway.process'] === process)?.Id ?? '');

  beforeAll(async () => {
    sample = await createSampleRepository();
    commit = await sample.commit('with-worker', { 'Dockerfile': scriptDockerfile('web.cjs'), 'web.cjs': WEB, 'worker.cjs': WORKER });
    server = await startServer({
      config: `idle: { stop: 6s }\nprojects:\n  ${sample.project}:\n    repository: ${sample.path}\n    run: { env: { GREETING: everybody }, processes: { web: null, worker: [node, worker.cjs] } }\n    stages: { dev: {} }\n`,
    });
  }, 120_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  it('its worker’s log grows while web serves, and is its own', async () => {
    expect((await server.get(host(), '/')).text).toBe('hello');
    const first = await eventually(async () => { const text = await logOf('worker'); return text.includes('step 1') && text; }, { what: 'the worker works' });
    expect(first).toMatch(/Z step 1 for everybody of v1\n/);
    await eventually(async () => { await server.get(host(), '/'); return (await logOf('worker')).length > first.length; }, { what: 'its log grows' });
    expect(await logOf('web')).toMatch(/^\S+ web is up\n$/);
    expect((await containers()).sort((a, b) => String(a.process).localeCompare(String(b.process)))).toEqual([
      { name: `/slipway-${server.instance}-${sample.project}-1`, state: 'running', process: '' },
      { name: `/slipway-${server.instance}-${sample.project}-1.worker`, state: 'running', process: 'worker' },
    ]);
  }, 90_000);

  it('both are gone after it stopped, having been told to end, and their logs are kept', async () => {
    await eventually(async () => (await containers()).length === 0, { what: 'the idle set goes', withinMs: 45_000 });
    expect([await logOf('web'), await logOf('worker')]).toEqual([expect.stringMatching(/Z web ends\n$/), expect.stringMatching(/Z worker ends\n$/)]);
    expect(await server.status(`hash=${commit}`)).toMatchObject({ status: 'stopped', lastError: null });
  }, 60_000);

  it('a server that is killed and started again takes both over', async () => {
    await server.kill('SIGTERM');
    await server.restart(['--idle-stop', '10m']);
    expect((await server.get(host(), '/')).text).toBe('hello');
    const before = (await containersWith(server.label)).map(({ Id }) => Id).sort();
    await server.kill('SIGKILL');
    await server.restart(['--idle-stop', '10m']);
    expect((await server.get(host(), '/')).text).toBe('hello');
    expect((await containersWith(server.label)).map(({ Id }) => Id).sort()).toEqual(before);
    expect(server.logged()).not.toContain('instance runs');
  }, 60_000);

  it('a worker that dies ends the set, with its name in the reason, and the next visit starts both', async () => {
    expect((await server.get(host(), '/')).text).toBe('hello');
    // It ends by itself: with another signal than those that tell a program to end.
    await docker.getContainer(await named('worker')).kill({ signal: 'SIGUSR2' });
    const status = await eventually(async () => { const now = await server.status(`hash=${commit}`); return now.status === 'error' && now; }, { what: 'the crash is said' });
    expect(status).toMatchObject({ status: 'error', lastError: { code: 'crashed', message: 'Its process worker exited with code 3.' } });
    await eventually(async () => (await containers()).length === 0, { what: 'the set is gone' });
    expect(await logOf('web')).toMatch(/Z web ends\n$/);
    expect((await server.get(host(), '/')).text).toBe('hello');
    expect((await containers()).map(({ process }) => process).sort()).toEqual(['', 'worker']);
    expect(await server.status(`hash=${commit}`)).toMatchObject({ status: 'running', lastError: null, restarts: 1 });
  }, 90_000);

  it('H1: a release whose worker dies just after web answered takes no stage over, and the old one serves on', async () => {
    const publish = async (hash: string) => server.get('localhost', `/api/projects/${sample.project}/publish`, { method: 'POST', body: JSON.stringify({ commit: hash }), headers: { authorization: `Bearer ${await server.token()}` } });
    const stage = async () => JSON.parse((await server.get('localhost', `/api/projects/${sample.project}/stages/dev`)).text) as Record<string, unknown>;
    expect((await publish(commit)).status).toBe(200);
    const before = await stage();
    const dying = await sample.commit('with-worker', { 'worker.cjs': "console.log('no database');\nsetTimeout(() => process.exit(0), 100);\n" });
    const refused = await publish(dying);
    expect([refused.status, JSON.parse(refused.text)]).toEqual([502, expect.objectContaining({ error: 'crashed', message: expect.stringMatching(/^Its process worker exited with code 0 after/), lastLines: ['no database'] })]);
    expect(await stage()).toMatchObject({ status: 'running', release: before.release, commit, restarts: 0, lastError: { code: 'crashed' } });
    expect((await server.get('dev.localhost', '/')).text).toBe('hello');
  }, 90_000);
});
