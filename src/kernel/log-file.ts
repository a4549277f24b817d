import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { Writable } from 'node:stream';

export interface LogFileOptions {
  readonly file: string;
  /** The size in bytes at which a new file is begun, also in the middle of a day. */
  readonly maxBytes: number;
  /** How many files there are in all: `server.log`, `server.log.1` … */
  readonly files: number;
}

/**
 * A file of lines, a new one for each day (UTC), that never fails and never holds its writer up: it is opened for each line, so that a file or
 * folder taken away is simply made again; what a full disk refuses is lost, counted, and said once there is room.
 */
export function createLogFile({ file, maxBytes, files }: LogFileOptions): Writable {
  let lost = 0;
  const append = (line: string) => {
    const { size, day } = sizeOf(file);
    if (size > 0 && (size + Buffer.byteLength(line) > maxBytes || day !== dayOf(Date.now()))) rotate(file, files);
    // After a failure half a line may stand at the end: the next one begins on its own.
    const before = lost === 0 ? '' : `${size === 0 ? '' : '\n'}${lossRecord(lost)}\n`;
    appendFileSync(file, before + line, { mode: 0o600 });
    lost = 0;
  };
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      try {
        mkdirSync(dirname(file), { recursive: true });
        append(chunk.toString());
      } catch {
        lost += 1;
      }
      done();
    },
  });
}

const lossRecord = (count: number): string => JSON.stringify({ at: new Date().toISOString(), level: 'warn', message: 'log records lost', fields: { count } });

const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** How large it is, and on which day it was written last. */
function sizeOf(file: string): { readonly size: number; readonly day: string } {
  const { size = 0, mtimeMs = 0 } = statSync(file, { throwIfNoEntry: false }) ?? {};
  return { size, day: dayOf(mtimeMs) };
}

function rotate(file: string, files: number): void {
  for (let age = files - 1; age > 0; age -= 1) {
    const younger = age === 1 ? file : `${file}.${age - 1}`;
    if (statSync(younger, { throwIfNoEntry: false })) renameSync(younger, `${file}.${age}`);
  }
}
