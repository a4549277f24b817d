import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../domain/errors.js';
import type { InstanceId } from '../domain/ids.js';
import { errorCode } from '../kernel/error-code.js';
import { unusable } from './usable.js';

/** What makes this server itself; files of their own, so that a damaged database loses none of it. */
export interface ServerIdentity {
  readonly instance: InstanceId;
  /** Signs session cookies. */
  readonly sessionSecret: string;
  /** What changes must present as a bearer. */
  readonly token: string;
}

/**
 * Reads the identity from the state directory, making on the first start what is missing (mode 0600).
 *
 * @param warn told of a damaged file that was made anew
 * @throws AppError `internal` when a file cannot be used, or what it holds is damaged and cannot be made anew
 */
export function readIdentity(folder: string, configuredToken: string | undefined, warn: (message: string) => void = () => undefined): ServerIdentity {
  makeFolder(folder);
  return {
    instance: instanceIn(folder),
    sessionSecret: sessionSecretIn(folder, warn),
    token: configuredToken ?? tokenIn(folder),
  };
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new AppError('internal', `The state directory ${folder} cannot be made (${errorCode(error)}): give another --state-dir.`, { cause: error });
  }
}

/** A damaged one is not replaced: with another id, all that this server made would be a stranger's, and nobody would clean it up. */
function instanceIn(folder: string): InstanceId {
  const path = join(folder, 'instance');
  const kept = readKept(path) ?? writeKept(path, randomBytes(4).toString('hex'));
  if (/^[0-9a-f]{8}$/.test(kept)) return kept as InstanceId;
  throw new AppError('internal', `The file ${path} ${kept === '' ? 'is empty' : 'is damaged'}: write the 8 hexadecimal digits into it that the images and containers of this server have as their label slipway.instance, or delete it and begin anew, without them.`);
}

/** With another one people lose the choice of their sessions, which they make anew. */
function sessionSecretIn(folder: string, warn: (message: string) => void): string {
  const path = join(folder, 'session-secret');
  const kept = readKept(path);
  if (kept !== undefined && /^[0-9a-f]{64}$/.test(kept)) return kept;
  if (kept !== undefined) warn(`The file ${path} was damaged and is made anew: sessions begin again.`);
  return writeKept(path, randomBytes(32).toString('hex'));
}

/** One that is no token is not replaced: programs that bear the right one would be refused, and nobody told why. */
function tokenIn(folder: string): string {
  const path = join(folder, 'token');
  const kept = readKept(path) ?? writeKept(path, `slw_${randomBytes(32).toString('hex')}`);
  if (/^\S{16,}$/.test(kept)) return kept;
  throw new AppError('internal', `The file ${path} ${kept === '' ? 'is empty' : 'holds no token'}: write one of 16 characters or more without blanks into it, or delete it and a new one is made.`);
}

/** What a file of one line holds, without the line end; undefined when it is not there. @throws AppError `internal` when it cannot be read */
export function readKept(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw unusable(path, error);
  }
}

/** Replaces such a file at once, readable by its owner only. @throws AppError `internal` when it cannot be written */
export function writeKept(path: string, text: string): string {
  try {
    writeFileSync(`${path}.new`, `${text}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
    return text;
  } catch (error) {
    throw unusable(path, error);
  }
}
