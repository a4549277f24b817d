import { parseEnvironmentName, type CommitHash } from '../../src/domain/ids.js';
import type { TestRepository } from '../support/git.js';
import { NAVIGATION, startTestApp, type TestApp } from '../support/test-app.js';

const IDENTITY = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com'];
const locationOf = (app: TestApp, commit: string, rest = '/') => `http://hash-${commit}.localhost:${app.port}${rest}`;
/** Everything on the control plane that reads a commit from its parameters. */
const SURFACES = ['/?', '/deep/path?x=1&', '/status?', '/api/status?', '/api/wait?timeout=1s&'];
const CONFIRM = '/confirm?action=reset&';

describe('hashes', () => {
  let app: TestApp;
  let commit: CommitHash;
  beforeAll(async () => {
    const environments = new Map(['jet', 'jet-pack'].map((name) => [parseEnvironmentName(name), { env: {} }]));
    app = await startTestApp({ configure: (config) => ({ ...config, projects: config.projects.map((project) => ({ ...project, environments, stages: new Map([['dev', { env: {} }]]) })) }) });
    commit = app.repository.head();
  });
  afterAll(async () => { await app[Symbol.asyncDispose](); });

  const refused = async (path: string) => {
    const { status, headers, json } = await app.control(path);
    expect([path, headers.location, headers['set-cookie']]).toEqual([path, undefined, undefined]);
    return [path, status, json().error];
  };

  it.each([
    ['empty', ''], ['of three digits', 'abc'], ['of 41 digits', '0123456789'.repeat(4) + '0'], ['no hexadecimal', 'zzzz'], ['not all hexadecimal', 'abcdefg'], ['a property', '__proto__'], ['another', 'constructor'],
    ['a name of git', 'HEAD'], ['a branch', 'main'], ['an option', '--all'], ['a number', '0x12345'], ['signed', '-abcdef'], ['of other digits', '１２３４'], ['ended by NUL', 'abcd\0'], ['ended by a line', 'abcd\n'],
    ['in spaces', ' abcd'], ['two', 'abcd bcde'], ['a range', 'abcd..bcde'], ['a parent', 'abcd^'], ['a path in it', 'abcd:Dockerfile'], ['very long', 'a'.repeat(8_000)],
    ['an address', 'x@evil.com/'], ['with a fragment', 'abc#'], ['with a backslash', 'abcd\\'], ['with a tab', 'abcd\t'], ['with a path', 'abcd/../evil.com'], ['with a host', 'abcd.evil.com'], ['with a port', 'abcd:80'], ['with a header', 'abcd\r\nX-Y: z'],
  ])('A7, A11: 400 for one that is %s', async (_what, text) => {
    for (const surface of SURFACES) expect(await refused(`${surface}hash=${encodeURIComponent(text)}`)).toEqual([expect.any(String), 400, 'invalid_hash']);
    expect((await refused(`${CONFIRM}hash=${encodeURIComponent(text)}`))[1]).toBe(400);
  });

  it.each(['hash=x@evil.com/', 'hash=abc%23', 'hash=abcd%5c', 'hash=abcd%09', 'hash=abcd%00', 'hash=%E0%A4%A', 'hash=abcd%'])('A11: 400 for ?%s as it stands, and nobody is sent anywhere', async (query) => {
    for (const surface of [...SURFACES, CONFIRM]) expect((await refused(`${surface}${query}`))[1]).toBe(400);
  });

  it.each([
    'hash', 'hash[]=abcd&hash[]=bcde', 'hash[]=abcd', 'hash[a]=abcd', 'hash[0]=abcd', 'hash%5B%5D=abcd', 'hash%5b__proto__%5d=abcd', 'hash[__proto__][x]=abcd', 'hash=abcd&hash=bcde', 'hash=abcd&h%61sh=abcd', 'hash=abcd&hash[]=abcd',
  ])('A7: 400, never 500, for what is no single text: %s', async (query) => {
    for (const surface of [...SURFACES, CONFIRM]) expect((await refused(`${surface}${query.replaceAll('abcd', commit)}`))[1]).toBe(400);
  });

  it('A7: other names are nobody’s: no hash is read into or out of them', async () => {
    for (const query of ['__proto__=x', '__proto__[hash]=abcd', 'constructor[prototype][hash]=abcd', 'Hash=abcd', 'hash.x=abcd', 'xhash=abcd', 'hash+=abcd']) expect([query, (await app.control(`/?${query}`)).status]).toEqual([query, 200]);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it('A7: upper case is the same hash, whole or abbreviated', async () => {
    for (const text of [commit.toUpperCase(), commit.slice(0, 7).toUpperCase(), `${commit.slice(0, 20).toUpperCase()}${commit.slice(20)}`]) {
      expect((await app.control(`/p?hash=${text}&y=1`)).headers.location).toBe(locationOf(app, commit, '/p?y=1'));
      expect((await app.control(`/api/status?hash=${text}`)).json().commit).toBe(commit);
      expect((await app.control(`/confirm?action=reset&hash=${text}`, { headers: NAVIGATION })).status).toBe(200);
    }
  });

  it.each(['evil.com/', 'evil.com', 'a.b', 'a\r\n', 'a\r\nX-Y: z', '@evil.com', 'x/', '//evil.com', 'hash', 'JET', 'jet ', 'jet-', 'je', 'jet-pac', 'dev', '__proto__', 'constructor', 'x'.repeat(5_000)])('A10: 404 for the environment “%s”, and no way out of the host', async (name) => {
    for (const asked of [`hash=${commit}`, 'branch=main']) {
      for (const surface of ['/?', '/deep/path?', '/status?', '/api/status?', '/api/wait?']) expect(await refused(`${surface}${asked}&env=${encodeURIComponent(name)}`)).toEqual([expect.any(String), 404, 'unknown_environment']);
    }
  });

  it.each(['env=jet&env=jet', 'env[]=jet', 'env[x]=jet', 'env', 'env=%E0%A4%A'])('A10: 400 for %s', async (query) => {
    for (const surface of ['/?', '/status?', '/api/status?']) expect((await refused(`${surface}hash=${commit}&${query}`))[1]).toBe(400);
  });

  it('A10: one that is configured is in front of the host, the whole of it', async () => {
    for (const name of ['jet', 'jet-pack']) {
      const { location } = (await app.control(`/p?hash=${commit.slice(0, 8)}&env=${name}&y=1`)).headers;
      expect(location).toBe(`http://${name}-hash-${commit}.localhost:${app.port}/p?y=1`);
      expect((await app.get(new URL(location ?? '').hostname, '/')).json()).toMatchObject({ commit });
    }
    expect((await app.control(`/?hash=${commit}&env=`)).headers.location).toBe(locationOf(app, commit));
  });
});

/** Makes commits of one tree until two of them begin with the same four digits. @returns those two */
function pushAlike(repository: TestRepository): [CommitHash, CommitHash] {
  const commits = Array.from({ length: 1_500 }, (_, at) => `commit refs/heads/many\ncommitter Ada <ada@example.com> ${1_700_000_000 + at} +0000\ndata 1\nx\n${at === 0 ? 'from refs/heads/main^0\n' : ''}\n`);
  repository.gitWithInput(commits.join(''), 'fast-import', '--quiet');
  const seen = new Map<string, string>();
  for (const hash of repository.git('rev-list', 'many').split('\n')) {
    const other = seen.get(hash.slice(0, 4));
    if (other !== undefined) return [repository.head(other), repository.head(hash)];
    seen.set(hash.slice(0, 4), hash);
  }
  throw new Error('no two commits begin alike');
}

describe('A8: an abbreviated hash', () => {
  it('that could be two commits is refused with both, and one digit more finds each', async () => {
    let pair: string[] = [];
    await using app = await startTestApp({ prepare: (repository) => { pair = pushAlike(repository); } });
    const [one = '', other = ''] = pair;
    const prefix = one.slice(0, 4);
    for (const surface of SURFACES) {
      const answer = await app.control(`${surface}hash=${prefix}`);
      expect([surface, answer.status, answer.json().error, answer.headers.location]).toEqual([surface, 409, 'ambiguous_hash', undefined]);
      expect(answer.json().candidates).toEqual(expect.arrayContaining([one, other]));
    }
    const host = await app.get(`hash-${prefix}.localhost`, '/');
    expect([host.status, host.json().error]).toEqual([409, 'ambiguous_hash']);
    const page = await app.control(`/?hash=${prefix}`, { headers: NAVIGATION });
    for (const commit of pair) expect(page.text).toContain(`href="${locationOf(app, commit)}"`);
    const length = Array.from(one).findIndex((digit, index) => digit !== other[index]) + 1;
    for (const commit of pair) expect((await app.control(`/?hash=${commit.slice(0, length)}`)).headers.location).toBe(locationOf(app, commit));
    expect(app.engine.calls.build).toBe(0);
  }, 60_000);

  it('leads to the whole one, and all spellings of a commit at once cause one build and one start', async () => {
    await using app = await startTestApp();
    const commit = app.repository.head();
    /** As a client that follows redirects; two are enough from any spelling. */
    const follow = async (host: string, path: string) => {
      let answer = await app.get(host, path);
      for (let hop = 0; hop < 2 && answer.status === 302; hop += 1) answer = await app.get(new URL(answer.headers.location ?? '').hostname, new URL(answer.headers.location ?? '').pathname);
      return answer;
    };
    const spellings = [
      ['localhost', `/p?hash=${commit}`], ['localhost', `/p?hash=${commit.slice(0, 7)}`], ['localhost', `/p?hash=${commit.slice(0, 11).toUpperCase()}`], ['localhost', '/p?branch=main'],
      [`hash-${commit}.localhost`, '/p'], [`hash-${commit.slice(0, 7)}.localhost`, '/p'], [`HASH-${commit.slice(0, 9).toUpperCase()}.LOCALHOST`, '/p'], [`HASH-${commit.toUpperCase()}.localhost.`, '/p'],
    ] as const;
    const answers = await Promise.all([...spellings, ...spellings].map(([host, path]) => follow(host, path)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(answers.map((answer) => [answer.json().commit, answer.json().url, answer.headers['x-slipway-release']])).toEqual(answers.map(() => [commit, '/p', 'v1']));
    expect([app.engine.calls.build, app.engine.calls.start]).toEqual([1, 1]);
  }, 60_000);
});

describe('A9: a hash of something else', () => {
  it('is refused as no commit, or stands for the commit it tags', async () => {
    let names = { tree: '', blob: '', tag: '', nested: '', ofTree: '' };
    await using app = await startTestApp({
      prepare: (repository) => {
        repository.git(...IDENTITY, 'tag', '-a', '-m', 'one', 'v1', 'main');
        repository.git(...IDENTITY, 'tag', '-a', '-m', 'two', 'v2', 'v1');
        repository.git(...IDENTITY, 'tag', '-a', '-m', 'a folder', 'folder', 'main^{tree}');
        const hashOf = (name: string) => repository.git('rev-parse', name);
        names = { tree: hashOf('main^{tree}'), blob: hashOf('main:Dockerfile'), tag: hashOf('v1'), nested: hashOf('v2'), ofTree: hashOf('folder') };
      },
    });
    const commit = app.repository.head();
    for (const hash of [names.tree, names.blob, names.ofTree]) {
      for (const text of [hash, hash.slice(0, 12)]) {
        const answer = await app.control(`/?hash=${text}`);
        expect([answer.status, answer.json().error, answer.headers.location]).toEqual([400, 'not_a_commit', undefined]);
        const host = await app.get(`hash-${text}.localhost`, '/');
        expect([host.status, host.json().error]).toEqual([400, 'not_a_commit']);
      }
    }
    for (const hash of [names.tag, names.nested]) {
      for (const text of [hash, hash.slice(0, 12)]) {
        expect((await app.control(`/?hash=${text}`)).headers.location).toBe(locationOf(app, commit));
        expect((await app.get(`hash-${text}.localhost`, '/p')).headers.location).toBe(locationOf(app, commit, '/p'));
      }
    }
    const missing = await Promise.all(['0123456789'.repeat(4), '01234567', `${commit.slice(0, 38)}00`].map((hash) => app.control(`/?hash=${hash}`)));
    expect(missing.map((answer) => [answer.status, answer.json().error, answer.headers.location])).toEqual(missing.map(() => [404, 'commit_not_found', undefined]));
    expect(app.engine.calls.build).toBe(0);
  }, 60_000);
});
