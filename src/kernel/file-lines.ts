import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { errorCode } from './error-code.js';

const MISSING = ['ENOENT', 'ENOTDIR'];

/** The lines of a text file, as far as they were written; none when there is no such file. Whoever leaves early leaves no file open. */
export async function* linesOf(path: string): AsyncGenerator<string> {
  const file = await open(path).catch((error: unknown) => {
    if (MISSING.includes(errorCode(error))) return undefined;
    throw error;
  });
  const stream = file?.createReadStream({ encoding: 'utf8' });
  if (!stream) return;
  try {
    yield* createInterface({ input: stream, crlfDelay: Infinity });
  } finally {
    stream.destroy();
  }
}
