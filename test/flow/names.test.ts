import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CommitHash } from '../../src/domain/ids.js';
import type { TestRepository } from '../support/git.js';
import { startTestApp } from '../support/test-app.js';

const location = (hash: string, port: number) => `http://hash-${hash}.localhost:${port}/`;
const query = (name: string) => `/?branch=${encodeURIComponent(name)}`;

describe('branch names', () => {
  const odd = [
    '--upload-pack=touch${IFS}pwn', '-x', 'f/$(touch${IFS}pwn)', 'a`id`', 'a;b', 'a|b', 'a&b', 'a\'b', 'a"b', '%2e%2e', 'a<script>alert(1)</script>',
    'HEAD', '@', 'refs/heads/x', 'origin/HEAD', 'FETCH_HEAD', 'e'.repeat(250), '🚀/ship-it', '\u00e9', 'e\u0301', 'עברית', 'UPPER', 'upper', 'a+b', 'a#b', 'a=b', 'a%26b',
  ];
  const cases = new Map<string, CommitHash>();
  const prepare = (repository: TestRepository) => {
    const tree = repository.git('rev-parse', 'main^{tree}');
    for (const name of odd) {
      const commit = repository.git('-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', 'commit-tree', '-m', `on ${name}`, tree) as CommitHash;
      repository.setRef(`refs/heads/${name}`, commit);
      cases.set(name, commit);
    }
  };

  it('A2, A3, A5, A6: every name that git accepts redirects to its own commit, and is never run', async () => {
    await using app = await startTestApp({ prepare });
    for (const [name, commit] of cases) expect([name, (await app.control(query(name))).headers.location]).toEqual([name, location(commit, app.port)]);
    expect(new Set(cases.values()).size).toBe(odd.length);
    for (const folder of [app.repository.path, app.stateDir, process.cwd()]) expect(existsSync(join(folder, 'pwn'))).toBe(false);
    const page = (await app.control('/')).text;
    expect(page).not.toContain('<script>alert');
    expect(page).toContain('a&lt;script&gt;alert(1)&lt;/script&gt;');
  });

  it('A5: a branch that looks like a commit shadows none, and none shadows it', async () => {
    await using app = await startTestApp();
    const first = app.repository.head();
    const second = app.repository.commit({ a: 'a' }, { branch: 'other' });
    app.repository.setRef(`refs/heads/${first}`, second);
    app.repository.setRef(`refs/heads/hash-${first}`, second);
    expect((await app.control(`/?branch=${first}`)).headers.location).toBe(location(second, app.port));
    expect((await app.control(`/?branch=hash-${first}`)).headers.location).toBe(location(second, app.port));
    expect((await app.control(`/?hash=${first}`)).headers.location).toBe(location(first, app.port));
    expect((await app.get(app.commitHost(first), '/')).json()).toMatchObject({ commit: first });
  });

  it('A1: 400 for what git itself refuses', async () => {
    await using app = await startTestApp();
    const refused = ['', './foo', 'heads/foo..bar', 'foo?bar', 'foo.lock', 'v@{ation', 'foo\\bar', 'foo/', '/foo', 'a\u0001b', 'a b', 'a~b', 'a^b', 'a:b', 'a*b', 'a[b', 'a//b', '.a', 'a.', 'a/.b', 'a.lock/b', 'main\r\nSet-Cookie: a=b'];
    for (const name of refused) {
      const answer = await app.control(query(name));
      expect([name, answer.status, answer.json().error]).toEqual([name, 400, 'invalid_branch']);
      expect(answer.headers['set-cookie']).toBeUndefined();
      if (!/[\0\r\n]/.test(name)) expect(() => execFileSync('git', ['check-ref-format', `refs/heads/${name}`], { stdio: 'ignore' })).toThrow();
    }
  });

  it('D1: 404 with the nearest names for an unknown one, as a page and as JSON', async () => {
    await using app = await startTestApp({ prepare: (repository) => { repository.commit({ a: 'a' }, { branch: 'feature/cart' }); } });
    const answer = await app.control('/?branch=feature/kart');
    expect(answer.status).toBe(404);
    expect(answer.headers.location).toBeUndefined();
    expect(answer.json()).toMatchObject({ error: 'unknown_ref', nearest: ['feature/cart'] });
    const page = await app.control(`/?branch=${encodeURIComponent('feature/<img/src=x/onerror=alert(1)>')}`, { headers: { accept: 'text/html' } });
    expect(page.status).toBe(404);
    expect(page.text).not.toContain('<img/');
    const host = await app.get('branch-feature-kart.localhost', '/', { headers: { accept: 'text/html' } });
    expect(host.status).toBe(404);
  });
});

