import { Readable } from 'node:stream';
import { extract } from 'tar-stream';
import type { Recipe } from '../../src/domain/build.js';
import type { CommitHash } from '../../src/domain/ids.js';
import type { Source } from '../../src/source/source.js';
import { createTestRepository, FIRST_COMMIT_AT } from '../support/git.js';
import { codeOf, failureOf, RECIPE, startSource } from './started-source.js';

interface TarEntry {
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly mtime: number;
  readonly linkname: string;
  readonly content: Buffer;
}

async function untar(stream: Readable): Promise<Map<string, TarEntry>> {
  const entries = new Map<string, TarEntry>();
  const reader = extract();
  reader.on('entry', (header, body, next) => {
    const parts: Buffer[] = [];
    body.on('data', (part) => parts.push(part as Buffer));
    body.on('end', () => {
      const { name, type, mode, uid, mtime, linkname } = header;
      entries.set(name, { type, mode, uid, mtime: mtime.getTime(), linkname, content: Buffer.concat(parts) });
      next();
    });
  });
  const ended = new Promise<void>((resolve, reject) => { reader.on('finish', () => { resolve(); }); reader.on('error', reject); });
  stream.on('error', (error) => { reader.destroy(error); });
  stream.pipe(reader);
  await ended;
  return entries;
}

async function contextOf(source: Source, commit: CommitHash, recipe: Partial<Recipe> = {}) {
  const { stream, notes } = await source.context(commit, { ...RECIPE, ...recipe });
  return { entries: await untar(stream), notes };
}

const names = (entries: Map<string, TarEntry>): string[] => [...entries.keys()].sort();

