import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { Writable } from 'node:stream';

export interface LogFileOptions {
  readonly file: string;
  /** The size in bytes at which a new file is begun. */
  readonly maxBytes: number;
  /** How many files there are in all: `server.log`, `server.log.1` … */
  readonly files: number;
}

/**
 * A file of lines that never fails and never holds its writer up: it is opened for each line, so that a file or
 * folder taken away is simply made again; what a full disk refuses is lost, counted, and said once there is room.
 */
export function createLogFile({ file, maxBytes, files }: LogFileOptions): Writable {
  let lost = 0;
  const append = (line: string) => {
    const size = sizeOf(file);
    if (size > 0 && size + Buffer.byteLength(line) > maxBytes) rotate(file, files);
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

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function rotate(file: string, files: number): void {
  for (let age = files - 1; age > 0; age -= 1) {
    const younger = age === 1 ? file : `${file}.${age - 1}`;
    if (statSync(younger, { throwIfNoEntry: false })) renameSync(younger, `${file}.${age}`);
  }
}
