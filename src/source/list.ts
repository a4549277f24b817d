import { isUtf8 } from 'node:buffer';
import { posix } from 'node:path';
import type { Recipe } from '../domain/build.js';
import { AppError } from '../domain/errors.js';
import type { CommitHash } from '../domain/ids.js';
import type { Git } from './git.js';
import type { IgnoreRules } from './ignore-rules.js';
import { createObjectReader, type Found, type ObjectReader } from './object-reader.js';

/** A file, symbolic link or (as an empty folder) submodule that Docker receives. `path` is relative to the context folder. */
export interface ContextEntry {
  readonly path: string;
  readonly mode: '100644' | '100755' | '120000' | '160000';
  /** The object's id; for a submodule the commit that is not fetched. */
  readonly id: string;
  /** Bytes; 0 for a submodule. */
  readonly size: number;
}

/** What of a commit decides its context, found without listing it. */
export interface ContextRoot {
  /** The object id of the context folder. */
  readonly tree: string;
  readonly dockerfile: string;
  /** The ignore file in force; null when there is none. */
  readonly ignoreFile: { readonly path: string; readonly rules: string } | null;
}

const ENTRIES_MAX = 200_000;
const BYTES_MAX = 2 * 1024 ** 3;
const IGNORE_FILE_MAX = 1024 ** 2;

/** Cleans a recipe's path. @throws AppError `unsafe_dockerfile` when it leaves the repository or names nothing in it */
export function cleanPath(path: string): string {
  const clean = posix.normalize(path).replace(/(?<=.)\/+$/, '');
  // eslint-disable-next-line no-control-regex
  if (path === '' || posix.isAbsolute(clean) || clean === '..' || clean.startsWith('../') || /[\x00-\x1f\x7f]/.test(clean)) {
    throw new AppError('unsafe_dockerfile', `“${path}” is not a path inside the repository.`);
  }
  return clean;
}

/** Finds context folder, Dockerfile and ignore file. @throws AppError `no_dockerfile`, `unsafe_dockerfile` */
export async function findRoot(git: Git, commit: CommitHash, recipe: Pick<Recipe, 'context' | 'dockerfile'>): Promise<ContextRoot> {
  const context = cleanPath(recipe.context);
  const dockerfile = cleanPath(recipe.dockerfile);
  const reader = createObjectReader(git, 'contents');
  try {
    const tree = await findFolder(reader, commit, context);
    await findDockerfile(reader, { tree, dockerfile, context });
    const ignoreFile = await findIgnoreFile(reader, tree, [`${dockerfile}.dockerignore`, '.dockerignore']);
    return { tree, dockerfile, ignoreFile };
  } finally {
    reader.end();
  }
}

async function findFolder(reader: ObjectReader, commit: CommitHash, context: string): Promise<string> {
  const found = await reader.ask(`${commit}:${context === '.' ? '' : context}`);
  if (found.kind === 'outside') throw outside(context);
  if (found.kind === 'object' && found.type === 'tree') return found.id;
  if (context === '.') throw new AppError('internal', 'missing tree of a commit');
  throw new AppError('no_dockerfile', `The context folder “${context}” is not in this commit.`);
}

async function findDockerfile(reader: ObjectReader, { tree, dockerfile, context }: { tree: string; dockerfile: string; context: string }): Promise<void> {
  const found = await reader.ask(`${tree}:${dockerfile}`);
  if (found.kind === 'outside') throw outside(dockerfile);
  if (isFile(found)) return;
  const where = context === '.' ? dockerfile : `${context}/${dockerfile}`;
  throw new AppError('no_dockerfile', `There is no file “${where}” in this commit.`);
}

async function findIgnoreFile(reader: ObjectReader, tree: string, names: readonly string[]): Promise<ContextRoot['ignoreFile']> {
  for (const path of names) {
    const found = await reader.ask(`${tree}:${path}`);
    if (found.kind === 'outside') throw outside(path);
    if (!isFile(found)) continue;
    if (found.size > IGNORE_FILE_MAX) throw new AppError('unsafe_dockerfile', `“${path}” is larger than 1 MiB.`);
    return { path, rules: (await reader.content()).toString() };
  }
  return null;
}

const isFile = (found: Found): found is Found & { kind: 'object' } => found.kind === 'object' && found.type === 'blob';
const outside = (path: string): AppError => new AppError('unsafe_dockerfile', `“${path}” is a link that leaves the build context.`);

/**
 * Lists what Docker receives: the files of the context folder without the ignored ones, control files always in.
 *
 * @throws AppError `tree_too_large` beyond 200,000 entries or 2 GiB, `unsupported_path` for names that are not UTF-8
 */
export async function listContext(git: Git, root: ContextRoot, ignore: Pick<IgnoreRules, 'keep'>): Promise<readonly ContextEntry[]> {
  const entries = await readTree(git, root.tree);
  const kept = root.ignoreFile === null ? entries : await withoutIgnored(entries, root, ignore);
  const bytes = kept.reduce((sum, { size }) => sum + size, 0);
  if (bytes > BYTES_MAX) throw new AppError('tree_too_large', 'The files of this commit are larger than 2 GiB in all.');
  return kept;
}

async function withoutIgnored(entries: readonly ContextEntry[], { dockerfile, ignoreFile }: ContextRoot, ignore: Pick<IgnoreRules, 'keep'>): Promise<ContextEntry[]> {
  const keep = await ignore.keep(ignoreFile?.rules ?? '', entries.map(({ path }) => path));
  const control = new Set([dockerfile, ignoreFile?.path]);
  return entries.filter(({ path }, index) => keep[index] === true || control.has(path));
}

async function readTree(git: Git, tree: string): Promise<ContextEntry[]> {
  const child = git.open(['ls-tree', '-r', '-l', '-z', '--full-tree', '--end-of-options', tree]);
  const entries: ContextEntry[] = [];
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      rest = parseRows(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]), entries);
    }
    await child.finished;
    return entries;
  } finally {
    child.end();
  }
}

/** Adds each whole row to the entries. @returns what is left of the bytes */
function parseRows(bytes: Buffer, entries: ContextEntry[]): Buffer {
  let start = 0;
  for (let end = bytes.indexOf(0); end !== -1; end = bytes.indexOf(0, start)) {
    if (entries.length >= ENTRIES_MAX) throw new AppError('tree_too_large', 'This commit has more than 200,000 files.');
    entries.push(parseRow(bytes.subarray(start, end)));
    start = end + 1;
  }
  return bytes.subarray(start);
}

/** A row is `<mode> <type> <id> <size>\t<path>`, the size padded with spaces, `-` for a submodule. */
function parseRow(row: Buffer): ContextEntry {
  const tab = row.indexOf(9);
  const [mode = '', , id = '', size = ''] = row.toString('latin1', 0, tab).split(/ +/);
  const name = row.subarray(tab + 1);
  const path = name.toString();
  if (!isUtf8(name)) throw new AppError('unsupported_path', `The file name “${path}” is not UTF-8.`);
  // Git refuses such trees on fetch; a tar must never carry one.
  if (/(?:^|\/)\.{0,2}(?:\/|$)/.test(path)) throw new AppError('unsupported_path', `The file name “${path}” is not usable.`);
  return { path, mode: parseMode(mode), id, size: size === '-' ? 0 : Number(size) };
}

/** Old histories have group-writable files; git itself treats them as plain ones. */
function parseMode(mode: string): ContextEntry['mode'] {
  return mode === '100755' || mode === '120000' || mode === '160000' ? mode : '100644';
}
