import type { Readable } from 'node:stream';
import type { Recipe } from '../domain/build.js';
import type { GitCredentials } from '../domain/project.js';
import { AppError } from '../domain/errors.js';
import type { BuildKey, CommitHash, ProjectName } from '../domain/ids.js';
import { nearestNames } from '../domain/nearest.js';
import { parseRefName } from '../domain/ref-name.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import type { Limit } from '../kernel/limit.js';
import { startLoop, type Loop } from '../kernel/loop.js';
import type { LoopBook } from '../kernel/loop-book.js';
import type { Part } from '../kernel/part.js';
import { createTopic, type Topic } from '../kernel/topic.js';
import { createCommits, noSuchCommit, type CommitDescription } from './commits.js';
import { createContexts } from './contexts.js';
import type { IgnoreRules } from './ignore-rules.js';
import { createLookup } from './lookup.js';
import { createMirror, isDamage } from './mirror.js';
import { createRefTable, readRefs, sameRefs, type Ref, type RefTable } from './ref-table.js';
import { withCredentials } from './credentials.js';
import { parseRepository } from './repository.js';

export type { CommitDescription } from './commits.js';
export type { Ref, RefTable } from './ref-table.js';

export interface SourceDeps {
  readonly project: ProjectName;
  /** A URL, an scp-like ssh address or an absolute path of a repository. */
  readonly repository: string;
  readonly credentials?: GitCredentials;
  /** Folder for the bare mirror `<folder>/<project>.git`, git's own configuration file and empty home. */
  readonly folder: string;
  /** Where git and ssh are looked for. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long one fetch may take; the very first may take ten times as long. */
  readonly fetchTimeoutMs: number;
  /** Shared by all projects. */
  readonly ignore: IgnoreRules;
  /** Shared by all projects, so that not all of them fetch at once; default: no limit. */
  readonly turn?: Limit;
  /** Where its loop is entered. */
  readonly loops?: LoopBook;
  /** How long unknown names wait between two fetches, in milliseconds; default: two seconds. */
  readonly unknownPauseMs?: number | undefined;
}

/** The commits of one project. */
export interface Source extends Part {
  /** All heads and tags as last fetched; a new object after each change. */
  refs(): RefTable;
  /** Fetches; everybody who asks while one fetch runs shares the next. @throws AppError `git_unreachable` with git's own sentence */
  refresh(): Promise<void>;
  /** The branch that the remote's HEAD named when it was first fetched, if it is still there. */
  defaultBranch(): Promise<Ref | undefined>;
  /** When the last fetch that succeeded ended, in milliseconds since the epoch; null before the first. */
  refreshedAt(): number | null;
  /** Since when refreshing fails (milliseconds since the epoch) and why; null when the last fetch succeeded. */
  fault(): { readonly since: number; readonly message: string } | null;
  /** Looks a branch or tag up; an unknown name causes a fetch. @throws AppError `invalid_branch`, `unknown_ref` with the nearest names, `git_unreachable` */
  findRef(text: string): Promise<Ref>;
  /** Looks up what a `branch-<slug>` host means. @throws AppError `unknown_ref`, `git_unreachable` */
  findSlug(slug: string): Promise<Ref>;
  /**
   * Reads a full or abbreviated hash, in any case; an annotated tag object stands for its commit.
   *
   * @throws AppError `invalid_hash`, `ambiguous_hash` with candidates, `not_a_commit`, `git_unreachable`,
   * `commit_not_found` also when the commit is there but neither a fetched ref nor a pin reaches it
   */
  findCommit(text: string): Promise<CommitHash>;
  /** The same from what was fetched already; undefined when there is no such commit. @throws AppError `invalid_hash`, `ambiguous_hash` */
  findCommitHere(text: string): Promise<CommitHash | undefined>;
  describe(commit: CommitHash): Promise<CommitDescription>;
  /** Keeps the commit when its branch moves or goes, as `refs/slipway/<commit>`. */
  pin(commit: CommitHash): Promise<void>;
  /** @throws AppError `no_dockerfile`, `unsafe_dockerfile`, `tree_too_large`, `unsupported_path` */
  buildKey(commit: CommitHash, recipe: Recipe): Promise<BuildKey>;
  /** The tar that Docker receives, and sentences for the build log; destroying the stream ends git. @throws what `buildKey` throws */
  context(commit: CommitHash, recipe: Recipe): Promise<{ readonly stream: Readable; readonly notes: readonly string[] }>;
  /** Hears of the new table when heads or tags changed. @returns a function that ends the subscription */
  onChange: Topic<RefTable>['subscribe'];
}

const NO_CREDENTIALS: GitCredentials = { tokenFile: null, sshKey: null, knownHosts: null };
const REFRESH_MS = 60_000;
const TIDY_MS = 3_600_000;
const REPAIR_PAUSE_MS = 60_000;
/** How long a start waits for the first fetch, so that a slow remote does not keep the server from its visitors. */
const FIRST_FETCH_WAIT_MS = 2_000;

