import type { Recipe } from '../../src/domain/build.js';
import { parseImageId } from '../../src/domain/ids.js';
import { resolveArgs } from '../../src/domain/build.js';
import { hashKey, recipeText } from '../../src/source/key.js';
import type { ContextEntry } from '../../src/source/list.js';
import { createTestRepository, type TestFiles } from '../support/git.js';
import { processorMs } from '../support/processor-time.js';
import { codeOf, failureOf, RECIPE, startSource } from './started-source.js';

const APP: TestFiles = { Dockerfile: 'FROM scratch\nCOPY . /app\n', '.dockerignore': 'README.md\n', 'README.md': 'one', 'index.html': 'hello', 'lib/a.js': 'a' };
const IMAGE = parseImageId(`sha256:${'1'.repeat(64)}`);

describe('the build key', () => {
  it('P2: is the same for what Docker would receive the same, and another for what it would not', async () => {
    using repository = createTestRepository();
    const h1 = repository.commit(APP);
    const h2 = repository.commit({});
    const h3 = repository.commit({ 'README.md': 'two' });
    const h4 = repository.commit({ 'index.html': 'bye' });
    const h5 = repository.commit({ 'index.html': { executable: 'bye' } });
    const h6 = repository.commit({ '.dockerignore': 'README.md\n# words\n' });
    await using started = await startSource(repository.path);
    const keys = await Promise.all([h1, h2, h3, h4, h5, h6].map((commit) => started.source.buildKey(commit, RECIPE)));
    expect(keys[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(keys[1]).toBe(keys[0]);
    expect(keys[2]).toBe(keys[0]);
    expect(new Set(keys).size).toBe(4);
  });

  it('P14: is the same on another server, from another clone and other history', async () => {
    using one = createTestRepository(APP);
    using other = createTestRepository({ 'was-here': 'x' });
    const reversed = other.commit({ 'was-here': null, ...Object.fromEntries(Object.entries(APP).reverse()) }, { author: 'Eve' });
    await using a = await startSource(one.path);
    await using b = await startSource(other.path);
    expect(await b.source.buildKey(reversed, RECIPE)).toBe(await a.source.buildKey(one.head(), RECIPE));
  });

  it('P14: counts only what is inside the context folder', async () => {
    using repository = createTestRepository({ 'apps/a/Dockerfile': 'FROM scratch\n', 'apps/b/x': '1' });
    const before = repository.head();
    const outside = repository.commit({ 'apps/b/x': '2' });
    const inside = repository.commit({ 'apps/a/y': '3' });
    await using started = await startSource(repository.path);
    const recipe = { ...RECIPE, context: 'apps/a' };
    expect(await started.source.buildKey(outside, recipe)).toBe(await started.source.buildKey(before, recipe));
    expect(await started.source.buildKey(outside, { ...recipe, context: './apps/a/', dockerfile: './Dockerfile' })).toBe(await started.source.buildKey(before, recipe));
    expect(await started.source.buildKey(inside, recipe)).not.toBe(await started.source.buildKey(before, recipe));
  });

  it('P2: tells `A.txt` and `a.txt` apart, in files and in rules', async () => {
    using repository = createTestRepository({ Dockerfile: 'FROM scratch\n', '.dockerignore': 'a.txt\n', 'A.txt': '1', 'a.txt': '1' });
    const before = repository.head();
    const ignored = repository.commit({ 'a.txt': '2' });
    const counted = repository.commit({ 'A.txt': '2' });
    await using started = await startSource(repository.path);
    expect(await started.source.buildKey(ignored, RECIPE)).toBe(await started.source.buildKey(before, RECIPE));
    expect(await started.source.buildKey(counted, RECIPE)).not.toBe(await started.source.buildKey(before, RECIPE));
  });

  it('does not depend on the remote, and is computed once for many who ask', async () => {
    using repository = createTestRepository(APP);
    const commit = repository.head();
    const same = repository.commit({});
    await using started = await startSource(repository.path, { recorded: true });
    repository[Symbol.dispose]();
    const lists = () => started.calls().filter((line) => line.startsWith('ls-tree')).length;
    const keys = await Promise.all(Array.from({ length: 20 }, () => started.source.buildKey(commit, RECIPE)));
    expect(new Set(keys).size).toBe(1);
    expect(await started.source.buildKey(same, RECIPE)).toBe(keys[0]);
    expect(lists()).toBe(1);
  });

  it('says where a Dockerfile was looked for', async () => {
    using repository = createTestRepository({ 'apps/a/x': '1', 'apps/b/Dockerfile/x': '1' });
    await using started = await startSource(repository.path);
    const failure = (recipe: Partial<Recipe>) => failureOf(started.source.buildKey(repository.head(), { ...RECIPE, ...recipe }));
    expect(await failure({})).toMatchObject({ code: 'no_dockerfile', message: 'There is no file “Dockerfile” in this commit.' });
    expect(await failure({ context: 'apps/a', dockerfile: 'docker/Dockerfile' })).toMatchObject({ code: 'no_dockerfile', message: 'There is no file “apps/a/docker/Dockerfile” in this commit.' });
    expect(await failure({ context: 'apps/none' })).toMatchObject({ code: 'no_dockerfile', message: 'The context folder “apps/none” is not in this commit.' });
    expect(await failure({ context: 'apps/b' })).toMatchObject({ code: 'no_dockerfile' });
  });

  it.each(['../../etc/x', '/etc/passwd', 'a\nb', '', '..', 'a/../../x'])('E14: refuses a Dockerfile at %j', async (dockerfile) => {
    using repository = createTestRepository(APP);
    await using started = await startSource(repository.path);
    expect(await codeOf(started.source.buildKey(repository.head(), { ...RECIPE, dockerfile }))).toBe('unsafe_dockerfile');
  });

  it.each([
    ['Dockerfile', '/etc/passwd'], ['Dockerfile', '../x'], ['.dockerignore', '/dev/zero'], ['Dockerfile.dockerignore', '../../etc/hosts'],
  ])('B3: refuses %s as a link to %s', async (name, link) => {
    using repository = createTestRepository({ ...APP, [name]: { link } });
    await using started = await startSource(repository.path);
    expect(await codeOf(started.source.buildKey(repository.head(), RECIPE))).toBe('unsafe_dockerfile');
  });

  it('B3: refuses a context folder that is a link out, and follows a Dockerfile that is a link inside', async () => {
    using repository = createTestRepository({ ...APP, ctx: { link: '/' }, 'docker/real': 'FROM scratch\n', Dockerfile: { link: 'docker/real' }, dangling: { link: 'nowhere' } });
    await using started = await startSource(repository.path);
    expect(await codeOf(started.source.buildKey(repository.head(), { ...RECIPE, context: 'ctx' }))).toBe('unsafe_dockerfile');
    expect(await codeOf(started.source.buildKey(repository.head(), { ...RECIPE, dockerfile: 'dangling' }))).toBe('no_dockerfile');
    expect(await started.source.buildKey(repository.head(), RECIPE)).toMatch(/^[0-9a-f]{64}$/);
  });

  it('B6: refuses a tree of endlessly repeated folders at once', async () => {
    using repository = createTestRepository(APP);
    let tree = repository.git('rev-parse', 'HEAD^{tree}');
    const root = (id: string) => Array.from({ length: 10 }, (_, index) => `040000 tree ${id}\tf${index}`).join('\n');
    for (let level = 0; level < 10; level += 1) tree = repository.gitWithInput(`${root(tree)}\n`, 'mktree');
    const dockerfile = repository.git('rev-parse', 'HEAD:Dockerfile');
    tree = repository.gitWithInput(`100644 blob ${dockerfile}\tDockerfile\n${root(tree)}\n`, 'mktree');
    repository.setRef('refs/heads/bomb', repository.git('-c', 'user.name=x', '-c', 'user.email=x@example.com', 'commit-tree', '-m', 'x', tree));
    await using started = await startSource(repository.path);
    const { commit } = await started.source.findRef('bomb');
    expect(await codeOf(started.source.buildKey(commit, RECIPE))).toBe('tree_too_large');
  });

  it('refuses file names that are not UTF-8', async () => {
    using repository = createTestRepository(APP);
    const row = `100644 blob ${repository.git('rev-parse', 'HEAD:Dockerfile')}\t`;
    const tree = repository.gitWithInput(Buffer.concat([Buffer.from(`${row}Dockerfile\0${row}caf`), Buffer.from([0xe9, 0])]), 'mktree', '-z');
    repository.setRef('refs/heads/latin', repository.git('-c', 'user.name=x', '-c', 'user.email=x@example.com', 'commit-tree', '-m', 'x', tree));
    await using started = await startSource(repository.path);
    expect(await codeOf(started.source.buildKey((await started.source.findRef('latin')).commit, RECIPE))).toBe('unsupported_path');
  });

  it('of 10,000 files takes well under a second, and of a known commit nothing', async () => {
    const files = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`src/f${index % 100}/file-${index}.ts`, String(index % 50)]));
    using repository = createTestRepository(APP);
    const blob = repository.git('rev-parse', 'HEAD:index.html');
    repository.gitWithInput(Object.keys(files).map((path) => `100644 ${blob}\t${path}\n`).join(''), 'update-index', '--add', '--index-info');
    const tree = repository.git('write-tree');
    repository.setRef('refs/heads/large', repository.git('-c', 'user.name=x', '-c', 'user.email=x@example.com', 'commit-tree', '-m', 'x', tree));
    await using started = await startSource(repository.path);
    const { commit } = await started.source.findRef('large');
    const keys = new Set<string>();
    const compute = async () => keys.add(await started.source.buildKey(commit, RECIPE));
    expect(await processorMs(compute)).toBeLessThan(2_000);
    expect(await processorMs(compute)).toBeLessThan(20);
    expect(keys.size).toBe(1);
  });
});

