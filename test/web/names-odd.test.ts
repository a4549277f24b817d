import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseCommitHash, parseEnvironmentName, type CommitHash, type RefName } from '../../src/domain/ids.js';
import { slugOf } from '../../src/domain/slug.js';
import type { ContainerSpec } from '../../src/engine/port.js';
import { createTestFolder, type TestRepository } from '../support/git.js';
import { recordGit, type GitRecorder } from '../support/git-recorder.js';
import { echo, NAVIGATION, startTestApp, type TestApp } from '../support/test-app.js';

const folder = createTestFolder();
const canaries = join(folder.path, 'canaries');
/** Every name is one that git accepts; run by a shell or taken for an option it would make a file. */
const NAMES = [
  '--upload-pack=touch${IFS}pwn', `--upload-pack=touch\${IFS}${canaries}-1`, '--exec=touch${IFS}pwn', '--output=pwn', '-x', '-', '--', '--all', '-c', '--end-of-options',
  'f/$(touch${IFS}pwn)', `f/$(touch\${IFS}${canaries}-2)`, 'a`id`', '`touch${IFS}pwn`', 'a;b', `a;touch\${IFS}${canaries}-3`, 'a|b', 'a|tee${IFS}pwn', 'a&b', 'a&touch${IFS}pwn&', 'a\'b', '\';touch${IFS}pwn;\'', 'a"b', '";touch${IFS}pwn;"',
  '%2e%2e', '%2e%2e%2f%2e%2e%2fpwn', '%00', '%0d%0aX=y', '${PATH}', '$HOME', '!!', '#x', 'a#b', 'a=b', 'a,b', '{a,b}', '(a)', '<a>', '>pwn', 'a>pwn', '+refs/heads/x', '@x', 'a@b',
];

let app: TestApp;
let recorder: GitRecorder;
const commits = new Map<string, CommitHash>();
const started: ContainerSpec[] = [];
const query = (name: string): string => `/?branch=${encodeURIComponent(name)}`;
const portless = (location: string | undefined): string => new URL(location ?? '').hostname;

/** Every branch with a tree of its own, so that each is built. */
function push(repository: TestRepository): void {
  for (const [index, name] of NAMES.entries()) {
    const blob = repository.gitWithInput(`tree ${index}\n`, 'hash-object', '-w', '--stdin');
    const dockerfile = repository.git('rev-parse', 'main:Dockerfile');
    const tree = repository.gitWithInput(`100644 blob ${dockerfile}\tDockerfile\n100644 blob ${blob}\tindex.txt\n`, 'mktree');
    const commit = parseCommitHash(repository.git('-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', 'commit-tree', '-m', `on ${name}`, tree));
    repository.git('update-ref', `refs/heads/${name}`, commit);
    commits.set(name, commit);
  }
}

beforeAll(async () => {
  recorder = recordGit(folder.path);
  const jet = parseEnvironmentName('jet-pack');
  app = await startTestApp({
    prepare: push,
    program: (spec) => { started.push(spec); return { serve: echo(spec), lines: ['listening'] }; },
    configure: (config) => ({
      ...config, surroundings: { ...config.surroundings, path: recorder.path },
      projects: config.projects.map((project) => ({ ...project, environments: new Map([[jet, { env: { JET: '1' } }]]) })),
    }),
  });
}, 60_000);
afterAll(async () => {
  await app[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

describe('branches whose names could be options, commands or paths', () => {
  it('A2, A3: each is built and served like any other, at its commit, by its own host and in an environment', async () => {
    for (const [name, commit] of commits) {
      const led = await app.control(`${query(name)}&x=1`);
      expect([name, led.status, led.headers.location]).toEqual([name, 302, `http://hash-${commit}.localhost:${app.port}/?x=1`]);
      const answer = await app.get(portless(led.headers.location), '/?x=1');
      expect([name, answer.status, answer.headers['x-slipway-commit']]).toEqual([name, 200, commit]);
      expect(answer.json()).toMatchObject({ commit, url: '/?x=1' });
    }
    expect(app.engine.calls.build).toBe(NAMES.length);
    for (const name of NAMES.slice(0, 4)) {
      expect(portless((await app.control(`${query(name)}&env=jet-pack`)).headers.location)).toBe(`jet-pack-hash-${commits.get(name) ?? ''}.localhost`);
      const followed = await app.get(`branch-${slugOf(name as RefName)}.localhost`, '/');
      expect([name, followed.status, followed.json().commit]).toEqual([name, 200, commits.get(name)]);
    }
    expect(app.engine.calls.build).toBe(NAMES.length);
  }, 120_000);

  it('A3: and shown on every page about it', async () => {
    for (const path of ['/', '/?page=2', '/status', '/log', ...NAMES.slice(0, 3).map((name) => `/previews/branch-${slugOf(name as RefName)}`)]) {
      expect([path, (await app.control(path, { headers: NAVIGATION })).status]).toEqual([path, 200]);
    }
  });

  it('A2: none is an argument of git, or a part of one', async () => {
    await app.fetch(app.repository.commit({ later: 'x' }));
    const calls = recorder.calls();
    expect(calls.length).toBeGreaterThan(NAMES.length);
    // These are words of git's own as well: where they stand for themselves nothing can be seen.
    const usual = new Set(['-c', '--', '--all', '--end-of-options', '%00']);
    for (const name of NAMES.filter((each) => !usual.has(each))) {
      const given = calls.flat().filter((argument) => argument === name || (name.length > 2 && argument.includes(name)));
      expect([name, given]).toEqual([name, []]);
    }
    // No ref of a user is named at all: heads and tags are fetched and listed together.
    expect(calls.flat().filter((argument) => /refs\/(?:heads|tags)\/(?!\*)/.test(argument))).toEqual([]);
  });

  it('A2, A3: nothing is run: no file appears anywhere', () => {
    const left = [app.repository.path, app.stateDir, folder.path, process.cwd()]
      .flatMap((place) => readdirSync(place, { recursive: place !== process.cwd(), encoding: 'utf8' }).filter((path) => basename(path).startsWith('pwn') && !path.includes('refs/')));
    expect(left).toEqual([]);
    for (const index of [1, 2, 3]) expect(existsSync(`${canaries}-${index}`)).toBe(false);
  });

  it('A3: what Docker is given as a name is made of ids and hexadecimal digits only', () => {
    expect(app.engine.builds).toHaveLength(NAMES.length);
    for (const { project, build, key, tags, dockerfile, target, args } of app.engine.builds) {
      expect([project, build, key].join(' ')).toMatch(/^[a-z0-9-]+ b_[0-9A-Z]{26} [0-9a-f]{64}$/);
      for (const tag of tags) expect(tag).toMatch(/^slipway\/[a-z0-9-]+:[0-9a-f]{32,40}$/);
      expect([dockerfile, target, args]).toEqual(['Dockerfile', null, {}]);
    }
    for (const { project, release, commit, environment, image, env } of started) {
      expect([project, release, commit, environment ?? '-', image].join(' ')).toMatch(/^[a-z0-9-]+ \d+ [0-9a-f]{40} (?:-|jet-pack) sha256:[0-9a-f]{64}$/);
      expect(Object.keys(env).join(' ')).toMatch(/^[A-Z_ ]+$/);
    }
    // The one place where a name goes: the value of a variable, which nobody interprets.
    expect(new Set(started.map(({ env }) => env.SLIPWAY_BRANCH))).toEqual(new Set(NAMES));
  });
});
