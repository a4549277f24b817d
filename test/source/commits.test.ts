import { createTestRepository, FIRST_COMMIT_AT, type TestRepository } from '../support/git.js';
import { codeOf, failureOf, startSource } from './started-source.js';

const APP = { Dockerfile: 'FROM scratch\n', 'a/b': 'x' };

/** Two commits of the same first four digits, both on branches. */
function commitsWithSamePrefix(repository: TestRepository): [string, string] {
  const tree = repository.git('rev-parse', 'HEAD^{tree}');
  const seen = new Map<string, string>();
  for (let number = 0; number < 5_000; number += 200) {
    const bodies = Array.from({ length: 200 }, (_, index) => `commit refs/heads/made-${number + index}\ncommitter A <a@b> ${number + index} +0000\ndata 1\nx\n\n`);
    repository.gitWithInput(bodies.join(''), 'fast-import', '--quiet');
    for (const line of repository.git('for-each-ref', '--format=%(objectname)', 'refs/heads/made-*').split('\n')) {
      const other = seen.get(line.slice(0, 4));
      if (other !== undefined && other !== line) return [other, line];
      seen.set(line.slice(0, 4), line);
    }
  }
  throw new Error(`no two alike, tree ${tree}`);
}

describe('commits', () => {
  it('A8: are found by their full and abbreviated hash in any case', async () => {
    using repository = createTestRepository(APP);
    const first = repository.head();
    const second = repository.commit({ c: '2' });
    await using started = await startSource(repository.path);
    for (const text of [first, first.toUpperCase(), first.slice(0, 7), first.slice(0, 12).toUpperCase()]) {
      expect(await started.source.findCommit(text)).toBe(first);
    }
    expect(await started.source.findCommit(second)).toBe(second);
  });

  it('A8: an ambiguous beginning is answered with the candidates', async () => {
    using repository = createTestRepository(APP);
    const [one, other] = commitsWithSamePrefix(repository);
    await using started = await startSource(repository.path);
    const failure = await failureOf(started.source.findCommit(one.slice(0, 4)));
    expect(failure.code).toBe('ambiguous_hash');
    expect(failure.details.candidates).toEqual(expect.arrayContaining([one, other]));
    expect(await started.source.findCommit(one)).toBe(one);
  });

  it.each(['', 'abc', 'a'.repeat(41), 'zzzz', 'HEAD', '--all', 'abcd efgh', 'abcd\n'])('A7: %j is no hash', async (text) => {
    using repository = createTestRepository(APP);
    await using started = await startSource(repository.path, { recorded: true });
    const before = started.calls().length;
    expect(await codeOf(started.source.findCommit(text))).toBe('invalid_hash');
    expect(started.calls()).toHaveLength(before);
  });

  it('A9: a tree or a blob is not a commit, an annotated tag is its commit, a missing one is not found', async () => {
    using repository = createTestRepository(APP);
    repository.git('-c', 'user.name=x', '-c', 'user.email=x@example.com', 'tag', '-a', 'v1', '-m', 'words');
    await using started = await startSource(repository.path);
    const { source } = started;
    const tree = repository.git('rev-parse', 'HEAD^{tree}');
    expect(await codeOf(source.findCommit(tree))).toBe('not_a_commit');
    expect(await codeOf(source.findCommit(tree.slice(0, 10)))).toBe('not_a_commit');
    expect(await codeOf(source.findCommit(repository.git('rev-parse', 'HEAD:Dockerfile')))).toBe('not_a_commit');
    expect(await source.findCommit(repository.git('rev-parse', 'v1'))).toBe(repository.head());
    expect(await codeOf(source.findCommit('0123456789012345678901234567890123456789'))).toBe('commit_not_found');
  });

  it('are found when they were pushed after the last fetch', async () => {
    using repository = createTestRepository(APP);
    await using started = await startSource(repository.path);
    const pushed = repository.commit({ c: '3' });
    expect(await started.source.findCommit(pushed.slice(0, 10))).toBe(pushed);
  });

  it('are described', async () => {
    using repository = createTestRepository();
    const commit = repository.commit(APP, { message: 'Say <b>hello</b>\n\nand more', author: 'Ada Łovelace' });
    await using started = await startSource(repository.path);
    expect(await started.source.describe(commit)).toEqual({ commit, author: 'Ada Łovelace', subject: 'Say <b>hello</b>', committedAt: FIRST_COMMIT_AT });
    expect(await codeOf(started.source.describe('0123456789012345678901234567890123456789' as typeof commit))).toBe('commit_not_found');
  });

  it('B13: a commit that no ref reaches is not found, although the remote would give it', async () => {
    using repository = createTestRepository(APP);
    repository.git('config', 'uploadpack.allowAnySHA1InWant', 'true');
    const dangling = repository.git('-c', 'user.name=x', '-c', 'user.email=x@example.com', 'commit-tree', '-m', 'x', 'HEAD^{tree}');
    await using started = await startSource(repository.path);
    expect(await codeOf(started.source.findCommit(dangling))).toBe('commit_not_found');
    repository.setRef('refs/pull/1/head', dangling);
    expect(await codeOf(started.source.findCommit(dangling.slice(0, 12)))).toBe('commit_not_found');
  });

  it('B11: a commit that was forced away is found only while it is pinned', async () => {
    using repository = createTestRepository(APP);
    const [pinned, lost] = [repository.commit({ c: 'pinned' }), repository.commit({ c: 'lost' })];
    await using started = await startSource(repository.path);
    await started.source.pin(pinned);
    await started.source.pin(pinned);
    repository.git('checkout', '--quiet', '--orphan', 'new');
    const next = repository.commit({ c: 'new' }, { branch: 'new' });
    repository.setRef('refs/heads/main', next);
    await started.source.refresh();
    expect((await started.source.findRef('main')).commit).toBe(next);
    expect(await started.source.findCommit(pinned)).toBe(pinned);
    expect(await codeOf(started.source.findCommit(lost))).toBe('commit_not_found');
    await started.restart();
    expect(await started.source.findCommit(pinned.slice(0, 10))).toBe(pinned);
  });

  it('with dates in the wrong order are found', async () => {
    using repository = createTestRepository(APP);
    const future = repository.git('-c', 'user.name=x', '-c', 'user.email=x@example.com', 'hash-object', '-w', '-t', 'tree', '/dev/null');
    const make = (date: number, parents: readonly string[]) => repository.gitWithInput(
      [`tree ${future}`, ...parents.map((parent) => `parent ${parent}`), `author A <a@b> ${date} +0000`, `committer A <a@b> ${date} +0000`, '', 'x', ''].join('\n'),
      'hash-object', '-w', '-t', 'commit', '--stdin');
    const root = make(2_000_000_000, []);
    let tip = root;
    for (let index = 0; index < 12; index += 1) tip = make(1_000_000_000 + index, [tip]);
    repository.setRef('refs/heads/skewed', tip);
    await using started = await startSource(repository.path);
    expect(await started.source.findCommit(root)).toBe(root);
  });
});
