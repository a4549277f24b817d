import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/kernel/clock.js';
import { withCredentials } from '../../src/source/credentials.js';
import { gitSettings, originOf } from '../../src/source/git-settings.js';
import { createMirror } from '../../src/source/mirror.js';
import { parseRepository, type Repository } from '../../src/source/repository.js';
import { createQuietLog } from '../support/quiet-log.js';
import { createTestFolder, createTestRepository } from '../support/git.js';
import { GIT_PATH, PROJECT } from './started-source.js';

const ADDRESS = 'https://git.example.com/acme/shop.git';
const NONE = { tokenFile: null, sshKey: null, knownHosts: null };

/** A mirror of an address with one branch and one pinned commit, fetched from elsewhere: nothing here asks a network. */
async function startMirror(address: string) {
  const temporary = createTestFolder();
  const repository = createTestRepository({ Dockerfile: 'FROM scratch\n' });
  const open = async (of: Repository, project = PROJECT) => {
    const mirror = createMirror({ project, repository: of, folder: temporary.path, path: GIT_PATH, clock: systemClock, log: createQuietLog(), fetchTimeoutMs: 20_000 });
    try {
      return { refs: await mirror.open(), pins: await mirror.git.text(['for-each-ref', 'refs/slipway']) };
    } finally {
      mirror.close();
    }
  };
  await open(parseRepository(address));
  execFileSync('git', ['-C', join(temporary.path, `${PROJECT}.git`), 'fetch', '--quiet', repository.path, 'main:refs/heads/main', `main:refs/slipway/${repository.head()}`]);
  return {
    folder: temporary.path, repository,
    /** How many branches and pinned commits there are when it is opened for another address. */
    counts: async (of: Repository | string) => {
      const { refs, pins } = await open(typeof of === 'string' ? parseRepository(of) : of);
      return [refs.length, pins.split('\n').filter((line) => line !== '').length];
    },
    [Symbol.dispose]: () => { temporary[Symbol.dispose](); repository[Symbol.dispose](); },
  };
}

describe('the mirror of a changed address', () => {
  it.each([
    ['https://git.example.com/acme/other.git'], ['https://elsewhere.example.com/acme/shop.git'], ['git@git.example.com:acme/shop.git'], ['/srv/shop'],
  ])('B9: is moved away with its pinned commits for %s', async (address) => {
    using mirror = await startMirror(ADDRESS);
    expect(await mirror.counts(ADDRESS)).toEqual([1, 1]);
    expect(await mirror.counts(address)).toEqual([0, 0]);
    expect(await mirror.counts(address)).toEqual([0, 0]);
    expect(existsSync(join(mirror.folder, `${PROJECT}.git.former`, 'packed-refs')) || existsSync(join(mirror.folder, `${PROJECT}.git.former`, 'refs/heads/main'))).toBe(true);
  });

  it('B15: stays when only the credentials are others, wherever they are', async () => {
    using mirror = await startMirror('https://user:old@git.example.com/acme/shop.git');
    const tokenFile = join(mirror.folder, 'token');
    writeFileSync(tokenFile, 'first');
    const ways = [
      'https://user:new@git.example.com/acme/shop.git', 'https://only-a-token@git.example.com/acme/shop.git', ADDRESS,
      withCredentials(parseRepository(ADDRESS), { ...NONE, tokenFile }),
    ];
    for (const way of ways) expect(await mirror.counts(way)).toEqual([1, 1]);
    writeFileSync(tokenFile, 'second');
    expect(await mirror.counts(withCredentials(parseRepository(ADDRESS), { ...NONE, tokenFile }))).toEqual([1, 1]);
  });

  it('B9: stays when it is not known of which address it was', async () => {
    using mirror = await startMirror(ADDRESS);
    const settings = join(mirror.folder, `${PROJECT}.gitconfig`);
    rmSync(settings);
    expect(await mirror.counts(ADDRESS)).toEqual([1, 1]);
    writeFileSync(settings, '[core]\n');
    expect(await mirror.counts(ADDRESS)).toEqual([1, 1]);
    expect(originOf(readFileSync(settings, 'utf8'))).toBe(ADDRESS);
  });

  it('B9: brings no pinned commit of the old one along, not even by way of a damaged copy, and is removed once the new one is there', async () => {
    using mirror = await startMirror(ADDRESS);
    using next = createTestRepository({ Dockerfile: 'FROM scratch\n', next: 'yes' });
    execFileSync('cp', ['-r', join(mirror.folder, `${PROJECT}.git`), join(mirror.folder, `${PROJECT}.git.broken`)]);
    const opened = createMirror({ project: PROJECT, repository: parseRepository(next.path), folder: mirror.folder, path: GIT_PATH, clock: systemClock, log: createQuietLog(), fetchTimeoutMs: 20_000 });
    await opened.open();
    await opened.fetch();
    expect(await opened.git.text(['for-each-ref', '--format=%(refname) %(objectname)'])).toBe(`refs/heads/main ${next.head()}\n`);
    expect(existsSync(join(mirror.folder, `${PROJECT}.git.former`))).toBe(false);
    opened.close();
  });
});

describe('git’s configuration file', () => {
  it.each([ADDRESS, '/srv/a "quoted" path', '/srv/back\\slash', 'git@example.com:a.git', '/srv/[remote "origin"]'])('says of which address it is: %s', (address) => {
    expect(originOf(gitSettings(parseRepository(address), '/home'))).toBe(parseRepository(address).address);
  });
});
