import { execFileSync } from 'node:child_process';
import { rename } from 'node:fs/promises';
import { parseRefName } from '../../src/domain/ref-name.js';
import { slugOf } from '../../src/domain/slug.js';
import { createTestRepository, FIRST_COMMIT_AT } from '../support/git.js';
import { processorMs } from '../support/processor-time.js';
import { codeOf, createHeldClock, failureOf, startSource } from './started-source.js';

const APP = { Dockerfile: 'FROM scratch\n', 'index.html': 'hello' };

describe('the ref table', () => {
  it('has branches and tags with their commits, newest first, annotated tags as their commits', async () => {
    using repository = createTestRepository();
    const first = repository.commit(APP, { message: 'first <b>', author: 'Ada Ł' });
    repository.git('tag', 'light');
    repository.git('-c', 'user.name=x', '-c', 'user.email=x@example.com', 'tag', '-a', 'annotated', '-m', 'words');
    repository.git('-c', 'user.name=x', '-c', 'user.email=x@example.com', 'tag', '-a', 'nested', '-m', 'words', 'annotated');
    repository.git('tag', 'of-a-folder', 'HEAD^{tree}');
    const second = repository.commit({ 'index.html': 'two' }, { branch: 'feature/Cart', message: 'second' });
    await using started = await startSource(repository.path);
    const table = started.source.refs();
    expect(table.refs.map(({ kind, name, commit }) => [kind, name, commit])).toEqual([
      ['branch', 'feature/Cart', second], ['tag', 'annotated', first], ['tag', 'light', first], ['branch', 'main', first], ['tag', 'nested', first],
    ]);
    expect(table.branches.map(({ name }) => name)).toEqual(['feature/Cart', 'main']);
    expect(table.find('annotated')).toEqual({ name: 'annotated', kind: 'tag', commit: first, subject: 'first <b>', author: 'Ada Ł', committedAt: FIRST_COMMIT_AT });
    expect(table.find('nested')?.subject).toBe('first <b>');
    expect(table.refreshedAt).toBeGreaterThan(0);
  });

  it('prefers a branch to a tag of the same name', async () => {
    using repository = createTestRepository(APP);
    repository.git('tag', 'same');
    const branch = repository.commit({ a: '1' }, { branch: 'same' });
    await using started = await startSource(repository.path);
    expect((await started.source.findRef('same')).commit).toBe(branch);
  });

  it('finds a branch by its slug, one that is pushed later too', async () => {
    using repository = createTestRepository(APP);
    const cart = repository.commit({ a: '1' }, { branch: 'fix/Cart' });
    await using started = await startSource(repository.path);
    expect((await started.source.findSlug('main')).name).toBe('main');
    expect((await started.source.findSlug(slugOf(parseRefName('fix/Cart')))).commit).toBe(cart);
    repository.commit({ a: '2' }, { branch: 'later' });
    expect((await started.source.findSlug('later')).name).toBe('later');
    expect(await codeOf(started.source.findSlug('nothing-here'))).toBe('unknown_ref');
  });

  it('A5: resolves exactly the branch of that name, whatever it looks like', async () => {
    using repository = createTestRepository(APP);
    const names = ['HEAD', '@', 'refs/heads/x', 'origin/HEAD', 'FETCH_HEAD', 'a'.repeat(40), `hash-${'b'.repeat(40)}`];
    const commits = names.map((name, index) => {
      const commit = repository.commit({ a: String(index) });
      repository.setRef(`refs/heads/${name}`, commit);
      return commit;
    });
    await using started = await startSource(repository.path);
    const found = await Promise.all(names.map((name) => started.source.findRef(name)));
    expect(found.map(({ commit }) => commit)).toEqual(commits);
    expect(await codeOf(started.source.findCommit('a'.repeat(40)))).toBe('commit_not_found');
  });

  it('A6: tells long, emoji, right-to-left, NFC and NFD names apart', async () => {
    using repository = createTestRepository(APP);
    const names = ['é', 'e\u0301', '🚀', 'שלום', 'x'.repeat(240)];
    const commits = names.map((name, index) => {
      const commit = repository.commit({ a: String(index) });
      repository.setRef(`refs/heads/${name}`, commit);
      return commit;
    });
    await using started = await startSource(repository.path);
    const found = await Promise.all(names.map((name) => started.source.findRef(name)));
    expect(found.map(({ commit }) => commit)).toEqual(commits);
    expect(new Set(found.map(({ name }) => name)).size).toBe(names.length);
  });

  it('B12: follows when branch `thing/thing2` goes and `thing` comes, and keeps `Feature` and `feature` apart', async () => {
    using repository = createTestRepository(APP);
    repository.setRef('refs/heads/thing/thing2', repository.head());
    repository.setRef('refs/heads/Feature', repository.head());
    await using started = await startSource(repository.path);
    const next = repository.commit({ a: '2' });
    repository.git('update-ref', '-d', 'refs/heads/thing/thing2');
    repository.setRef('refs/heads/thing', next);
    repository.setRef('refs/heads/feature', next);
    await started.source.refresh();
    expect((await started.source.findRef('thing')).commit).toBe(next);
    expect((await started.source.findRef('feature')).commit).toBe(next);
    expect((await started.source.findRef('Feature')).commit).not.toBe(next);
    expect(await codeOf(started.source.findRef('thing/thing2'))).toBe('unknown_ref');
  });

  it('says when heads or tags changed, with the new table, and only then', async () => {
    using repository = createTestRepository(APP);
    await using started = await startSource(repository.path);
    const before = started.source.refs();
    const heard: string[] = [];
    const end = started.source.onChange((table) => heard.push(table.branches.map(({ name }) => name).join()));
    await started.source.refresh();
    expect(started.source.refs()).toBe(before);
    repository.commit({ a: '2' }, { branch: 'more' });
    await started.source.refresh();
    expect(heard).toEqual(['more,main']);
    expect(started.source.refs()).not.toBe(before);
    end();
    repository.setRef('refs/tags/v1', repository.head());
    await started.source.refresh();
    expect(heard).toHaveLength(1);
  });

  it('reads 10,000 branches within a second', async () => {
    using repository = createTestRepository(APP);
    const commit = repository.head();
    repository.packRefs(Array.from({ length: 10_000 }, (_, index) => `refs/heads/many/${index}`), commit);
    await using started = await startSource(repository.path);
    await started.source.refresh();
    expect(started.source.refs().branches).toHaveLength(10_001);
    expect(await processorMs(started.restart)).toBeLessThan(3_000);
    expect(started.source.refs().branches).toHaveLength(10_001);
    expect(await processorMs(async () => { for (let index = 0; index < 1_000; index += 1) await started.source.findRef(`many/${index * 7}`); })).toBeLessThan(1_000);
  });
});

