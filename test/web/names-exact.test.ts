import { parseCommitHash, type CommitHash, type RefName } from '../../src/domain/ids.js';
import { formatLabel } from '../../src/domain/preview-name.js';
import { slugOf } from '../../src/domain/slug.js';
import type { TestRepository } from '../support/git.js';
import { NAVIGATION, startTestApp, type TestApp } from '../support/test-app.js';

/** A commit of its own for every name, so that it shows which ref was meant. */
function commitFor(repository: TestRepository, words: string): CommitHash {
  return parseCommitHash(repository.git('-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', 'commit-tree', '-m', words, 'main^{tree}'));
}

function pushAll(repository: TestRepository, refs: readonly string[]): Map<string, CommitHash> {
  const commits = new Map(refs.map((ref) => [ref, commitFor(repository, `for ${ref}`)]));
  for (const [ref, commit] of commits) repository.setRef(ref, commit);
  return commits;
}

const locationOf = async (app: TestApp, query: string) => (await app.control(`/?${query}`)).headers.location;
const branchQuery = (name: string) => `branch=${encodeURIComponent(name)}`;
const hostOf = (name: string) => `${formatLabel({ kind: 'branch', slug: slugOf(name as RefName), environment: null })}.localhost`;

/** By its query, by its commit's host and by its own host, a branch is that of its name and no other. */
async function expectReached(app: TestApp, name: string, commit: CommitHash): Promise<void> {
  expect([name, await locationOf(app, branchQuery(name))]).toEqual([name, `http://hash-${commit}.localhost:${app.port}/`]);
  const status = await app.control(`/api/status?${branchQuery(name)}`);
  expect([name, status.json().commit]).toEqual([name, commit]);
  expect([name, hostOf(name).split('.')[0]]).toEqual([name, expect.stringMatching(/^[a-z0-9-]{1,63}$/)]);
  for (const host of [hostOf(name), `hash-${commit}.localhost`]) {
    const answer = await app.get(host, '/');
    expect([name, host, answer.status, answer.headers['x-slipway-commit']]).toEqual([name, host, 200, commit]);
    expect([name, answer.json().commit]).toEqual([name, commit]);
  }
}

describe('A5: a name that means something else to git', () => {
  it('is exactly the branch of that name', async () => {
    const names = [
      'HEAD', '@', 'refs/heads/x', 'x', 'heads/x', 'refs/heads/refs/heads/x', 'origin/HEAD', 'origin/main', 'remotes/origin/main', 'FETCH_HEAD', 'ORIG_HEAD', 'MERGE_HEAD', 'refs/tags/v1', 'tags/v1', 'v1', 'stash', 'refs/stash',
      'main-0-gabcdef0', 'refs/slipway/x', 'branch-x', 'hash-abcd', 'dead', 'deadbeef', '0', '1234567',
    ];
    let commits = new Map<string, CommitHash>();
    await using app = await startTestApp({ prepare: (repository) => { commits = pushAll(repository, [...names.map((name) => `refs/heads/${name}`), 'refs/tags/v1', 'refs/tags/only-a-tag', 'refs/remotes/origin/main', 'refs/notes/x', 'refs/pull/1/head']); } });
    for (const name of names) await expectReached(app, name, commits.get(`refs/heads/${name}`) ?? app.repository.head());
    expect(await locationOf(app, branchQuery('only-a-tag'))).toContain(commits.get('refs/tags/only-a-tag'));
    expect(new Set(commits.values()).size).toBe(commits.size);
    const unknown = await Promise.all(['main~1', 'main^', 'main@{0}', 'refs/remotes/origin/main', 'refs/pull/1/head', 'pull/1/head', 'refs/heads/main', 'heads/main', 'ORIG', 'Main'].map((name) => app.control(`/?${branchQuery(name)}`)));
    expect(unknown.map(({ status }) => status)).toEqual([400, 400, 400, 404, 404, 404, 404, 404, 404, 404]);
    for (const { headers } of unknown) expect(headers.location).toBeUndefined();
  }, 60_000);

  it('does not hide a commit, and a commit does not hide it', async () => {
    let first = '';
    const commits = new Map<string, CommitHash>();
    await using app = await startTestApp({
      prepare: (repository) => {
        first = repository.head();
        for (const name of [first, first.slice(0, 7), first.slice(0, 4), `hash-${first}`, 'f'.repeat(40), 'fedcba9']) {
          commits.set(name, commitFor(repository, `for ${name}`));
          repository.gitWithInput(`create refs/heads/${name} ${commits.get(name) ?? ''}\n`, 'update-ref', '--stdin');
        }
      },
    });
    for (const hash of [first, first.slice(0, 7), first.slice(0, 12), first.toUpperCase()]) expect([hash, await locationOf(app, `hash=${hash}`)]).toEqual([hash, `http://hash-${first}.localhost:${app.port}/`]);
    for (const [name, commit] of commits) await expectReached(app, name, commit);
    expect((await app.get(`hash-${first}.localhost`, '/')).json().commit).toBe(first);
    // Named like a commit that nobody has, it is not one.
    const missing = await Promise.all(['f'.repeat(40), 'fedcba9'].map((hash) => app.control(`/?hash=${hash}`)));
    expect(missing.map((answer) => [answer.status, answer.json().error, answer.headers.location])).toEqual([[404, 'commit_not_found', undefined], [404, 'commit_not_found', undefined]]);
  }, 60_000);
});

describe('A6: a name of any script and length', () => {
  it('is told from all that look like it, on every host', async () => {
    const composed = 'caf\u00e9';
    const names = [
      composed.normalize('NFC'), composed.normalize('NFD'), '\u212b', '\u00c5', 'A\u030a', 'ﬀ', 'ff', 'ſ', 's', '①', '1', 'Feature', 'feature', 'FEATURE', 'ıi', 'ii', 'о', 'o',
      '🚀', '🚢/🧑‍🚀', 'עברית/ענף', 'abc\u202etxt', 'العربية', '分支', 'x\u200by', 'xy', 'e'.repeat(250), `${'e'.repeat(249)}f`, 'é'.repeat(125), `${'ab/'.repeat(83)}x`, 'a-b', 'a/b', 'a_b', 'a.b', 'a+b', 'a--b',
    ];
    let commits = new Map<string, CommitHash>();
    await using app = await startTestApp({ prepare: (repository) => { commits = pushAll(repository, names.map((name) => `refs/heads/${name}`)); } });
    for (const name of names) await expectReached(app, name, commits.get(`refs/heads/${name}`) ?? app.repository.head());
    expect(new Set(names.map((name) => slugOf(name as RefName))).size).toBe(names.length);
    expect(app.engine.calls.build).toBe(1);
    for (const page of [1, 2]) expect((await app.control(`/?page=${page}`, { headers: NAVIGATION })).status).toBe(200);
    const found = await app.control(`/?q=${encodeURIComponent('עברית')}`, { headers: NAVIGATION });
    expect(found.text).toContain('href="/?branch=%D7%A2%D7%91%D7%A8%D7%99%D7%AA%2F%D7%A2%D7%A0%D7%A3"');
  }, 90_000);
});
