import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { containersWith } from '../support/real-docker.js';
import { createSampleRepository, scriptDockerfile, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type Answer, type ServerProcess, type StatusAnswer } from '../support/server-process.js';

/** Answers `/` with its version. `/healthz` answers 500 in a bad version, and in others once somebody asked for `/sicken`. */
const appOf = (version: string) => `
let isWell = '${version}' !== 'bad';
const answer = (response, status, text) => { response.statusCode = status; response.end(text); };
const server = require('node:http').createServer((request, response) => {
  if (request.url === '/healthz') return answer(response, isWell ? 200 : 500, 'health');
  if (request.url === '/sicken') isWell = false;
  if (request.url === '/slow') return setTimeout(() => answer(response, 200, '${version}'), 3000);
  answer(response, 200, '${version}');
});
server.listen(3000);
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`;

describe('a health line', () => {
  let sample: SampleRepository;
  let server: ServerProcess;
  const HOST = 'branch-release.localhost';

  const commit = (version: string) => sample.commit('release', { 'Dockerfile': scriptDockerfile('app.cjs'), 'app.cjs': appOf(version) });
  /** What anybody does who looks for a branch that was pushed just now. */
  const causeFetch = () => server.get('localhost', `/?branch=not-there-${Math.random().toString(36).slice(2)}`);
  /** What the list of all previews says of the branch’s own. */
  const routeOf = async () => (JSON.parse((await server.get('localhost', '/status')).text) as (StatusAnswer & { readonly label: string })[]).find(({ label }) => label === 'branch-release');
  const becomes = (isSo: (route: StatusAnswer) => boolean, what: string) => eventually(async () => { const route = await routeOf(); return route && isSo(route) && route; }, { what, withinMs: 60_000 });

  beforeAll(async () => {
    sample = await createSampleRepository();
    await commit('one');
    server = await startServer({
      config: `projects:\n  ${sample.project}:\n    repository: ${sample.path}\n    run: { readyTimeout: 3s, health: { test: { front: GET /healthz 200 }, every: 500ms, timeout: 2s, unhealthy: 3s } }\n`,
    });
  }, 120_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  it('P8: an application that answers 200 and then 500 runs on with its error, and is started anew', async () => {
    expect((await server.get(HOST, '/')).text).toBe('one');
    expect(await routeOf()).toMatchObject({ status: 'running', lastError: null, restarts: 0 });
    const [before] = await containersWith(server.label);
    await server.get(HOST, '/sicken');
    const sick = await becomes(({ lastError }) => lastError !== null, 'its failure is said');
    expect(sick).toMatchObject({ status: 'running', restarts: 0, lastError: { code: 'unhealthy', message: 'Release v1: not healthy: GET /healthz 500.' } });
    expect((await server.get(HOST, '/')).text).toBe('one');
    const well = await becomes(({ restarts }) => restarts > 0, 'it is started anew');
    expect(well).toMatchObject({ restarts: 1, release: 'v1' });
    await becomes(({ status, lastError }) => status === 'running' && lastError === null, 'it is well');
    expect((await server.get(HOST, '/')).text).toBe('one');
    const now = await containersWith(server.label);
    expect([now.length, now[0]?.Id === before?.Id]).toEqual([1, false]);
    expect(server.logged()).toContain('Release v1: not healthy for 3 s: GET /healthz 500.');
  }, 120_000);

  it('P7: a commit that does not get healthy never serves: every request gets the old one, and the route says why', async () => {
    await commit('bad');
    await causeFetch();
    let refused: StatusAnswer | undefined;
    const answers: Answer[] = [];
    while (!refused || answers.length < 200) {
      answers.push(await server.get(HOST, '/'));
      const route = await routeOf();
      if (route?.lastError) refused ??= route;
    }
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`))).toEqual(new Set(['200 one']));
    expect(refused).toMatchObject({ status: 'running', release: 'v1', lastError: { message: 'Release v2: not healthy after 3 s: GET /healthz 500.' } });
    expect((await containersWith(server.label)).map(({ Labels }) => Labels['slipway.release'])).toEqual(['1']);
  }, 120_000);

  it('P7: the good commit after it takes over without a failed request, and what the old one was asked before is answered', async () => {
    await commit('two');
    const slow = server.get(HOST, '/slow');
    await causeFetch();
    const texts: string[] = [];
    await eventually(async () => {
      const { status, text } = await server.get(HOST, '/');
      texts.push(`${status} ${text}`);
      return text === 'two';
    }, { what: 'the good one serves', withinMs: 60_000 });
    expect(texts.slice(0, -1).every((text) => text === '200 one')).toBe(true);
    expect(await slow).toMatchObject({ status: 200, text: 'one' });
    expect(await routeOf()).toMatchObject({ status: 'running', lastError: null, restarts: 0 });
  }, 120_000);
});
