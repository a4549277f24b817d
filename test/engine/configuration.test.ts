import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { startStagedServer, versionOf, type StagedServer } from '../support/staged-server.js';

interface Row { readonly id: string; readonly route: string; readonly reason: string; readonly image: string }
interface Values { readonly colour: string; readonly speed: string; readonly breaks?: boolean }

/** Which does not start where it is told to break. */
const FRAGILE = `if (process.env.BREAKS) { console.error('broken by its configuration'); process.exit(1); }\n${versionOf('')['app.cjs'] ?? ''}`;
const BELOW_PROJECT = ({ colour, speed, breaks = false }: Values) =>
  `    run: { env: { COLOUR: ${colour}${breaks ? ', BREAKS: "1"' : ''} } }\n    environments: { jet: { env: { SPEED: ${speed} } } }\n`;
const RED: Values = { colour: 'red', speed: 'slow' };
const BLUE: Values = { colour: 'blue', speed: 'fast' };
const FOLLOWING = ['dev', 'branch-coloured', 'jet-branch-coloured'];

describe('X9c: another configuration file at the next start', () => {
  let server: StagedServer;
  let commit: string;
  const rows = () => server.read<Row[]>('releases');
  const env = async (label: string) => { const { COLOUR, SPEED } = JSON.parse(await server.shown(label, '/env')) as Record<string, string>; return [COLOUR, SPEED]; };
  const builds = async () => JSON.parse((await server.get('localhost', '/api/builds')).text) as object[];
  const restartWith = async (values: Values) => {
    expect(await server.kill('SIGTERM')).toMatchObject({ code: 0 });
    const { project, sample } = server;
    await writeFile(join(server.stateDir, 'slipway.yaml'), `projects:\n  ${project}:\n    repository: ${sample.path}\n    stages: { dev: {}, test: {}, prod: {} }\n${BELOW_PROJECT(values)}`);
    await server.restart();
  };

  beforeAll(async () => {
    server = await startStagedServer(BELOW_PROJECT(RED));
    commit = await server.sample.commit('coloured', { ...versionOf('one'), 'app.cjs': FRAGILE });
    expect((await server.post('publish', { commit })).status).toBe(200);
    expect(await Promise.all([...FOLLOWING, `hash-${commit}`].map(env))).toEqual([['red', undefined], ['red', undefined], ['red', 'slow'], ['red', undefined]]);
  }, 120_000);
  afterAll(async () => { await server[Symbol.asyncDispose](); }, 60_000);

  it('is a config release on the same image for the stage and the branches, in every environment; a commit has it at its next start; no row changes', async () => {
    const [before, built] = [await rows(), await builds()];
    await restartWith(BLUE);
    for (const label of FOLLOWING) await eventually(async () => (await env(label))[0] === 'blue', { what: `${label} has the new configuration` });
    expect(await Promise.all([...FOLLOWING, `hash-${commit}`].map(env))).toEqual([['blue', undefined], ['blue', undefined], ['blue', 'fast'], ['red', undefined]]);
    expect((await server.post(`previews/hash-${commit}/restart`)).status).toBe(200);
    expect(await env(`hash-${commit}`)).toEqual(['blue', undefined]);
    const now = await rows();
    expect(JSON.stringify(now.slice(-before.length))).toBe(JSON.stringify(before));
    const made = now.slice(0, -before.length);
    expect(made.map(({ route, reason }) => `${route} ${reason}`).sort()).toEqual([...FOLLOWING, `hash-${commit}`].map((route) => `${route} config`).sort());
    expect(new Set(now.map(({ image }) => image)).size).toBe(1);
    expect(await builds()).toEqual(built);
  }, 120_000);

  it('changes nothing where the application does not start with it: what served goes on, and its stage says why', async () => {
    const current = await server.read<{ release: string }>('stages/dev');
    const before = await env('dev');
    await restartWith({ ...BLUE, colour: 'black', breaks: true });
    const failed = await eventually(async () => { const stage = await server.read<{ lastError: object | null }>('stages/dev'); return stage.lastError !== null && stage; }, { what: 'the failure is noted' });
    expect(failed).toMatchObject({ status: 'running', release: current.release, lastError: { code: 'crashed', message: expect.stringContaining('code 1') as unknown } });
    expect(await env('dev')).toEqual(before);
  }, 120_000);
});
