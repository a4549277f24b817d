import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { imagesWith } from '../support/real-docker.js';
import { createSampleRepository, scriptDockerfile, unbuilt, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

interface BuildAnswer { readonly id: string; readonly commit: string; readonly key: string; readonly status: string; readonly reusedFrom: string | null }

describe('identical code, never built twice', () => {
  let sample: SampleRepository;
  let server: ServerProcess;
  let first: string;

  beforeAll(async () => {
    sample = await createSampleRepository();
    server = await startServer({ repository: sample.path });
    first = await sample.commit('keys', { '.dockerignore': 'README.md\n', ...unbuilt() });
  }, 120_000);
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  const open = (commit: string) => server.get(`hash-${commit}.localhost`, '/');
  const builds = async () => JSON.parse((await server.get('localhost', '/api/builds')).text) as BuildAnswer[];
  const buildOf = async (commit: string) => (await builds()).find((build) => build.commit === commit);

  it('P1: five at once are one build', async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => open(first)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect((await builds()).map(({ status }) => status)).toEqual(['succeeded']);
  }, 90_000);

  it('P2, P3: an empty commit and one that Docker would not see reuse the image, and say so', async () => {
    const known = await buildOf(first);
    await sample.git('commit', '--quiet', '--allow-empty', '-m', 'Nothing');
    const empty = await sample.git('rev-parse', 'HEAD');
    const readme = await sample.commit('keys', { 'README.md': 'another README\n' });
    for (const commit of [empty, readme]) {
      expect((await open(commit)).status).toBe(200);
      const build = await buildOf(commit);
      expect(build).toMatchObject({ status: 'reused', reusedFrom: known?.id, key: known?.key });
      expect((await server.get('localhost', `/api/builds/${build?.id ?? ''}/log`)).text).toContain(`reused build ${known?.id ?? ''} (build key ${known?.key.slice(0, 12) ?? ''})`);
      expect((await server.get('localhost', `/status?hash=${commit}`)).text).toBe('Ready');
    }
  }, 60_000);

  it('P2: another byte, and another mode, build', async () => {
    const bytes = await sample.commit('keys', unbuilt());
    await sample.git('update-index', '--chmod=+x', 'server.mjs');
    await sample.git('commit', '--quiet', '-m', 'Make it executable');
    await sample.git('reset', '--quiet', '--hard');
    const mode = await sample.git('rev-parse', 'HEAD');
    for (const commit of [bytes, mode]) expect((await open(commit)).status).toBe(200);
    const [one, two] = [await buildOf(bytes), await buildOf(mode)];
    expect([one?.status, two?.status]).toEqual(['succeeded', 'succeeded']);
    expect(one?.key).not.toBe(two?.key);
  }, 90_000);

  it('P2: names that differ in case only are two files: another byte in either builds, and both are in the image', async () => {
    const app = "import { readFileSync } from 'node:fs';\nimport { createServer } from 'node:http';\ncreateServer((_request, response) => response.end(readFileSync('A.txt', 'utf8') + readFileSync('a.txt', 'utf8'))).listen(3000);\n";
    const both = { 'Dockerfile': scriptDockerfile('cases.mjs'), 'cases.mjs': app, '.dockerignore': 'README.md\n', ...unbuilt() };
    const seen: [string, string | undefined][] = [];
    for (const files of [{ ...both, 'A.txt': 'A1', 'a.txt': 'a1' }, { 'a.txt': 'a2' }, { 'A.txt': 'A2' }]) {
      const commit = await sample.commit('cases', files);
      const { text } = await open(commit);
      const build = await buildOf(commit);
      expect(build?.status).toBe('succeeded');
      seen.push([text, build?.key]);
    }
    expect(seen.map(([text]) => text)).toEqual(['A1a1', 'A1a2', 'A2a2']);
    expect(new Set(seen.map(([, key]) => key)).size).toBe(3);
  }, 90_000);

  it('P4: a failed build leaves its log and no image', async () => {
    const commit = await sample.commit('broken/keys', { Dockerfile: 'FROM slipway-demo/node\nRUN echo looking && exit 3\n', ...unbuilt() });
    const before = (await imagesWith(server.label)).length;
    expect((await open(commit)).status).toBe(424);
    const build = await buildOf(commit);
    expect(build?.status).toBe('failed');
    expect((await server.get('localhost', `/api/builds/${build?.id ?? ''}/log`)).text).toContain('looking');
    expect(await imagesWith(server.label)).toHaveLength(before);
  }, 60_000);

  it('P14: with the records, the mirror and the logs deleted, the same commit builds nothing', async () => {
    await server.kill('SIGTERM');
    for (const name of await readdir(server.stateDir)) if (name !== 'instance' && name !== 'token') await rm(join(server.stateDir, name), { recursive: true });
    await server.restart();
    expect((await open(first)).status).toBe(200);
    expect((await builds()).map(({ status }) => status)).toEqual(['reused']);
  }, 60_000);
});

describe('a project whose context is a folder of the repository', () => {
  it('P14: builds nothing for what changes beside it, and serves what changes in it', async () => {
    await using sample = await createSampleRepository();
    const { project, path } = sample;
    const app = "import { readFileSync } from 'node:fs';\nimport { createServer } from 'node:http';\ncreateServer((_request, response) => response.end(readFileSync('words.txt', 'utf8'))).listen(3000);\n";
    const first = await sample.commit('apps', { 'apps/a/Dockerfile': scriptDockerfile('app.mjs'), 'apps/a/app.mjs': app, 'apps/a/words.txt': 'of a', 'apps/a/unbuilt.txt': unbuilt()['unbuilt.txt'] ?? '', 'apps/b/words.txt': 'of b' });
    const beside = await sample.commit('apps', { 'apps/b/words.txt': 'other ones of b', 'apps/b/another.txt': 'x', 'words.txt': 'of the repository' });
    const inside = await sample.commit('apps', { 'apps/a/words.txt': 'other ones of a' });
    await using server = await startServer({ config: `projects:\n  ${project}:\n    repository: ${path}\n    build: { context: apps/a }\n` });
    const shown: string[] = [];
    for (const commit of [first, beside, inside]) shown.push((await server.get(`hash-${commit}.localhost`, '/')).text);
    expect(shown).toEqual(['of a', 'of a', 'other ones of a']);
    const [one, two, three] = await Promise.all([first, beside, inside].map(async (commit) => (await server.status(`hash=${commit}`)).build));
    expect([one?.status, two?.status, two?.reusedFrom, two?.image, three?.status]).toEqual(['succeeded', 'reused', one?.id, one?.image, 'succeeded']);
    expect(await imagesWith(server.label)).toHaveLength(2);
  }, 120_000);
});
