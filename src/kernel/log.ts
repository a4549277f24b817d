import { Writable } from 'node:stream';
import winston from 'winston';
import { cleanLine } from '../domain/log-line.js';
import { createLogFile } from './log-file.js';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';
export type LogFields = Readonly<Record<string, unknown>>;

/** Constant messages, values in fields. `child` binds fields such as `commit` and `build`. */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  child(fields: LogFields): Logger;
}

export interface LogRecord {
  readonly at: string;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** A JSON-lines file, a new one each day and at 5 MiB, seven in all; null for none. */
  readonly file: string | null;
  /** People's console on stderr, so that stdout stays for the one line that programs read. */
  readonly console: boolean;
}

export interface ApplicationLog extends Logger {
  /** The last 1,000 records, newest first. */
  recent(): readonly LogRecord[];
  /** Ends the file; later records go to the ring only. */
  close(): Promise<void>;
}

const RING = 1_000;
const MIB = 1024 * 1024;

export function createLog({ level, file, console: toConsole }: LogOptions): ApplicationLog {
  const ring: LogRecord[] = [];
  const kept = ringStream(ring);
  let root = createRoot(level, [
    lines(kept),
    ...(toConsole ? [new winston.transports.Console({ stderrLevels: ['error', 'warn', 'info', 'debug'], format: winston.format.printf(consoleLine) })] : []),
    ...(file === null ? [] : [lines(createLogFile({ file, maxBytes: 5 * MIB, files: 7 }))]),
  ]);
  let closing: Promise<void> | undefined;
  const close = () => {
    const ending = root;
    root = createRoot(level, [lines(kept)]);
    return new Promise<void>((resolve) => { ending.once('finish', () => { resolve(); }); ending.end(); });
  };
  return {
    ...wrap(() => root, {}),
    recent: () => ring.toReversed(),
    close: () => (closing ??= close()),
  };
}

const lines = (stream: Writable): winston.transport => new winston.transports.Stream({ stream, eol: '\n' });

/** One output that waits would hold up all others: each of ours takes a record at once. */
function createRoot(level: LogLevel, transports: winston.transport[]): winston.Logger {
  const root = winston.createLogger({ level, format: winston.format.json(), transports });
  root.on('error', () => undefined);
  return root;
}

function wrap(root: () => winston.Logger, bound: LogFields): Logger {
  const write = (level: LogLevel) => (message: string, fields: LogFields = {}) => {
    root().log({ level, message, at: new Date().toISOString(), fields: plainFields({ ...bound, ...fields }) });
  };
  return {
    error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug'),
    child: (fields) => wrap(root, { ...bound, ...fields }),
  };
}

function plainFields(fields: LogFields): LogFields {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? errorText(value) : value]));
}

function errorText(error: Error): string {
  const cause = error.cause instanceof Error ? ` ← ${errorText(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}

function ringStream(ring: LogRecord[]): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      ring.push(JSON.parse(chunk.toString()) as LogRecord);
      if (ring.length > RING) ring.shift();
      done();
    },
  });
}

/** What could be read as the end of a value, or as another field, stands in quotes; lines stay lines. */
const quoted = (value: string): string => (/^[^\s"=\\]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`);

/** A record as people read it: one line, further ones of a value set in, so that no value can pass for a record or a field. */
export function consoleLine({ at, level, message, fields }: winston.Logform.TransformableInfo): string {
  const rest = Object.entries(fields as LogFields).map(([key, value]) => ` ${key}=${typeof value === 'string' ? quoted(value) : JSON.stringify(value)}`);
  return `${String(at)} ${level} ${String(message)}${rest.join('')}`.replaceAll('\r', '\u{FFFD}').split('\n').map(cleanLine).join('\n    ');
}
