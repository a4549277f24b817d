import type { Git } from './git.js';
import { gitFailure, type GitChild } from './git-stream.js';

/** Reads git's output by lines and by counts of bytes. @throws AppError `internal` with git's own sentence when it ends early */
export interface ByteReader {
  /** Up to the next line feed, without it. */
  line(): Promise<string>;
  /** Exactly so many bytes, in pieces as they come. */
  bytes(count: number): AsyncGenerator<Buffer>;
  /** Exactly so many bytes at once. */
  take(count: number): Promise<Buffer>;
}

export function createByteReader({ stdout, finished }: Pick<GitChild, 'stdout' | 'finished'>): ByteReader {
  const pieces: AsyncIterator<Buffer> = stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let rest: Buffer = Buffer.alloc(0);

  async function more(): Promise<Buffer> {
    const next = await pieces.next();
    if (next.done !== true) return next.value;
    await finished;
    throw gitFailure('git ended early');
  }

  async function line(): Promise<string> {
    const parts: Buffer[] = [];
    for (;;) {
      const end = rest.indexOf(10);
      if (end !== -1) {
        parts.push(rest.subarray(0, end));
        rest = rest.subarray(end + 1);
        return Buffer.concat(parts).toString();
      }
      parts.push(rest);
      rest = await more();
    }
  }

  async function* bytes(count: number): AsyncGenerator<Buffer> {
    let left = count;
    while (left > 0) {
      if (rest.length === 0) rest = await more();
      const piece = rest.subarray(0, left);
      rest = rest.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  async function take(count: number): Promise<Buffer> {
    if (rest.length >= count) {
      const whole = rest.subarray(0, count);
      rest = rest.subarray(count);
      return whole;
    }
    const parts: Buffer[] = [];
    for await (const piece of bytes(count)) parts.push(piece);
    return Buffer.concat(parts);
  }

  return { line, bytes, take };
}

/** What git has under a name. `outside` is a symbolic link that leaves the tree, `missing` includes links to nothing. */
export type Found =
  | { readonly kind: 'object'; readonly id: string; readonly type: string; readonly size: number }
  | { readonly kind: 'outside' }
  | { readonly kind: 'missing' };

/**
 * Asks one git about several names, one after the other; the content of an object is read with `content`
 * or passed over by the next question.
 */
export interface ObjectReader {
  ask(name: string): Promise<Found>;
  /** The object just found, whole. */
  content(): Promise<Buffer>;
  end(): void;
}

/** `check` reads no contents; otherwise contents follow and symbolic links inside a tree are followed. */
export function createObjectReader(git: Git, mode: 'check' | 'contents'): ObjectReader {
  const child = git.open(mode === 'check' ? ['cat-file', '--batch-check'] : ['cat-file', '--batch', '--follow-symlinks']);
  const reader = createByteReader(child);
  let unread = 0;

  async function pass(): Promise<void> {
    if (unread === 0) return;
    for await (const piece of reader.bytes(unread)) unread -= piece.length;
  }

  async function ask(name: string): Promise<Found> {
    await pass();
    child.stdin.write(`${name}\n`);
    const answer = await reader.line();
    const object = /^([0-9a-f]{40}) (\w+) (\d+)$/.exec(answer);
    if (object) {
      const [, id = '', type = '', size = ''] = object;
      if (mode === 'contents') unread = Number(size) + 1;
      return { kind: 'object', id, type, size: Number(size) };
    }
    const link = /^(symlink|dangling|loop|notdir) (\d+)$/.exec(answer);
    if (link) unread = Number(link[2]) + 1;
    return { kind: link?.[1] === 'symlink' ? 'outside' : 'missing' };
  }

  return {
    ask,
    content: async () => {
      const whole = await reader.take(unread);
      unread = 0;
      return whole.subarray(0, -1);
    },
    end: () => {
      child.stdin.end();
      child.end();
    },
  };
}
