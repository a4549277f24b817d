import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BuildId } from '../domain/ids.js';
import { cleanLine, type LogLine } from '../domain/log-line.js';
import type { Clock } from '../kernel/clock.js';
import { linesOf } from '../kernel/file-lines.js';
import { createLineFeed, type LineFeed } from '../kernel/line-feed.js';
import { createTail, type Tail } from './log-tail.js';

/** Writes one build's log; a full disk loses lines, never the build. */
export interface BuildLogWriter {
  write(text: string): void;
  close(): void;
}

/** Logs of builds: files `<id>.log` of `<time> <text>` lines that outlive the build. */
export interface BuildLogs {
  open(id: BuildId): BuildLogWriter;
  /** Lines with a number above `after`, as far as they were written; empty when there is no log. */
  read(id: BuildId, after?: number): AsyncIterable<LogLine>;
  /** The same, and then what is still to come, until the build or the signal ends. */
  follow(id: BuildId, after: number, signal: AbortSignal): AsyncIterable<LogLine>;
}

const HEAD_BYTES = 4 * 1024 * 1024;
const OMITTED = /^… (\d+) lines, \d+ bytes omitted …$/;

interface OpenLog {
  /** Undefined when the disk takes nothing: the lines are there for those who follow, as far as memory allows. */
  readonly fd: number | undefined;
  readonly feeds: Set<LineFeed>;
  readonly tail: Tail;
  pending: string;
  bytes: number;
  lines: number;
  /** How many of the lines are in the file; the others are in the tail. */
  headLines: number;
}

export function createBuildLogs({ folder, clock }: { folder: string; clock: Clock }): BuildLogs {
  const open = new Map<BuildId, OpenLog>();
  const pathOf = (id: BuildId) => join(folder, `${id}.log`);

  const openWriter = (id: BuildId): BuildLogWriter => {
    // A build that goes on after a restart goes on with its log and the log with its numbers.
    const before = measure(pathOf(id));
    const log: OpenLog = { fd: openQuietly(pathOf(id)), feeds: new Set(), tail: createTail(), pending: '', bytes: before.bytes, lines: before.lines, headLines: before.lines };
    open.set(id, log);
    return {
      write: (text) => { writeLine(log, new Date(clock.now()).toISOString(), cleanLine(text)); },
      close: () => {
        if (open.get(id) !== log) return;
        open.delete(id);
        closeLog(log);
      },
    };
  };

  async function* read(id: BuildId, after = 0): AsyncGenerator<LogLine> {
    const log = open.get(id);
    if (log) flush(log);
    // What comes from here on, the end among it, belongs to whoever follows.
    const inFile = log?.headLines ?? Infinity;
    const tail = log?.tail.lines() ?? [];
    let n = 0;
    for await (const raw of inFile > 0 ? linesOf(pathOf(id)) : []) {
      const line = parseLine(raw);
      n += countOf(line.text);
      if (n > after) yield { ...line, n };
      if (n >= inFile) break;
    }
    for (const line of tail) if (line.n > Math.max(after, n)) yield line;
  }

  async function* follow(id: BuildId, after: number, signal: AbortSignal): AsyncGenerator<LogLine> {
    const log = open.get(id);
    const feed = createLineFeed(signal);
    log?.feeds.add(feed);
    let last = after;
    try {
      for await (const line of read(id, after)) { last = line.n; yield line; }
      if (!log) return;
      for await (const line of feed) if (line.n > last) { last = line.n; yield line; }
    } finally {
      log?.feeds.delete(feed);
    }
  }

  return { open: openWriter, read, follow };
}

function writeLine(log: OpenLog, at: string, text: string): void {
  log.lines += 1;
  const line: LogLine = { n: log.lines, at, text };
  const record = `${at} ${text}\n`;
  log.bytes += Buffer.byteLength(record);
  if (log.fd === undefined || log.bytes > HEAD_BYTES) {
    log.tail.push(line);
  } else {
    log.headLines = line.n;
    schedule(log, record);
  }
  for (const feed of log.feeds) feed.push(line);
}

/** Many lines of one turn of the event loop become one write. */
function schedule(log: OpenLog, record: string): void {
  if (log.pending === '') setImmediate(() => { flush(log); });
  log.pending += record;
}

function flush(log: OpenLog): void {
  const text = log.pending;
  log.pending = '';
  if (text !== '' && log.fd !== undefined) writeQuietly(log.fd, text);
}

function closeLog(log: OpenLog): void {
  flush(log);
  if (log.fd !== undefined) writeTail(log.fd, log.tail);
  for (const feed of log.feeds) feed.end();
}

function writeTail(fd: number, tail: Tail): void {
  const { lines, omittedLines, omittedBytes } = tail.drain();
  if (omittedLines > 0) writeQuietly(fd, `${lines[0]?.at ?? new Date(0).toISOString()} … ${omittedLines} lines, ${omittedBytes} bytes omitted …\n`);
  writeQuietly(fd, lines.map(({ at, text }) => `${at} ${text}\n`).join(''));
  closeSync(fd);
}

function openQuietly(path: string): number | undefined {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, 'a');
  } catch {
    return undefined;
  }
}

function writeQuietly(fd: number, text: string): void {
  try { writeSync(fd, text); } catch { /* A full disk: the build matters more than its log. */ }
}

function measure(path: string): { readonly bytes: number; readonly lines: number } {
  try {
    const text = readFileSync(path, 'utf8');
    return { bytes: Buffer.byteLength(text), lines: text.split('\n').slice(0, -1).reduce((lines, raw) => lines + countOf(parseLine(raw).text), 0) };
  } catch {
    return { bytes: 0, lines: 0 };
  }
}

/** How many lines of the log a line of the file stands for. */
const countOf = (text: string): number => Number(OMITTED.exec(text)?.[1] ?? 1);

function parseLine(raw: string): Omit<LogLine, 'n'> {
  const space = raw.indexOf(' ');
  return { at: raw.slice(0, space), text: raw.slice(space + 1) };
}