describe('the context', () => {
  it('has the bytes, modes and links of the commit, owner 0 and the time of the commit', async () => {
    using repository = createTestRepository();
    const binary = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 256));
    const long = `${'deep/'.repeat(40)}end`;
    const commit = repository.commit({
      Dockerfile: 'FROM scratch\n', 'bin/run': { executable: '#!/bin/sh\n' }, 'bin/also': { link: 'run' }, 'bin/out': { link: '/etc/passwd' },
      'large.bin': binary, empty: '', 'a b$(x)\n;': 'odd', 'é/🚀': 'unicode', [long]: 'long', [`to-${'x'.repeat(120)}`]: { link: 'y'.repeat(150) },
    });
    await using started = await startSource(repository.path);
    const { entries, notes } = await contextOf(started.source, commit);
    expect(notes).toEqual([]);
    expect(entries.get('large.bin')?.content.equals(binary)).toBe(true);
    expect(entries.get('empty')).toMatchObject({ type: 'file', mode: 0o644 });
    expect(entries.get('bin/')).toMatchObject({ type: 'directory', mode: 0o755 });
    expect(entries.get('bin/run')).toMatchObject({ type: 'file', mode: 0o755, uid: 0, mtime: FIRST_COMMIT_AT });
    expect(entries.get('bin/also')).toMatchObject({ type: 'symlink', linkname: 'run' });
    expect(entries.get('bin/out')).toMatchObject({ type: 'symlink', linkname: '/etc/passwd' });
    expect(entries.get(`to-${'x'.repeat(120)}`)).toMatchObject({ type: 'symlink', linkname: 'y'.repeat(150) });
    expect(entries.get('a b$(x)\n;')?.content.toString()).toBe('odd');
    expect(entries.get('é/🚀')?.content.toString()).toBe('unicode');
    expect(entries.get(long)?.content.toString()).toBe('long');
  });

  it('E13: has nothing but what is committed', async () => {
    using repository = createTestRepository({ Dockerfile: 'FROM scratch\n', a: '1' });
    await using started = await startSource(repository.path);
    expect(names((await contextOf(started.source, repository.head())).entries)).toEqual(['Dockerfile', 'a']);
  });

  it('is not changed by attributes of the repository', async () => {
    using repository = createTestRepository();
    const commit = repository.commit({
      Dockerfile: 'FROM scratch\n', '.gitattributes': '*.txt export-subst text eol=crlf ident filter=evil\nsecret export-ignore\n', 'v.txt': '$Format:%H$\n$Id$\nline\n', secret: 's',
    });
    await using started = await startSource(repository.path);
    const { entries } = await contextOf(started.source, commit);
    expect(entries.get('v.txt')?.content.toString()).toBe(repository.git('cat-file', 'blob', `${commit}:v.txt`) + '\n');
    expect(entries.has('secret')).toBe(true);
  });

  it('leaves out what is ignored, but never the control files', async () => {
    using repository = createTestRepository();
    const commit = repository.commit({
      Dockerfile: 'FROM scratch\n', '.dockerignore': '*\n!src\nsrc/**/*.log\n!src/keep.log\n', 'src/a.js': '1', 'src/x/y.log': '2', 'src/keep.log': '3', 'README.md': '4',
    });
    await using started = await startSource(repository.path);
    expect(names((await contextOf(started.source, commit)).entries)).toEqual(['.dockerignore', 'Dockerfile', 'src/', 'src/a.js', 'src/keep.log']);
  });

  it('prefers the ignore file of the Dockerfile', async () => {
    using repository = createTestRepository();
    const commit = repository.commit({ 'docker/web': 'FROM scratch\n', '.dockerignore': 'a\n', 'docker/web.dockerignore': 'b\n', a: '1', b: '2' });
    await using started = await startSource(repository.path);
    const { entries } = await contextOf(started.source, commit, { dockerfile: 'docker/web' });
    expect(names(entries)).toEqual(['.dockerignore', 'a', 'docker/', 'docker/web', 'docker/web.dockerignore']);
  });

  it('has paths relative to the context folder', async () => {
    using repository = createTestRepository({ 'apps/a/Dockerfile': 'FROM scratch\n', 'apps/a/src/x': '1', 'apps/b/y': '2', '.dockerignore': '**\n' });
    await using started = await startSource(repository.path);
    expect(names((await contextOf(started.source, repository.head(), { context: 'apps/a' })).entries)).toEqual(['Dockerfile', 'src/', 'src/x']);
  });

  it('B2: has an empty folder for a submodule and a pointer for an LFS file, and says so', async () => {
    using repository = createTestRepository();
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 12345\n`;
    repository.commit({ Dockerfile: 'FROM scratch\n', 'big.psd': pointer, '.gitmodules': '[submodule "x"]\n\tpath = libs/x\n\turl = https://example.com/x\n' });
    repository.git('update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},libs/x`);
    const commit = repository.git('-c', 'user.name=x', '-c', 'user.email=x@example.com', 'commit-tree', '-m', 'x', repository.git('write-tree'));
    repository.setRef('refs/heads/sub', commit);
    await using started = await startSource(repository.path);
    const { entries, notes } = await contextOf(started.source, await started.source.findCommit(commit));
    expect(entries.get('libs/x/')).toMatchObject({ type: 'directory', mode: 0o755 });
    expect(entries.get('big.psd')?.content.toString()).toBe(pointer);
    expect(notes).toEqual([
      'Submodules are not fetched; an empty folder stands for libs/x.',
      'Git LFS files are not fetched; a pointer stands for big.psd.',
    ]);
  });

  it('B11: of a pinned commit is there after its branch was forced away', async () => {
    using repository = createTestRepository({ Dockerfile: 'FROM scratch\n', a: 'old' });
    const old = repository.head();
    await using started = await startSource(repository.path);
    await started.source.pin(old);
    repository.git('checkout', '--quiet', '--orphan', 'new');
    repository.setRef('refs/heads/main', repository.commit({ a: 'new' }, { branch: 'new' }));
    repository.git('gc', '--quiet', '--prune=now');
    await started.source.refresh();
    expect((await contextOf(started.source, old)).entries.get('a')?.content.toString()).toBe('old');
  });

  it('waits for its reader, and ends git when its reader goes', async () => {
    using repository = createTestRepository({ Dockerfile: 'FROM scratch\n', 'large.bin': Buffer.alloc(8 * 1024 ** 2, 7), small: 'x' });
    await using started = await startSource(repository.path);
    const { stream } = await started.source.context(repository.head(), RECIPE);
    let read = 0;
    for await (const chunk of stream) {
      read += (chunk as Buffer).length;
      if (read > 100_000) break;
    }
    expect(stream.destroyed).toBe(true);
    expect(read).toBeLessThan(2 * 1024 ** 2);
    expect((await contextOf(started.source, repository.head())).entries.get('large.bin')?.content.length).toBe(8 * 1024 ** 2);
  });

  it('refuses a hostile ignore file in time, and lives on', async () => {
    const pattern = '**/a'.repeat(25);
    using repository = createTestRepository({ Dockerfile: 'FROM scratch\n', [`${'a/'.repeat(60)}b`]: '1' });
    const plain = repository.head();
    const commit = repository.commit({ '.dockerignore': `${pattern}/c\n` });
    const bad = repository.commit({ '.dockerignore': '[z-a]\n' });
    await using started = await startSource(repository.path);
    expect(await failureOf(started.source.buildKey(commit, RECIPE))).toMatchObject({ code: 'unsafe_dockerfile', message: expect.stringContaining('.dockerignore') as string });
    expect(await codeOf(started.source.buildKey(bad, RECIPE))).toBe('unsafe_dockerfile');
    expect(await started.source.buildKey(plain, RECIPE)).toMatch(/^[0-9a-f]{64}$/);
  });
});
