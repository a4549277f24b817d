import { isUtf8 } from 'node:buffer';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pack, type Pack } from 'tar-stream';
import { AppError } from '../domain/errors.js';
import type { Git } from './git.js';
import type { ContextEntry } from './list.js';
import { createByteReader, type ByteReader } from './object-reader.js';

/** What Docker receives. Destroying the stream ends git. */
export interface Context {
  readonly stream: Readable;
  /** Sentences for the build log about what is not in the context although the commit names it. */
  readonly notes: readonly string[];
}

/** Files up to this size go through memory whole, larger ones in pieces. */
const WHOLE_MAX = 64 * 1024;
const LFS_BEGINS = 'version https://git-lfs';
/** Git LFS pointers are about 130 bytes; the room is for extension lines. */
const LFS_SIZES = { min: 100, max: 400 };
const NAMED_MAX = 3;

/** Opens the context of the listed files as a tar stream. @param committedAt the time of every entry, in milliseconds since the epoch */
export async function openContext(git: Git, entries: readonly ContextEntry[], committedAt: number): Promise<Context> {
  const submodules = entries.filter(({ mode }) => mode === '160000').map(({ path }) => path);
  const notes = [
    ...note('Submodules are not fetched; an empty folder stands for', submodules),
    ...note('Git LFS files are not fetched; a pointer stands for', await findPointers(git, entries)),
  ];
  return { stream: tarOf(git, entries, new Date(Math.max(0, committedAt))), notes };
}

function note(sentence: string, paths: readonly string[]): string[] {
  if (paths.length === 0) return [];
  const more = paths.length > NAMED_MAX ? ` and ${paths.length - NAMED_MAX} more` : '';
  return [`${sentence} ${paths.slice(0, NAMED_MAX).join(', ')}${more}.`];
}

async function findPointers(git: Git, entries: readonly ContextEntry[]): Promise<string[]> {
  const small = entries.filter(({ mode, size }) => mode.startsWith('100') && size >= LFS_SIZES.min && size <= LFS_SIZES.max);
  const pointers: string[] = [];
  await readBlobs(git, small, async ({ path, size }, reader) => {
    if ((await reader.take(size)).toString('latin1', 0, LFS_BEGINS.length) === LFS_BEGINS) pointers.push(path);
  });
  return pointers;
}

/** Reads the blobs in order from one git; each must be read whole. */
async function readBlobs(git: Git, entries: readonly ContextEntry[], read: (entry: ContextEntry, reader: ByteReader) => Promise<void>): Promise<void> {
  if (entries.length === 0) return;
  const child = git.open(['cat-file', '--batch', '--buffer']);
  // Asked all at once, so that git never waits for us; if it ends early, reading says so.
  Readable.from(entries.map(({ id }) => `${id}\n`)).pipe(child.stdin);
  const reader = createByteReader(child);
  try {
    for (const entry of entries) {
      const answer = await reader.line();
      if (answer !== `${entry.id} blob ${entry.size}`) throw new AppError('internal', `missing blob of ${entry.path}: ${answer}`);
      await read(entry, reader);
      await reader.take(1);
    }
  } finally {
    child.end();
  }
}

function tarOf(git: Git, entries: readonly ContextEntry[], mtime: Date): Readable {
  const tar = pack();
  // The reader hears of errors through the iteration; without a listener they would end the process.
  tar.on('error', () => undefined);
  void write(git, { tar, entries, mtime }).then(() => { tar.finalize(); }, (error: unknown) => { tar.destroy(error as Error); });
  return Readable.from(tar, { objectMode: false });
}

interface TarWork {
  readonly tar: Pack;
  readonly entries: readonly ContextEntry[];
  readonly mtime: Date;
}

async function write(git: Git, { tar, entries, mtime }: TarWork): Promise<void> {
  const folders = new Set<string>();
  const addFolder = async (path: string): Promise<void> => {
    if (path === '' || folders.has(path)) return;
    await addFolder(parentOf(path));
    folders.add(path);
    await addEntry(tar, { name: `${path}/`, type: 'directory', mode: 0o755, ...OWNER, mtime });
  };
  for (const { path, mode } of entries) if (mode === '160000') await addFolder(path);
  await readBlobs(git, entries.filter(({ mode }) => mode !== '160000'), async (entry, reader) => {
    await addFolder(parentOf(entry.path));
    await addFile(tar, entry, { reader, mtime });
  });
}

const OWNER = { uid: 0, gid: 0 };
const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

async function addFile(tar: Pack, { path, mode, size }: ContextEntry, { reader, mtime }: { reader: ByteReader; mtime: Date }): Promise<void> {
  const header = { name: path, ...OWNER, mtime };
  if (mode === '120000') {
    const target = await reader.take(size);
    if (!isUtf8(target)) throw new AppError('unsupported_path', `The link “${path}” leads to a name that is not UTF-8.`);
    await addEntry(tar, { ...header, type: 'symlink', mode: 0o777, linkname: target.toString() });
    return;
  }
  const file = { ...header, type: 'file', mode: mode === '100755' ? 0o755 : 0o644, size } as const;
  if (size <= WHOLE_MAX) await addEntry(tar, file, await reader.take(size));
  else await addLarge(tar, file, reader);
}

type Header = Parameters<Pack['entry']>[0];

/** Ends when the entry was taken, which is how a slow reader slows git. */
function addEntry(tar: Pack, header: Header, content?: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null) => { if (error) reject(error); else resolve(); };
    (content ? tar.entry(header, content, done) : tar.entry(header, done)).on('error', done);
  });
}

async function addLarge(tar: Pack, header: Header & { size: number }, reader: ByteReader): Promise<void> {
  let end: (error?: Error | null) => void = () => undefined;
  // Fails when the tar is destroyed, so that nobody waits for a reader that has gone.
  const ended = new Promise<void>((resolve, reject) => { end = (error) => { if (error) reject(error); else resolve(); }; });
  ended.catch(() => undefined);
  const entry = tar.entry(header, end);
  entry.on('error', end);
  for await (const piece of reader.bytes(header.size)) {
    if (!entry.write(piece)) await Promise.race([once(entry, 'drain'), ended]);
  }
  entry.end(null);
  await ended;
}