describe('commits', () => {
  it('redirects a short hash, in any case, to the full one', async () => {
    await using app = await startTestApp();
    const commit = app.repository.head();
    expect((await app.control(`/p?hash=${commit.slice(0, 7).toUpperCase()}&y=1`)).headers.location).toBe(`${location(commit, app.port)}p?y=1`);
    for (const host of [`hash-${commit.slice(0, 7)}.localhost`, `HASH-${commit.slice(0, 9).toUpperCase()}.Localhost`]) {
      const answer = await app.get(host, '/p?q=1');
      expect([answer.status, answer.headers.location]).toEqual([302, `${location(commit, app.port)}p?q=1`]);
    }
    expect(app.engine.calls.build).toBe(0);
  });

  it('A15: takes a host in any case and with a dot at its end for the same', async () => {
    await using app = await startTestApp();
    const commit = app.repository.head();
    for (const host of [`HASH-${commit.toUpperCase()}.LOCALHOST`, `hash-${commit}.localhost.`]) expect((await app.get(host, '/')).json()).toMatchObject({ commit });
    expect(app.engine.calls.start).toBe(1);
  });

  it('A7, A11: 400 for what is no hash', async () => {
    await using app = await startTestApp();
    const commit = app.repository.head();
    const queries = ['hash=', 'hash=abc', `hash=${commit}0`, 'hash=zzzz', 'hash=__proto__', 'hash=x@evil.com/', 'hash=abc%23', 'hash=abcd%5c', 'hash=abcd%09', 'hash[]=abcd&hash[]=bcde', 'hash[a]=abcd', `hash=${commit}&hash=${commit}`, 'hash', `hash=${commit}&branch=main`, 'hash=%E0%A4%A'];
    for (const each of queries) {
      const answer = await app.control(`/?${each}`);
      expect([each, answer.status]).toEqual([each, 400]);
      expect(answer.headers.location).toBeUndefined();
    }
    expect((await app.control('/?__proto__=x&constructor=y')).status).toBe(200);
  });

  it('A9: 400 for a tree and a file, 404 for nothing, the commit for an annotated tag', async () => {
    await using app = await startTestApp({
      prepare: (repository) => { repository.git('-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', 'tag', '-a', '-m', 'first', 'v1.0'); },
    });
    const { repository } = app;
    for (const name of ['main^{tree}', 'main:Dockerfile']) {
      const answer = await app.control(`/?hash=${repository.git('rev-parse', name)}`);
      expect([answer.status, answer.json().error]).toEqual([400, 'not_a_commit']);
    }
    const missing = await app.control(`/?hash=${'0123456789'.repeat(4)}`);
    expect([missing.status, missing.json().error]).toEqual([404, 'commit_not_found']);
    for (const tag of [`hash=${repository.git('rev-parse', 'v1.0')}`, 'branch=v1.0']) expect((await app.control(`/?${tag}`)).headers.location).toBe(location(repository.head(), app.port));
  });

  it('A8: 409 with all it could be for an ambiguous beginning', async () => {
    let prefix = '';
    await using app = await startTestApp({ prepare: (repository) => { prefix = makeAmbiguous(repository); } });
    const answer = await app.control(`/?hash=${prefix}`);
    expect(answer.status).toBe(409);
    const { error, candidates } = answer.json();
    expect(error).toBe('ambiguous_hash');
    expect((candidates as string[]).length).toBeGreaterThan(1);
    for (const candidate of candidates as string[]) expect(candidate.startsWith(prefix)).toBe(true);
    const page = await app.control(`/?hash=${prefix}`, { headers: { accept: 'text/html' } });
    for (const candidate of candidates as string[]) expect(page.text).toContain(location(candidate, app.port));
    expect((await app.get(`hash-${prefix}.localhost`, '/')).status).toBe(409);
  });

  it('A10: 404 for an environment that is not configured, and no way out of the host', async () => {
    await using app = await startTestApp();
    for (const env of ['evil.com/', 'a.b', 'a%0d%0aX: y', 'jetpack']) {
      const answer = await app.control(`/?hash=${app.repository.head()}&env=${encodeURIComponent(env)}`);
      expect([answer.status, answer.json().error, answer.headers.location]).toEqual([404, 'unknown_environment', undefined]);
    }
  });

  it('A13, A14: a path that looks like a host or a header stays a path', async () => {
    await using app = await startTestApp();
    const commit = app.repository.head();
    for (const path of ['//evil.com/', '/\\evil.com', '/%2f%2fevil.com', '/%0d%0aSet-Cookie:%20a=b', '/@evil.com', '/http://evil.com']) {
      const answer = await app.control(`${path}?branch=main`);
      expect(answer.status).toBe(302);
      expect(answer.headers.location).toBe(`${location(commit, app.port).slice(0, -1)}${path}`);
      expect(new URL(answer.headers.location ?? '').host).toBe(`hash-${commit}.localhost:${app.port}`);
      expect(answer.headers['set-cookie']).toBeUndefined();
    }
  });
});

/** Commits until two of them begin with the same four digits. @returns those digits */
function makeAmbiguous(repository: TestRepository): string {
  const count = 1_000;
  const commits = Array.from({ length: count }, (_, at) => {
    const message = `commit ${at}`;
    return `commit refs/heads/many\ncommitter Ada <ada@example.com> ${1_700_000_000 + at} +0000\ndata ${message.length}\n${message}\n\n`;
  });
  repository.gitWithInput(commits.join(''), 'fast-import', '--quiet');
  const seen = new Set<string>();
  for (const hash of repository.git('rev-list', 'many').split('\n')) {
    const start = hash.slice(0, 4);
    if (seen.has(start)) return start;
    seen.add(start);
  }
  throw new Error('no two commits begin alike');
}
