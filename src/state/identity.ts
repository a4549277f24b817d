import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../domain/errors.js';
import type { InstanceId } from '../domain/ids.js';
import { errorCode } from '../kernel/error-code.js';

/** What makes this server itself; files of their own, so that a damaged database loses none of it. */
export interface ServerIdentity {
  readonly instance: InstanceId;
  /** Signs session cookies. */
  readonly sessionSecret: string;
  /** What changes must present as a bearer. */
  readonly token: string;
  /** What secrets in the records are encrypted with; 64 hex digits. */
  readonly secretsKey: string;
}

/** Reads the identity from the state directory, making on the first start what is missing (mode 0600). */
export function readIdentity(folder: string, configuredToken: string | undefined): ServerIdentity {
  makeFolder(folder);
  return {
    instance: ensureFile(join(folder, 'instance'), () => randomBytes(4).toString('hex'), /^[0-9a-f]{8}$/) as InstanceId,
    sessionSecret: ensureFile(join(folder, 'session-secret'), () => randomBytes(32).toString('hex'), /^[0-9a-f]{64}$/),
    token: configuredToken ?? ensureFile(join(folder, 'token'), () => `slw_${randomBytes(32).toString('hex')}`, /^\S{16,}$/),
    secretsKey: secretsKeyIn(folder),
  };
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new AppError('internal', `The state directory ${folder} cannot be made (${errorCode(error)}): give another --state-dir.`, { cause: error });
  }
}

function ensureFile(path: string, make: () => string, shape: RegExp): string {
  const known = readIfThere(path)?.trim();
  if (known !== undefined && shape.test(known)) return known;
  const made = make();
  writeFileSync(`${path}.new`, `${made}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return made;
}

/** One that is damaged is not replaced: with another key the secrets in the records would be lost. */
function secretsKeyIn(folder: string): string {
  const path = join(folder, 'secrets-key');
  const key = ensureFile(path, () => randomBytes(32).toString('hex'), /^/);
  if (!/^[0-9a-f]{64}$/.test(key)) throw new AppError('internal', `The file ${path} is damaged, and what it encrypts can be read with no other: bring it back, or delete it and set the secrets again.`);
  return key;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
