import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Clock } from './clock.js';
import type { Logger } from './log.js';
import type { Part } from './part.js';
import type { FailureListener, Runtime } from './runtime.js';

/** A failure that nobody handled: an exception or a rejected promise; the process ends with it. */
export interface UnhandledFailure {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly origin: string;
  readonly message: string;
}

export interface FailureCount {
  /** Since the state directory was begun. */
  readonly count: number;
  /** The newest first, five at most. */
  readonly last: readonly UnhandledFailure[];
}

/** Counts the failures that ended this server's processes, so that a restart does not hide them. */
export interface FailureBook extends Part {
  read(): FailureCount;
}

export interface FailureBookDeps {
  /** A JSON file, written at once since the process is about to end. */
  readonly file: string;
  readonly runtime: Pick<Runtime, 'on' | 'off'>;
  readonly clock: Clock;
  readonly log: Logger;
}

const KEPT = 5;
const NONE: FailureCount = { count: 0, last: [] };

export function createFailureBook({ file, runtime, clock, log }: FailureBookDeps): FailureBook {
  /** Only watches: what happens to the process is as without us. */
  const note: FailureListener = (error, origin) => {
    log.error('unhandled failure', { origin, error });
    const { count, last } = readBook(file);
    const message = error instanceof Error ? error.message : String(error);
    writeBook(file, { count: count + 1, last: [{ at: clock.now(), origin, message }, ...last].slice(0, KEPT) });
  };
  return {
    read: () => readBook(file),
    start: () => { runtime.on('uncaughtExceptionMonitor', note); return Promise.resolve(); },
    stop: () => { runtime.off('uncaughtExceptionMonitor', note); return Promise.resolve(); },
  };
}

/** A book that is missing or damaged is an empty one. */
function readBook(file: string): FailureCount {
  try {
    return parseBook(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return NONE;
  }
}

function parseBook(value: unknown): FailureCount {
  const { count, last } = value as Partial<FailureCount>;
  return Number.isSafeInteger(count) && Array.isArray(last) ? { count: count ?? 0, last: last.filter(isFailure) } : NONE;
}

function isFailure(value: unknown): value is UnhandledFailure {
  const { at, origin, message } = (value ?? {}) as Partial<UnhandledFailure>;
  return Number.isFinite(at) && typeof origin === 'string' && typeof message === 'string';
}

/** A full disk must not turn one failure into two. */
function writeBook(file: string, book: FailureCount): void {
  try {
    writeFileSync(`${file}.new`, JSON.stringify(book), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  } catch { /* It is in the log as well. */ }
}
