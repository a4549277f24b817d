import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../domain/errors.js';
import type { ProjectName } from '../domain/ids.js';
import type { Clock } from '../kernel/clock.js';
import { withDeadline } from '../kernel/deadline.js';
import type { Logger } from '../kernel/log.js';
import { gitSettings, originOf, type GitPlace } from './git-settings.js';
import { createGit, type Git } from './git.js';
import { removeLeftovers } from './leftovers.js';
import { readRefs, type Ref } from './ref-table.js';
import type { Repository } from './repository.js';

/** The bare copy of a project's repository on this machine. */
export interface Mirror {
  readonly git: Git;
  /** Opens the copy or makes an empty one; needs no remote. A damaged one is moved away, and one of another address. @throws AppError `internal` when git cannot be run */
  open(): Promise<readonly Ref[]>;
  /** Fetches heads and tags. @returns whether something changed. @throws AppError `git_unreachable` */
  fetch(): Promise<boolean>;
  /** Makes a new copy beside a damaged one and puts it in its place. @throws AppError `git_unreachable` */
  rebuild(): Promise<void>;
  /** Packs what many small fetches left, when it is much; what nothing reaches goes after two weeks. */
  tidy(): Promise<void>;
  /** Ends all children. */
  close(): void;
}

export interface MirrorDeps {
  readonly project: ProjectName;
  readonly repository: Repository;
  readonly folder: string;
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly fetchTimeoutMs: number;
}

