import { parseCommitHash, type CommitHash, type RefName } from '../domain/ids.js';
import { isRefName, parseRefName } from '../domain/ref-name.js';
import { slugOf } from '../domain/slug.js';
import type { Git } from './git.js';

/** A branch or tag and the commit it stands for. Times in milliseconds since the epoch. */
export interface Ref {
  readonly name: RefName;
  readonly kind: 'branch' | 'tag';
  readonly commit: CommitHash;
  readonly subject: string;
  readonly author: string;
  readonly committedAt: number;
}

/** All heads and tags at one time. */
export interface RefTable {
  /** Newest commit first. */
  readonly refs: readonly Ref[];
  readonly branches: readonly Ref[];
  /** When the last fetch succeeded; null when none did yet. */
  readonly refreshedAt: number | null;
  /** A branch wins over a tag of the same name. */
  find(name: string): Ref | undefined;
  /** The ref that a `branch-<slug>` host means; a branch wins over a tag. */
  bySlug(slug: string): Ref | undefined;
  /** Whether a ref stands for exactly this commit. */
  hasTip(commit: CommitHash): boolean;
}

const FIELDS = [
  'refname', 'objecttype', 'objectname', 'contents:subject', 'authorname', 'committerdate:unix',
  '*objecttype', '*objectname', '*contents:subject', '*authorname', '*committerdate:unix',
];
const FORMAT = FIELDS.map((field) => `%(${field})`).join('%00');
const KINDS = { 'refs/heads/': 'branch', 'refs/tags/': 'tag' } as const;

/** Builds a table; `refreshedAt` is asked each time, so that a fetch without news needs no new table. */
export function createRefTable(unsorted: readonly Ref[], refreshedAt: () => number | null): RefTable {
  const refs = [...unsorted].sort((a, b) => b.committedAt - a.committedAt || (a.name < b.name ? -1 : 1));
  const branchesFirst = [...refs.filter(({ kind }) => kind === 'branch'), ...refs.filter(({ kind }) => kind === 'tag')];
  const byName = new Map<string, Ref>();
  const slugs = new Map<string, Ref>();
  for (const ref of branchesFirst) {
    if (!byName.has(ref.name)) byName.set(ref.name, ref);
    const slug = slugOf(ref.name);
    if (!slugs.has(slug)) slugs.set(slug, ref);
  }
  const tips = new Set(refs.map(({ commit }) => commit));
  return {
    refs,
    branches: refs.filter(({ kind }) => kind === 'branch'),
    get refreshedAt() { return refreshedAt(); },
    find: (name) => byName.get(name),
    bySlug: (slug) => slugs.get(slug),
    hasTip: (commit) => tips.has(commit),
  };
}

/** Whether two tables name the same refs for the same commits. */
export function sameRefs(a: RefTable, b: RefTable): boolean {
  const lines = (table: RefTable) => new Set(table.refs.map(({ kind, name, commit }) => `${kind} ${name} ${commit}`));
  const others = lines(b);
  return a.refs.length === b.refs.length && [...lines(a)].every((line) => others.has(line));
}

/** Reads all heads and tags of a mirror, annotated tags as their commits; tags of files or folders are left out. */
export async function readRefs(git: Git): Promise<Ref[]> {
  const text = await git.text(['for-each-ref', `--format=${FORMAT}`, 'refs/heads', 'refs/tags']);
  const refs: Ref[] = [];
  for (const line of text.split('\n')) {
    const ref = line === '' ? undefined : await parseRow(line.split('\0'), git);
    if (ref) refs.push(ref);
  }
  return refs;
}

async function parseRow(row: readonly string[], git: Git): Promise<Ref | undefined> {
  const [refname = '', type = '', ...rest] = row;
  const direct = rest.slice(0, 4);
  const peeled = rest.slice(5);
  if (type === 'commit') return refOf(refname, direct);
  if (rest[4] === 'commit') return refOf(refname, peeled);
  if (rest[4] !== 'tag') return undefined;
  return refOf(refname, await peelNested(direct[0] ?? '', git));
}

/** A tag of a tag: rare enough for a command of its own. */
async function peelNested(tag: string, git: Git): Promise<string[]> {
  const text = await git.text(['log', '-1', '--format=%H%x00%s%x00%an%x00%ct', '--end-of-options', tag]).catch(() => '');
  return text.trim().split('\0');
}

function refOf(refname: string, [commit = '', subject = '', author = '', seconds = '']: readonly string[]): Ref | undefined {
  const prefix = refname.startsWith('refs/tags/') ? 'refs/tags/' : 'refs/heads/';
  const name = refname.slice(prefix.length);
  // A name that is not UTF-8 was changed by decoding: nobody can ask for it.
  if (!isRefName(name) || name.includes('\ufffd') || commit === '') return undefined;
  return {
    name: parseRefName(name), kind: KINDS[prefix], commit: parseCommitHash(commit), subject, author, committedAt: Number(seconds) * 1_000,
  };
}
