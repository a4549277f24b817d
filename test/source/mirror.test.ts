import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '../../src/kernel/clock.js';
import { createLog } from '../../src/kernel/log.js';
import { createIgnoreRules } from '../../src/source/ignore-rules.js';
import { createSource } from '../../src/source/source.js';
import { createTestFolder, createTestRepository } from '../support/git.js';
import { listen } from '../support/listen.js';
import { codeOf, createHeldClock, failureOf, GIT_PATH, PROJECT, RECIPE, startSource } from './started-source.js';

const APP = { Dockerfile: 'FROM scratch\n', a: '1' };

/** The files of a folder that end like this, at any depth. */
const filesIn = (folder: string, end: RegExp): string[] => readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => end.test(name)).map((name) => join(folder, name));

describe('the mirror', () => {
  it('is there without the remote, with what was fetched before', async () => {
    using repository = createTestRepository(APP);
    const commit = repository.head();
    await using started = await startSource(repository.path);
    rmSync(repository.path, { recursive: true });
    await started.restart();
    expect((await started.source.findRef('main')).commit).toBe(commit);
    expect(await started.source.buildKey(commit, RECIPE)).toMatch(/^[0-9a-f]{64}$/);
    await started.source.refresh().catch(() => undefined);
    expect(started.source.fault()?.message).toContain('does not appear to be a git repository');
  });

  it('starts when the remote never was there, and is filled when it comes', async () => {
    using repository = createTestRepository(APP);
    const away = `${repository.path}-away`;
    execFileSync('mv', [repository.path, away]);
    await using started = await startSource(repository.path);
    expect(started.source.refs().refs).toEqual([]);
    expect(await codeOf(started.source.findRef('main'))).toBe('git_unreachable');
    execFileSync('mv', [away, repository.path]);
    await started.source.refresh();
    expect((await started.source.findRef('main')).commit).toBe(repository.head());
  });

  it('is filled from an empty repository as soon as it has a commit', async () => {
    using repository = createTestRepository();
    await using started = await startSource(repository.path);
    expect(started.source.fault()).toBeNull();
    const commit = repository.commit(APP);
    expect((await started.source.findRef('main')).commit).toBe(commit);
  });

  it('B4: lets no setting of a person, the machine or the repository run anything', async () => {
    using repository = createTestRepository({ ...APP, '.gitattributes': '* filter=evil diff=evil\n' });
    await using started = await startSource(repository.path, { recorded: true });
    await started.source.buildKey(repository.head(), RECIPE);
    const calls = started.calls();
    expect(calls.length).toBeGreaterThan(4);
    for (const call of calls) {
      expect(call).toContain(`GIT_CONFIG_GLOBAL=${join(started.folder, 'shop.gitconfig')} GIT_CONFIG_NOSYSTEM=1 GIT_DIR=`);
      expect(call).toContain('GIT_TERMINAL_PROMPT=0');
      expect(call).toMatch(/GIT_ALLOW_PROTOCOL=https:http:ssh:file /);
      expect(call).toContain(`HOME=${join(started.folder, 'home')} `);
      expect(call).not.toContain('NODE_OPTIONS');
    }
    expect(readdirSync(join(started.folder, 'home'))).toEqual([]);
  });

  it('reads a repository of another user', async () => {
    using repository = createTestRepository(APP);
    const commit = repository.head();
    const isRoot = execFileSync('id', ['-u']).toString().trim() === '0';
    if (isRoot) for (const path of [repository.path, join(repository.path, '.git')]) chownSync(path, 12_345, 12_345);
    await using started = await startSource(repository.path);
    expect((await started.source.findRef('main')).commit).toBe(commit);
  });

  it('does not start without git, and says so', async () => {
    using repository = createTestRepository(APP);
    using folder = createTestFolder();
    const source = createSource({ project: PROJECT, repository: repository.path, folder: folder.path, path: folder.path, clock: systemClock, log: createLog({ level: 'debug', file: null, console: false }), fetchTimeoutMs: 1_000, ignore: createIgnoreRules(systemClock) });
    expect((await failureOf(source.start())).message).toMatch(/^Git could not be run: .*ENOENT/);
    await source.stop();
  });

  it('offers git to tidy up at most once an hour', async () => {
    using repository = createTestRepository(APP);
    const clock = createHeldClock();
    await using started = await startSource(repository.path, { clock, recorded: true });
    const minute = async (name: string) => {
      const seen = new Promise((resolve) => { started.source.onChange(resolve); });
      repository.setRef(`refs/tags/${name}`, repository.head());
      await clock.untilSleeping(60_000);
      clock.advance(60_000);
      await seen;
    };
    for (const name of ['one', 'two', 'three']) await minute(name);
    await started.source.stop();
    expect(started.tidyings()).toBe(1);
  });

  it('fetches once for all who ask while nothing runs, and once more for all who ask meanwhile', async () => {
    using repository = createTestRepository(APP);
    await using started = await startSource(repository.path, { recorded: true });
    const before = started.fetches();
    await Promise.all(Array.from({ length: 50 }, () => started.source.refresh()));
    expect(started.fetches() - before).toBe(2);
  });

  it('fetches each minute, and no more after it was stopped', async () => {
    using repository = createTestRepository(APP);
    const clock = createHeldClock();
    await using started = await startSource(repository.path, { clock });
    const pushed = repository.commit({ a: '2' });
    const seen = new Promise<string>((resolve) => { started.source.onChange((table) => { resolve(table.find('main')?.commit ?? ''); }); });
    await clock.untilSleeping(60_000);
    clock.advance(60_000);
    expect(await seen).toBe(pushed);
    await started.source.stop();
    await started.source.stop();
    expect(await codeOf(started.source.refresh())).toBe('shutting_down');
  });
});