describe('the recipe in a key', () => {
  const COMMIT = { one: '1'.repeat(40) as never, two: '2'.repeat(40) as never };
  const ENTRIES: ContextEntry[] = ['b', 'a', '\u{ffff}', '\u{1f680}', 'a/b'].map((path) => ({ path, mode: '100644', id: '0'.repeat(40), size: 1 }));
  const keyOf = (recipe: Partial<Recipe>, entries = ENTRIES, commit = COMMIT.one) => hashKey(recipeText({ ...RECIPE, ...recipe }, commit), entries);

  it('is the same whatever the order of files, arguments and dependencies', () => {
    expect(keyOf({ args: { A: '1', B: '2' } }, ENTRIES.toReversed())).toBe(keyOf({ args: { B: '2', A: '1' } }));
    expect(keyOf({ dependencies: { X: IMAGE, Y: IMAGE } })).toBe(keyOf({ dependencies: { Y: IMAGE, X: IMAGE } }));
  });

  it('is another for every other part', () => {
    const other: Partial<Recipe>[] = [
      {}, { context: 'apps' }, { dockerfile: 'Other' }, { target: 'web' }, { args: { A: '1' } }, { args: { A: '2' } },
      { platform: 'linux/arm64' }, { dependencies: { BASE: IMAGE } }, { dependencies: { OTHER: IMAGE } },
    ];
    expect(new Set(other.map((recipe) => keyOf(recipe))).size).toBe(other.length);
    expect(keyOf({}, ENTRIES.slice(1))).not.toBe(keyOf({}));
  });

  it('has the commit only where `{commit}` is used', () => {
    expect(keyOf({ args: { A: '1' } }, ENTRIES, COMMIT.two)).toBe(keyOf({ args: { A: '1' } }));
    expect(keyOf({ args: { A: 'v-{commit}' } }, ENTRIES, COMMIT.two)).not.toBe(keyOf({ args: { A: 'v-{commit}' } }));
    expect(resolveArgs({ args: { A: '{commit}/{commit}', B: '$&' } }, COMMIT.one)).toEqual({ A: `${'1'.repeat(40)}/${'1'.repeat(40)}`, B: '$&' });
  });

  it('stays what it is, so that images of older versions are found again', () => {
    expect(keyOf({})).toBe('b452fcdbf338b8db17638b1c4ec08cef5bb185ab5c9418945e7099374e75807c');
  });

  it('counts a submodule as an empty folder', () => {
    const submodule = (id: string): ContextEntry[] => [...ENTRIES, { path: 'sub', mode: '160000', id, size: 0 }];
    expect(keyOf({}, submodule('1'.repeat(40)))).toBe(keyOf({}, submodule('2'.repeat(40))));
    expect(keyOf({}, submodule('1'.repeat(40)))).not.toBe(keyOf({}));
  });
});