const REFSPECS = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'];
const FETCH = ['fetch', '--prune', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules', '--no-auto-maintenance', 'origin', ...REFSPECS];
/** Through the transport even for a folder: copying its files would bring damage and unreachable objects along. */
const CLONE = ['clone', '--bare', '--quiet', '--no-local', '--'];
/** Git decides whether there is much; on its own it would do so in the middle of a fetch. */
const TIDY = ['-c', 'gc.auto=2000', '-c', 'gc.autoDetach=false', 'gc', '--auto', '--quiet'];
/** The first fetch brings the whole history, so it may take this many times longer. */
const FIRST_FETCH_FACTOR = 10;
/** What git says when the fault is in our copy and not in the remote. */
const DAMAGE = /bad object|bad config|did not send all necessary|not a git repository|corrupt|unable to (?:read|resolve|parse)|missing (?:blob|tree|commit|object)|invalid sha1|loose object|packfile|not a tree object|unexpected end of file|broken|spawn git ENOENT/i;

/** Whether a failure of git tells of a damaged copy. */
export const isDamage = (error: unknown): boolean => error instanceof AppError && error.code === 'internal' && DAMAGE.test(error.message);

export function createMirror({ project, repository, folder, path, clock, log, fetchTimeoutMs }: MirrorDeps): Mirror {
  const gitDir = join(folder, `${project}.git`);
  const fresh = `${gitDir}.new`;
  const broken = `${gitDir}.broken`;
  const former = `${gitDir}.former`;
  const place: GitPlace = { gitDir, home: join(folder, 'home'), configFile: join(folder, `${project}.gitconfig`), path, repository };
  const git = createGit({ place, clock });
  const freshGit = createGit({ place: { ...place, gitDir: fresh }, clock });
  let empty = true;

  async function open(): Promise<readonly Ref[]> {
    await partFromFormer();
    await layGround();
    await rm(fresh, { recursive: true, force: true });
    const refs = await exists(gitDir) ? await examine() : undefined;
    if (refs) return refs;
    await assertGit();
    if (await exists(gitDir)) {
      log.warn('mirror damaged, moved away', { to: broken });
      await moveAway();
    }
    await replace(() => freshGit.text(['init', '--bare', '--quiet', fresh]));
    return [];
  }

  /**
   * Another address is another repository: its branches and pinned commits are none of the new one's. The configuration file
   * says of which address the copy is, until it is written anew; the copy is away by then, so that a crash repeats the look.
   */
  async function partFromFormer(): Promise<void> {
    const origin = originOf(await readFile(place.configFile, 'utf8').catch(() => ''));
    if (origin === undefined || origin === repository.address) return;
    log.warn('repository changed, its mirror moved away', { to: former });
    await rm(broken, { recursive: true, force: true });
    if (!(await exists(gitDir))) return;
    await rm(former, { recursive: true, force: true });
    await rename(gitDir, former);
  }

  /** A git that cannot be run says nothing about a mirror. */
  async function assertGit(): Promise<void> {
    await git.text(['version']).catch((cause: unknown) => { throw new AppError('git_unreachable', `Git could not be run: ${messageOf(cause)}`, { cause }); });
  }

  /** What every git of ours needs beside the mirror itself. */
  async function layGround(): Promise<void> {
    await mkdir(place.home, { recursive: true });
    await writeWhole(place.configFile, gitSettings(repository, place.home));
  }

  /** @returns what it has; undefined when it cannot be read */
  async function examine(): Promise<readonly Ref[] | undefined> {
    await removeLeftovers(gitDir, clock.now());
    const whole = await readRefs(git).catch((error: unknown) => { log.warn('mirror not read', { error }); });
    if (whole) empty = whole.length === 0;
    return whole ?? undefined;
  }

  async function moveAway(): Promise<void> {
    await rm(broken, { recursive: true, force: true });
    await rename(gitDir, broken);
  }

  /** Makes the new copy elsewhere, so that a crash on the way leaves none that looks whole. */
  async function replace(make: () => Promise<unknown>): Promise<void> {
    await rm(fresh, { recursive: true, force: true });
    await make();
    if (await exists(gitDir)) await moveAway();
    await rename(fresh, gitDir);
  }

  async function fetch(): Promise<boolean> {
    if (empty) {
      await clone();
      return true;
    }
    try {
      return (await transfer(git, FETCH, fetchTimeoutMs)) !== '';
    } catch (error) {
      return await recover(toUnreachable(error));
    }
  }

  /** A lock left by a killed git, or a damaged copy, is ours to mend; all else is the remote's fault. */
  async function recover(error: AppError): Promise<boolean> {
    const removed = await removeLeftovers(gitDir, git.oldestStart(clock.now()));
    if (removed > 0 && /\.lock['’]?: File exists/.test(error.message)) return transfer(git, FETCH, fetchTimeoutMs).then((said) => said !== '', (again: unknown) => { throw toUnreachable(again); });
    if (!DAMAGE.test(error.message)) throw error;
    await rebuild();
    return true;
  }

  /** Runs what talks to the remote. @returns what git reported */
  async function transfer(there: Git, args: readonly string[], ms: number): Promise<string> {
    const child = there.open(args);
    child.stdin.end();
    child.stdout.resume();
    const late = () => new AppError('git_unreachable', `The repository did not answer within ${Math.round(ms / 1_000)} s.`);
    try {
      await withDeadline(() => child.finished, { ms, clock, error: late });
    } catch (error) {
      const lock = /^.*\.lock': File exists.*$/m.exec(child.said())?.[0];
      throw lock === undefined ? error : new AppError('internal', lock, { cause: error });
    } finally {
      child.end();
    }
    return child.said();
  }

  async function rebuild(): Promise<void> {
    log.warn('mirror damaged, making a new one');
    await layGround();
    await clone();
  }

  /** A whole history at once: unlike a fetch it writes thousands of refs as one file. */
  async function clone(): Promise<void> {
    try {
      await replace(async () => {
        await transfer(freshGit, [...CLONE, repository.address, fresh], fetchTimeoutMs * FIRST_FETCH_FACTOR);
        await carryPins();
      });
    } catch (error) {
      throw toUnreachable(error);
    }
    empty = false;
    for (const old of [broken, former]) await rm(old, { recursive: true, force: true });
  }

  /** Pinned commits may be on no branch any more: what can still be read of them moves with us. */
  async function carryPins(): Promise<void> {
    for (const old of [gitDir, broken]) {
      if (!(await exists(old))) continue;
      // The two files without which git sees no repository at all, however whole the rest is.
      await writeFile(join(old, 'HEAD'), 'ref: refs/heads/main\n');
      await writeFile(join(old, 'config'), '[core]\n\trepositoryformatversion = 0\n\tbare = true\n');
      const local: Repository = { ...repository, address: old, path: old };
      const there = createGit({ place: { ...place, gitDir: fresh, repository: local }, clock });
      await there.text(['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', old, '+refs/slipway/*:refs/slipway/*'])
        .catch((error: unknown) => { log.warn('pinned commits lost with a damaged mirror', { error }); });
    }
  }

  async function tidy(): Promise<void> {
    const child = git.open(TIDY);
    child.stdin.end();
    child.stdout.resume();
    await child.finished.catch((error: unknown) => { log.warn('tidying a mirror failed', { error }); });
  }

  function close(): void {
    git.close();
    freshGit.close();
  }

  return { git, open, fetch, rebuild, tidy, close };
}

function toUnreachable(error: unknown): AppError {
  if (error instanceof AppError && error.code === 'git_unreachable') return error;
  return new AppError('git_unreachable', messageOf(error), { cause: error });
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : 'git failed');
const exists = (path: string): Promise<boolean> => stat(path).then(() => true, () => false);

/** Readable for its owner only: credentials are in it. */
async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 });
  await rename(`${file}.new`, file);
}