describe('a damaged mirror', () => {
  const DAMAGES: readonly [string, (mirror: string) => void][] = [
    ['HEAD is garbage', (mirror) => { writeFileSync(join(mirror, 'HEAD'), 'garbage\n'); }],
    ['it is not a folder of git', (mirror) => { rmSync(mirror, { recursive: true }); mkdirSync(mirror); writeFileSync(join(mirror, 'x'), ''); }],
    ['half of it was deleted', (mirror) => { rmSync(join(mirror, 'objects'), { recursive: true }); }],
    ['its packs are cut', (mirror) => { for (const pack of filesIn(join(mirror, 'objects'), /\.pack$/)) truncateSync(pack, 20); }],
    ['its refs are empty files', (mirror) => { rmSync(join(mirror, 'packed-refs')); writeFileSync(join(mirror, 'refs/heads/main'), ''); }],
    ['its settings are garbage', (mirror) => { writeFileSync(join(mirror, 'config'), '[core\n'); }],
  ];

  it.each(DAMAGES)('B10: mends itself at start: %s', async (_what, damage) => {
    using repository = createTestRepository(APP);
    await using started = await startSource(repository.path);
    await started.source.stop();
    damage(started.mirror);
    await started.restart();
    await started.source.refresh();
    expect((await started.source.findRef('main')).commit).toBe(repository.head());
    expect(await started.source.buildKey(repository.head(), RECIPE)).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each(DAMAGES)('B10: mends itself while it runs: %s', async (_what, damage) => {
    using repository = createTestRepository(APP);
    await using started = await startSource(repository.path);
    damage(started.mirror);
    const pushed = repository.commit({ a: '2' });
    await started.source.refresh();
    expect((await started.source.findRef('main')).commit).toBe(pushed);
    expect(await started.source.buildKey(pushed, RECIPE)).toMatch(/^[0-9a-f]{64}$/);
  });

  it('B10: is mended by who reads from it, and keeps pinned commits', async () => {
    using repository = createTestRepository(APP);
    const pinned = repository.commit({ a: 'pinned' });
    await using started = await startSource(repository.path);
    await started.source.pin(pinned);
    repository.git('reset', '--quiet', '--hard', 'HEAD~1');
    const next = repository.commit({ a: 'next' });
    await started.source.refresh();
    execFileSync('git', ['-C', started.mirror, 'repack', '-adq'], { env: { PATH: GIT_PATH } });
    rmSync(join(started.mirror, 'objects', next.slice(0, 2)), { recursive: true, force: true });
    writeFileSync(join(started.mirror, 'HEAD'), 'garbage\n');
    expect(await started.source.buildKey(next, RECIPE)).toMatch(/^[0-9a-f]{64}$/);
    expect(await started.source.findCommit(pinned)).toBe(pinned);
  });

  it('B10: is rid of locks that a killed git left', async () => {
    using repository = createTestRepository(APP);
    await using started = await startSource(repository.path);
    const past = new Date(Date.now() - 60_000);
    for (const lock of ['packed-refs.lock', 'shallow.lock', 'config.lock', 'refs/heads/main.lock']) {
      writeFileSync(join(started.mirror, lock), '');
      utimesSync(join(started.mirror, lock), past, past);
    }
    const pushed = repository.commit({ a: '2' });
    await started.source.refresh();
    expect((await started.source.findRef('main')).commit).toBe(pushed);
    expect(filesIn(started.mirror, /\.lock$/)).toEqual([]);
  });
});

describe('a remote that misbehaves', () => {
  it('B8: is given up in time, with all that git started, and nobody waits for it', async () => {
    await using silent = await listen(createServer());
    const before = performance.now();
    await using started = await startSource(`http://127.0.0.1:${silent.port}/x.git`, { fetchTimeoutMs: 50 });
    expect(started.source.refs().refs).toEqual([]);
    const failure = await failureOf(started.source.refresh());
    expect(failure).toMatchObject({ code: 'git_unreachable', message: expect.stringContaining('did not answer within') as string });
    expect(performance.now() - before).toBeLessThan(10_000);
    expect(execFileSync('ps', ['-eo', 'args']).toString()).not.toContain(`127.0.0.1:${silent.port}`);
  });

  it('B8: does not hold up a start or a stop', async () => {
    await using silent = await listen(createServer());
    const before = performance.now();
    {
      await using started = await startSource(`http://127.0.0.1:${silent.port}/x.git`, { fetchTimeoutMs: 60_000 });
      expect(started.source.refs().refs).toEqual([]);
    }
    expect(performance.now() - before).toBeLessThan(10_000);
    expect(execFileSync('ps', ['-eo', 'args']).toString()).not.toContain(`127.0.0.1:${silent.port}`);
  });
});
