import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestFolder } from '../support/git.js';
import { recordGit, type GitRecorder } from '../support/git-recorder.js';
import { containersWith, docker, imagesWith, networksWith } from '../support/real-docker.js';
import { createSampleRepository, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

const NAMES = ['--upload-pack=touch${IFS}pwn', '-x', 'f/$(touch${IFS}pwn)', '`touch${IFS}pwn`', 'a;touch${IFS}pwn', 'a|tee${IFS}pwn', 'a&b', "a'b", 'a"b', '%2e%2e', 'é/🚀'];

describe('branches whose names could be options, commands or paths, with Docker', () => {
  const folder = createTestFolder();
  const commits = new Map<string, string>();
  let sample: SampleRepository;
  let server: ServerProcess;
  let recorder: GitRecorder;

  beforeAll(async () => {
    recorder = recordGit(folder.path);
    sample = await createSampleRepository();
    for (const name of NAMES) {
      // The same files: one image for all of them, and a container for each.
      const commit = await sample.git('commit-tree', '-m', `on ${name}`, 'main^{tree}');
      await sample.git('update-ref', `refs/heads/${name}`, commit);
      commits.set(name, commit);
    }
    server = await startServer({ repository: sample.path, env: { PATH: recorder.path } });
  }, 120_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  }, 60_000);

  it('A2, A3: each runs at its commit, and is told its name as it is', async () => {
    for (const [name, commit] of commits) {
      const led = await server.get('localhost', `/env?branch=${encodeURIComponent(name)}`);
      expect([name, led.status, led.headers.location]).toEqual([name, 302, `http://hash-${commit}.localhost:${server.port}/env`]);
      const answer = await server.get(`hash-${commit}.localhost`, '/env');
      expect([name, answer.status, answer.headers['x-slipway-commit']]).toEqual([name, 200, commit]);
      expect(JSON.parse(answer.text)).toMatchObject({ SLIPWAY_BRANCH: name, SLIPWAY_COMMIT: commit });
    }
  }, 180_000);

  it('A3: Docker knows containers, images and networks by ids and hexadecimal digits only', async () => {
    const containers = await containersWith(server.label);
    expect(containers).toHaveLength(NAMES.length);
    for (const { Id } of containers) {
      const { Name, Config } = await docker.getContainer(Id).inspect();
      expect(Name).toMatch(/^\/[a-z0-9-]+$/);
      for (const [label, value] of Object.entries(Config.Labels)) if (label.startsWith('slipway.')) expect([label, value]).toEqual([label, expect.stringMatching(/^[\w-]*$/)]);
    }
    const tags = (await imagesWith(server.label)).flatMap(({ RepoTags }) => RepoTags ?? []);
    expect(tags.length).toBeGreaterThanOrEqual(NAMES.length);
    for (const tag of tags) expect(tag).toMatch(/^slipway\/[a-z0-9-]+:[0-9a-f]{32,40}$/);
    for (const { Name } of await networksWith(server.label)) expect(Name).toMatch(/^[a-z0-9-]+$/);
  });

  it('A2, A3: nothing was run, and git was given none of the names', async () => {
    const places = await Promise.all([readdir('.'), readdir(sample.path, { recursive: true }), readdir(server.stateDir, { recursive: true }), readdir(join(folder.path), { recursive: true })]);
    expect(places.flat().filter((path) => basename(path).startsWith('pwn') && !path.includes('refs/'))).toEqual([]);
    const given = recorder.calls().flat();
    expect(given.length).toBeGreaterThan(0);
    for (const name of NAMES) expect([name, given.filter((argument) => argument === name || (name.length > 2 && argument.includes(name)))]).toEqual([name, []]);
  });
});
