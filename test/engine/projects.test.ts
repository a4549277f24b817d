import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { containersWith, docker } from '../support/real-docker.js';
import { createSampleRepository, unbuilt, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

const run = promisify(execFile);

/** Serves what an early step wrote, which a cached layer would share with other commits. */
const STAMPED = {
  'Dockerfile': 'FROM slipway-demo/node\nRUN ["node", "-e", "fs.writeFileSync(\'/made-at\', String(process.hrtime.bigint()))"]\nWORKDIR /app\nCOPY . .\nEXPOSE 3000\nCMD ["node", "clock.cjs"]\n',
  'clock.cjs': "const { readFileSync } = require('node:fs');\nrequire('node:http').createServer((_request, response) => response.end(readFileSync('/made-at'))).listen(3000);\n",
};

describe('two projects on one server', () => {
  let sample: SampleRepository;
  let server: ServerProcess;
  let folder: string;

  beforeAll(async () => {
    sample = await createSampleRepository();
    folder = await mkdtemp(join(tmpdir(), 'slipway-journal-'));
    await run(process.execPath, ['docker/demo/sample-repository.mjs', join(folder, 'journal'), 'journal']);
    server = await startServer({
      config: `projects:
  ${sample.project}:
    repository: ${sample.path}
    build: { cache: false }
    run: { env: { GREETING: Welcome } }
    environments: { black-friday: { env: { GREETING: Everything must go }, memory: 300MiB } }
  journal:
    repository: ${join(folder, 'journal')}
    host: journal.localhost
`,
    });
  }, 120_000);
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  const environmentOf = async (host: string) => JSON.parse((await server.get(host, '/env')).text) as Record<string, string>;

  it('each on its own host, found from the server’s as well', async () => {
    const trunk = await server.get('localhost', '/?branch=trunk');
    expect(trunk.headers.location).toMatch(new RegExp(`^http://hash-[0-9a-f]{40}\\.journal\\.localhost:${server.port}/$`));
    expect((await server.get(new URL(trunk.headers.location ?? '').hostname, '/')).text).toContain('Sample journal');
    const main = sample.branches.main ?? '';
    expect((await server.get('localhost', `/p?hash=${main}`)).headers.location).toBe(`http://hash-${main}.${sample.project}.localhost:${server.port}/p`);
    expect((await server.get(`hash-${main}.localhost`, '/p')).headers.location).toBe(`http://hash-${main}.${sample.project}.localhost:${server.port}/p`);
    expect((await server.visit('localhost', '/')).text).toContain(`http://${sample.project}.localhost:${server.port}/`);
  }, 90_000);

  it('with the variables and limits of an environment', async () => {
    const main = sample.branches.main ?? '';
    expect(await environmentOf(`hash-${main}.${sample.project}.localhost`)).toMatchObject({ GREETING: 'Welcome', SLIPWAY_ENV: '' });
    expect(await environmentOf(`black-friday-hash-${main}.${sample.project}.localhost`)).toMatchObject({ GREETING: 'Everything must go', SLIPWAY_ENV: 'black-friday' });
    const memory = await Promise.all((await containersWith(server.label)).filter(({ Labels }) => Labels['slipway.commit'] === main)
      .map(async ({ Id, Labels }) => [Labels['slipway.environment'], (await docker.getContainer(Id).inspect()).HostConfig.Memory] as const));
    expect(Object.fromEntries(memory)).toEqual({ '': 536_870_912, 'black-friday': 314_572_800 });
  }, 90_000);

  it('F7: whose containers do not share a network', async () => {
    const networks = (await containersWith(server.label)).map(({ Labels, NetworkSettings }) => [Labels['slipway.project'], Object.keys(NetworkSettings.Networks).join()] as const);
    const byProject = new Map(networks);
    expect(byProject.size).toBe(2);
    expect(new Set(byProject.values()).size).toBe(2);
    for (const [project, network] of networks) expect(network).toBe(byProject.get(project));
  });

  it('D18: without cache, two commits with the same step have layers of their own', async () => {
    const made = async (branch: string) => {
      const commit = await sample.commit(branch, { ...STAMPED, ...unbuilt() });
      return (await server.get(`hash-${commit}.${sample.project}.localhost`, '/')).text;
    };
    const [first, second] = [await made('stamped/first'), await made('stamped/second')];
    expect(first).toMatch(/^\d+$/);
    expect(second).toMatch(/^\d+$/);
    expect(second).not.toBe(first);
  }, 120_000);
});
