import { AppError } from '../domain/errors.js';
import { parseCommitHash, parseHashPrefix, type CommitHash } from '../domain/ids.js';
import { createLimit } from '../kernel/limit.js';
import { createSingleFlight } from '../kernel/single-flight.js';
import type { Git } from './git.js';
import type { Lookup } from './lookup.js';
import { createBoundedMap } from './memo.js';
import { createObjectReader, type ObjectReader } from './object-reader.js';
import type { RefTable } from './ref-table.js';

/** What people want to know of a commit. */
export interface CommitDescription {
  readonly commit: CommitHash;
  readonly author: string;
  readonly subject: string;
  /** Milliseconds since the epoch. */
  readonly committedAt: number;
}

/** Commits of one mirror: those that a fetched ref or a pin reaches. */
export interface Commits {
  find(text: string): Promise<CommitHash>;
  /** The same without a fetch; undefined when it is none, or not here. */
  findHere(text: string): Promise<CommitHash | undefined>;
  describe(commit: CommitHash): Promise<CommitDescription>;
  pin(commit: CommitHash): Promise<void>;
  /** Whether the mirror does not have the commit although no ref wants it. */
  isGone(commit: CommitHash): Promise<boolean>;
  /** Forgets which commits are reachable, after refs changed. */
  forget(): void;
}

export interface CommitsDeps {
  readonly git: Git;
  readonly refs: () => RefTable;
  readonly lookup: Lookup;
}

const REMEMBERED = 10_000;
const FULL_LENGTH = 40;
/** Each look-up starts git a few times, and strangers can ask for any hash. */
const LOOKUPS_AT_ONCE = 4;

export function createCommits({ git, refs, lookup }: CommitsDeps): Commits {
  const flights = createSingleFlight<string, CommitHash>();
  const limit = createLimit(LOOKUPS_AT_ONCE);
  const reachable = new Set<string>();
  const pinned = new Set<string>();
  const described = createBoundedMap<CommitHash, CommitDescription>(REMEMBERED);
  /** Beginnings of files and folders: while they count as absent, they are to be called what they are. */
  const otherwise = createBoundedMap<string, true>(REMEMBERED);

  const isKnown = (hash: string): boolean => refs().hasTip(hash as CommitHash) || reachable.has(hash) || pinned.has(hash);

  /** However many ask for a hash at once, git is asked once; one that was missing a moment ago, not at all. */
  async function find(text: string): Promise<CommitHash> {
    const prefix = parseHashPrefix(text);
    if (isKnown(prefix)) return parseCommitHash(prefix);
    return flights.run(prefix, () => limit(() => findOnce(prefix)));
  }

  function findHere(text: string): Promise<CommitHash | undefined> {
    const prefix = parseHashPrefix(text);
    if (isKnown(prefix)) return Promise.resolve(parseCommitHash(prefix));
    if (lookup.isAbsent(`hash ${prefix}`)) return Promise.resolve(undefined);
    return limit(() => look(prefix, new Set()));
  }

  async function findOnce(prefix: string): Promise<CommitHash> {
    const key = `hash ${prefix}`;
    if (lookup.isAbsent(key)) throw otherwise.get(prefix) ? notACommit(prefix) : noSuchCommit(prefix);
    const others = new Set<string>();
    const commit = await lookup.find(key, () => look(prefix, others));
    if (commit !== undefined) return commit;
    if (others.size === 0) throw noSuchCommit(prefix);
    otherwise.set(prefix, true);
    throw notACommit(prefix);
  }

  /** @param others gets the objects of that name that are no commits, for a better answer */
  async function look(prefix: string, others: Set<string>): Promise<CommitHash | undefined> {
    const names = prefix.length === FULL_LENGTH ? [prefix] : await namesWith(prefix);
    const found = new Set<CommitHash>();
    for (const commit of await peelAll(names, others)) if (await isReachable(commit)) found.add(commit);
    const [commit, ...more] = found;
    if (more.length > 0) {
      throw new AppError('ambiguous_hash', `“${prefix}” is the beginning of ${found.size} commits.`, { details: { candidates: [...found] } });
    }
    if (commit === undefined && prefix.length === FULL_LENGTH && others.size > 0) throw notACommit(prefix);
    return commit;
  }

  async function namesWith(prefix: string): Promise<string[]> {
    const text = await git.text(['rev-parse', `--disambiguate=${prefix}`]);
    return text.split('\n').filter((line) => line !== '');
  }

  async function peelAll(names: readonly string[], others: Set<string>): Promise<CommitHash[]> {
    if (names.length === 0) return [];
    const reader = createObjectReader(git, 'check');
    try {
      const commits: CommitHash[] = [];
      for (const name of names) {
        const commit = await peel(reader, name);
        if (commit === 'other') others.add(name);
        else if (commit !== undefined) commits.push(commit);
      }
      return commits;
    } finally {
      reader.end();
    }
  }

  async function isReachable(commit: CommitHash): Promise<boolean> {
    if (isKnown(commit)) return true;
    const yes = (await walkFromRefs(git, commit)) || (await someRefContains(git, commit));
    if (yes) reachable.add(commit);
    return yes;
  }

  async function describe(commit: CommitHash): Promise<CommitDescription> {
    const known = described.get(commit);
    if (known) return known;
    const text = await git.text(['log', '-1', '--format=%an%x00%s%x00%ct', '--end-of-options', commit]);
    const [author = '', subject = '', seconds = ''] = text.trimEnd().split('\0');
    return described.set(commit, { commit, author, subject, committedAt: Number(seconds) * 1_000 });
  }

  async function pin(commit: CommitHash): Promise<void> {
    if (pinned.has(commit)) return;
    await git.text(['update-ref', `refs/slipway/${commit}`, commit]);
    pinned.add(commit);
  }

  async function isGone(commit: CommitHash): Promise<boolean> {
    if (refs().hasTip(commit)) return false;
    const reader = createObjectReader(git, 'check');
    try {
      return (await reader.ask(commit)).kind === 'missing';
    } finally {
      reader.end();
    }
  }

  return { find, findHere, describe, pin, isGone, forget: () => { reachable.clear(); } };
}

/** Also for a commit that is there while nothing that was fetched or pinned reaches it. */
export const noSuchCommit = (hash: string): AppError => new AppError('commit_not_found', `No branch or tag of this repository has a commit “${hash}”.`);
const notACommit = (prefix: string): AppError => new AppError('not_a_commit', `“${prefix}” is a file or a folder, not a commit.`);

/** An annotated tag stands for its commit. */
async function peel(reader: ObjectReader, name: string): Promise<CommitHash | 'other' | undefined> {
  const found = await reader.ask(name);
  if (found.kind !== 'object') return undefined;
  if (found.type === 'commit') return parseCommitHash(found.id);
  if (found.type !== 'tag') return 'other';
  const peeled = await reader.ask(`${name}^{commit}`);
  return peeled.kind === 'object' ? parseCommitHash(peeled.id) : 'other';
}

/** One walk from all refs at once: quick, but commits with dates in the wrong order can escape it. */
async function walkFromRefs(git: Git, commit: CommitHash): Promise<boolean> {
  return (await git.text(['rev-list', '--max-count=1', commit, '--not', '--all'])).trim() === '';
}

/** One walk for each ref: slow with many refs, and always right. */
async function someRefContains(git: Git, commit: CommitHash): Promise<boolean> {
  return (await git.text(['for-each-ref', '--count=1', `--contains=${commit}`, 'refs/heads', 'refs/tags', 'refs/slipway'])).trim() !== '';
}