describe('names that are not known', () => {
  it('finds a branch that was pushed after the last fetch', async () => {
    using repository = createTestRepository(APP);
    await using started = await startSource(repository.path);
    const pushed = repository.commit({ a: '2' }, { branch: 'just/pushed' });
    expect((await started.source.findRef('just/pushed')).commit).toBe(pushed);
  });

  it('A1: refuses what git refuses before any git is asked', async () => {
    using repository = createTestRepository(APP);
    await using started = await startSource(repository.path, { recorded: true });
    const before = started.calls().length;
    for (const name of ['./foo', 'heads/foo..bar', 'foo?bar', 'foo.lock', 'v@{ation', 'foo\\bar', 'foo/', 'a\u0001b', '', 'a b', '/x', 'x//y']) {
      expect(await codeOf(started.source.findRef(name))).toBe('invalid_branch');
    }
    expect(started.calls()).toHaveLength(before);
  });

  it('names the nearest when there is none', async () => {
    using repository = createTestRepository(APP);
    repository.commit({ a: '2' }, { branch: 'fix/cart' });
    await using started = await startSource(repository.path);
    const failure = await failureOf(started.source.findRef('fix/crat'));
    expect(failure.code).toBe('unknown_ref');
    expect(failure.details.nearest).toEqual(['fix/cart']);
  });

  it('causes few fetches for 50 unknown names at once', async () => {
    using repository = createTestRepository(APP);
    await using started = await startSource(repository.path, { recorded: true });
    const before = started.fetches();
    const codes = await Promise.all(Array.from({ length: 50 }, (_, index) => codeOf(started.source.findRef(`unknown-${index}`))));
    expect(new Set(codes)).toEqual(new Set(['unknown_ref']));
    expect(started.fetches() - before).toBeLessThanOrEqual(2);
  });

  it('fetches for unknown names once in two seconds, and keeps a name unknown that long', async () => {
    using repository = createTestRepository(APP);
    const clock = createHeldClock();
    await using started = await startSource(repository.path, { recorded: true, clock });
    const before = started.fetches();
    expect(await codeOf(started.source.findRef('nope'))).toBe('unknown_ref');
    expect(await codeOf(started.source.findRef('nope'))).toBe('unknown_ref');
    expect(started.fetches() - before).toBe(1);
    repository.commit({ a: '2' }, { branch: 'other' });
    const other = started.source.findRef('other');
    clock.advance(2_000);
    expect((await other).name).toBe('other');
    clock.advance(2_000);
    repository.commit({ a: '3' }, { branch: 'nope' });
    expect((await started.source.findRef('nope')).name).toBe('nope');
    expect(started.fetches() - before).toBe(3);
  });

  it('B9: serves known branches while the remote is away and says so of unknown ones', async () => {
    using repository = createTestRepository(APP);
    const clock = createHeldClock();
    await using started = await startSource(repository.path, { clock });
    const away = `${repository.path}-away`;
    await rename(repository.path, away);
    expect(await codeOf(started.source.refresh())).toBe('git_unreachable');
    clock.advance(5_000);
    const since = started.source.fault()?.since;
    const failure = await failureOf(started.source.findRef('unknown'));
    expect(failure.code).toBe('git_unreachable');
    expect(failure.message).toContain('does not appear to be a git repository');
    expect(await codeOf(started.source.findCommit('abcdef12'))).toBe('git_unreachable');
    expect((await started.source.findRef('main')).name).toBe('main');
    expect(started.source.fault()).toMatchObject({ since });
    await rename(away, repository.path);
    await started.source.refresh();
    expect(started.source.fault()).toBeNull();
  });
});

describe('names that could be commands', () => {
  const NAMES = ['--upload-pack=touch${IFS}pwn', '-x=$(id)', 'f/$(touch${IFS}x)', 'a`id`', 'a;b', 'a|b', 'a&b', "a'b", 'a"b', '%2e%2e', 'a<script>alert(1)</script>'];

  it('A2, A3: resolves them like any other and never gives them to git', async () => {
    using repository = createTestRepository(APP);
    const commit = repository.head();
    for (const name of NAMES) repository.setRef(`refs/heads/${name}`, commit);
    await using started = await startSource(repository.path, { recorded: true });
    for (const name of NAMES) {
      expect((await started.source.findRef(name)).commit).toBe(commit);
      expect((await started.source.findSlug(slugOf(parseRefName(name)))).name).toBe(name);
    }
    await started.source.refresh();
    // Without their environments: folders of this machine may be called anything.
    const calls = started.calls().map((call) => call.split(' :: ')[0] ?? '').join('\n');
    for (const name of NAMES) expect(calls).not.toContain(name);
    expect(execFileSync('find', [started.folder, '-name', 'pwn']).toString()).toBe('');
  });
});