/** @throws AppError `invalid_request` when the repository's address is not allowed */
export function createSource({ project, repository, credentials = NO_CREDENTIALS, folder, path, clock, log: parentLog, fetchTimeoutMs, ignore, turn = (work) => work(), loops, unknownPauseMs: pauseMs }: SourceDeps): Source {
  const log = parentLog.child({ project });
  const mirror = createMirror({ project, repository: withCredentials(parseRepository(repository), credentials), folder, path, clock, log, fetchTimeoutMs });
  const { git } = mirror;
  const changes = createTopic<RefTable>((error) => { log.error('listener of ref changes failed', { error }); });
  let refreshedAt: number | null = null;
  let table = createRefTable([], () => refreshedAt);
  let fault: { since: number; message: string } | null = null;
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  let repairedAt = -Infinity;
  let tidiedAt = -Infinity;
  let loop: Loop | null = null;
  let stopped = false;

  const lookup = createLookup({ refresh, clock, pauseMs });
  const commits = createCommits({ git, refs: () => table, lookup });
  const contexts = createContexts({ git, ignore, committedAt: async (commit) => (await commits.describe(commit)).committedAt });

  /** A fetch that runs already may have begun before a push: who asks now shares the one after it. */
  function refresh(): Promise<void> {
    if (!running) return running = fetchOnce(() => mirror.fetch()).finally(() => { running = null; });
    return next ??= running.catch(() => undefined).finally(() => { next = null; }).then(refresh);
  }

  async function fetchOnce(fetch: () => Promise<boolean>): Promise<void> {
    if (stopped) throw new AppError('shutting_down', 'The server is stopping.');
    try {
      if (await fetch()) await reload();
      if (fault) log.info('repository reachable again');
      fault = null;
      refreshedAt = clock.now();
    } catch (error) {
      noteFault(error instanceof Error ? error.message : 'git failed');
      throw error;
    }
  }

  function noteFault(message: string): void {
    if (stopped) return;
    if (!fault) log.warn('repository not reachable', { message });
    fault = { since: fault?.since ?? clock.now(), message };
  }

  async function reload(): Promise<void> {
    const read = createRefTable(await readRefs(git), () => refreshedAt);
    if (sameRefs(read, table)) return;
    table = read;
    commits.forget();
    lookup.forget();
    changes.publish(table);
  }

  /** Reads from the mirror; a damaged one is made anew, once a minute at most, and read again. */
  async function reading<T>(work: () => Promise<T>, commit?: CommitHash): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'internal') throw error;
      if (stopped) throw new AppError('shutting_down', 'The server is stopping.', { cause: error });
      if (commit && await commits.isGone(commit).catch(() => false)) throw noSuchCommit(commit);
      if (!isDamage(error) || clock.monotonic() - repairedAt < REPAIR_PAUSE_MS) throw error;
      repairedAt = clock.monotonic();
      await (running ?? Promise.resolve()).catch(() => undefined);
      await (running = fetchOnce(() => mirror.rebuild().then(() => true)).finally(() => { running = null; }));
      return work();
    }
  }

  async function findOrExplain(key: string, look: () => Ref | undefined, asked: string): Promise<Ref> {
    const ref = await lookup.find(key, () => Promise.resolve(look()));
    if (ref) return ref;
    const nearest = nearestNames(asked, table.refs.map(({ name }) => name));
    throw new AppError('unknown_ref', `There is no branch or tag “${asked}”.`, { details: { nearest } });
  }

  /** A mirror that cannot be read says nothing; whoever needs more of it mends it. */
  async function defaultBranch(): Promise<Ref | undefined> {
    const head = await git.text(['symbolic-ref', '--quiet', 'HEAD']).catch(() => '');
    return table.branches.find(({ name }) => head.trim() === `refs/heads/${name}`);
  }

  async function keepUp(): Promise<void> {
    // Only what nobody waits for takes its turn: a visitor of this project must not wait for another one's remote.
    await turn(() => (stopped ? Promise.resolve() : running ?? refresh())).catch(() => undefined);
    if (stopped || clock.monotonic() - tidiedAt < TIDY_MS) return;
    tidiedAt = clock.monotonic();
    await mirror.tidy();
  }

  async function start(): Promise<void> {
    table = createRefTable(await turn(() => mirror.open()), () => refreshedAt);
    const first = turn(refresh).catch(() => undefined);
    loop = startLoop(REFRESH_MS, keepUp, { clock, log, noted: loops && { book: loops, name: 'fetch', project } });
    // What is known already is served at once; whatever is newer comes with the fetch, or with whoever asks for it.
    if (table.refs.length > 0) return;
    const waited = new AbortController();
    await Promise.race([first, clock.sleep(FIRST_FETCH_WAIT_MS, waited.signal)]);
    waited.abort();
  }

  async function stop(): Promise<void> {
    stopped = true;
    mirror.close();
    await loop?.stop();
    await running?.catch(() => undefined);
  }

  return {
    start, stop, refresh, defaultBranch,
    refs: () => table,
    refreshedAt: () => refreshedAt,
    fault: () => fault,
    findRef: async (text) => {
      const name = parseRefName(text);
      return findOrExplain(`ref ${name}`, () => table.find(name), name);
    },
    findSlug: (slug) => findOrExplain(`slug ${slug}`, () => table.bySlug(slug), slug),
    findCommit: (text) => reading(() => commits.find(text)),
    findCommitHere: (text) => reading(() => commits.findHere(text)),
    describe: (commit) => reading(() => commits.describe(commit), commit),
    pin: (commit) => reading(() => commits.pin(commit), commit),
    buildKey: (commit, recipe) => reading(() => contexts.buildKey(commit, recipe), commit),
    context: (commit, recipe) => reading(() => contexts.context(commit, recipe), commit),
    onChange: changes.subscribe,
  };
}
