import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { LONGEST_VALUE } from '../domain/setting.js';
import { errorCode } from '../kernel/error-code.js';
import { CommandFailure, wrongUsage } from './failure.js';
import type { Output } from './output.js';

/** What is typed or piped in. */
export interface Input extends AsyncIterable<Uint8Array> {
  readonly isTTY?: boolean;
  /** Of a terminal: gives each key as it is pressed, and shows none. */
  setRawMode?(on: boolean): unknown;
}

const MOST_BYTES = 1024 * 1024;
/** Of a file's last line, which is not part of the value. */
const LINE_END = 2;
/** As a shell has it for whoever presses Ctrl-C. */
const INTERRUPTED = 130;

/**
 * Reads a value for each name: a line each from a pipe, or typed at a terminal, which shows nothing of it. Arguments
 * and the environment can be read by others of the machine, and by whoever reads the shell's history; these cannot.
 *
 * @throws CommandFailure where a value is missing or empty, or where there is more than was asked for; it names no value
 */
export async function readSecrets(names: readonly string[], { stdin, stderr }: { stdin: Input; stderr: Output }): Promise<readonly (readonly [name: string, value: string])[]> {
  if (names.length === 0) return [];
  const values = stdin.isTTY === true ? await askFor(names, { stdin, stderr }) : await pipedLines(stdin);
  if (values.length > names.length) throw wrongUsage('There is more than one line for a secret. Read a value of several lines with --secret-file NAME=FILE.');
  return names.map((name, at) => [name, nonEmpty(name, values[at])] as const);
}

/** Reads the value of each `NAME=FILE` from its file, without the last line end. @throws CommandFailure */
export function readSecretFiles(files: readonly (readonly [name: string, path: string])[]): readonly (readonly [name: string, value: string])[] {
  return files.map(([name, path]) => [name, nonEmpty(name, decode(fileAt(path), `The file ${path}`).replace(/\r?\n$/, ''))] as const);
}

function nonEmpty(name: string, value: string | undefined): string {
  if (value === undefined) throw wrongUsage(`There is no value for ${name}: give a line for each --secret on stdin, or run it at a terminal.`);
  if (value === '') throw wrongUsage(`The value of ${name} is empty. To take a setting away: slipway config unset.`);
  return value;
}

/** No more of it than a variable can hold; a pipe, as `<(command)` is one, does not say how much will come. */
function fileAt(path: string): Uint8Array {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const kind = fstatSync(file);
    if (!kind.isFile() && !kind.isFIFO()) throw wrongUsage(`${path} is neither a file nor a pipe.`);
    return readAtMost(file, LONGEST_VALUE + LINE_END) ?? tooLong(path);
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    throw wrongUsage(`The file ${path} cannot be read (${errorCode(error)}).`);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

const tooLong = (path: string): never => { throw wrongUsage(`The file ${path} is longer than the 64 KiB that a variable can hold.`); };

/** What there is until the end; undefined where that is more. */
function readAtMost(file: number, most: number): Uint8Array | undefined {
  const bytes = Buffer.alloc(most + 1);
  let length = 0;
  while (length <= most) {
    const read = readSync(file, bytes, length, bytes.length - length, null);
    if (read === 0) return bytes.subarray(0, length);
    length += read;
  }
  return undefined;
}

function decode(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw wrongUsage(`${what} is not text in UTF-8, and a variable can hold nothing else.`);
  }
}

async function pipedLines(stdin: Input): Promise<readonly string[]> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw wrongUsage('There is more than 1 MiB on stdin.');
    chunks.push(chunk);
  }
  const text = decode(Buffer.concat(chunks), 'What is on stdin').replace(/\r?\n$/, '');
  return text === '' ? [] : text.split(/\r?\n/);
}

async function askFor(names: readonly string[], { stdin, stderr }: { stdin: Input; stderr: Output }): Promise<readonly string[]> {
  const keys = keysOf(stdin);
  const values: string[] = [];
  stdin.setRawMode?.(true);
  try {
    for (const name of names) {
      stderr.write(`${name}: `);
      values.push(await typedLine(keys.next));
      stderr.write('\n');
    }
    // Whoever pastes several lines means all of them.
    if (keys.left()) values.push('');
    return values;
  } finally {
    stdin.setRawMode?.(false);
    await keys.end();
  }
}

/** One key after the other, however many come at once. */
function keysOf(stdin: Input) {
  const chunks = stdin[Symbol.asyncIterator]();
  const decoder = new TextDecoder();
  let pending: string[] = [];
  return {
    next: async (): Promise<string | undefined> => {
      while (pending.length === 0) {
        const read = await chunks.next();
        if (read.done === true) return undefined;
        pending = Array.from(decoder.decode(read.value, { stream: true }));
      }
      return pending.shift();
    },
    left: () => pending.length > 0,
    end: async () => { await chunks.return?.(); },
  };
}

async function typedLine(next: () => Promise<string | undefined>): Promise<string> {
  const typed: string[] = [];
  for (;;) {
    const key = await next();
    if (key === '\x03') throw new CommandFailure(INTERRUPTED, 'Interrupted.');
    if (key === undefined || key === '\r' || key === '\n' || key === '\x04') return typed.join('');
    if (key === '\x7f' || key === '\b') typed.pop();
    else if (key === '\x15') typed.length = 0;
    else typed.push(key);
  }
}
