import { randomBytes } from 'node:crypto';
import { existsSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../domain/errors.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import type { Db } from './database.js';
import { readKept, writeKept } from './identity.js';
import { createVault } from './vault.js';

export interface SecretsKeyDeps {
  /** The state directory. */
  readonly folder: string;
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Reads what secrets in the records are encrypted with, 64 hex digits, from the file `secrets-key`. It is made where the records hold
 * no secret, and where a file `secrets-key.lost` says that the key of those they hold will not come back.
 *
 * @throws AppError `internal` when the records hold secrets and the key is missing, damaged or opens none of them
 */
export async function readSecretsKey({ folder, db, clock, log }: SecretsKeyDeps): Promise<string> {
  const file = join(folder, 'secrets-key');
  const lost = `${file}.lost`;
  const kept = readKept(file);
  if (kept !== undefined && !/^[0-9a-f]{64}$/.test(kept)) throw refusal(file, 'is damaged');
  const holdsSecrets = (await sealedIn(db, 1)).length > 0;
  if (kept !== undefined) warnOfOthers(file, log);
  if (!holdsSecrets) return kept ?? makeKey(file);
  if (kept !== undefined && await opensAny(db, kept)) {
    // It said so of an earlier key; that the next one may go as well, nobody said.
    if (existsSync(lost)) renameSync(lost, `${lost}-${clock.now()}`);
    return kept;
  }
  if (!existsSync(lost)) throw refusal(file, kept === undefined ? 'is missing' : 'opens none of them');
  log.warn('secrets that were kept with a lost key cannot be read: set them again', { file });
  return kept ?? makeKey(file);
}

const makeKey = (file: string): string => writeKept(file, randomBytes(32).toString('hex'));

/** One is enough: those that are older than a key that was lost stay closed for ever. */
async function opensAny(db: Db, key: string): Promise<boolean> {
  const vault = createVault(key);
  const opens = (sealed: Buffer): boolean => {
    try {
      vault.open(sealed);
      return true;
    } catch {
      return false;
    }
  };
  return (await sealedIn(db, 1)).some(opens) || (await sealedIn(db, Number.MAX_SAFE_INTEGER)).some(opens);
}

/** The newest of either kind; so many of each at most. */
async function sealedIn(db: Db, limit: number): Promise<readonly Buffer[]> {
  const settings = await db.selectFrom('setting_changes').select('sealed as secret').where('sealed', 'is not', null).orderBy('id', 'desc').limit(limit).execute();
  const configurations = await db.selectFrom('configurations').select('secrets as secret').where('secrets', 'is not', null).orderBy('created_at', 'desc').limit(limit).execute();
  return [...settings, ...configurations].flatMap(({ secret }) => (secret === null ? [] : [secret]));
}

function refusal(file: string, fault: string): AppError {
  const without = fault === 'is missing' ? `make an empty file ${file}.lost` : `rename it to ${file}.lost`;
  return new AppError('internal', `The secrets in the records can be read with the file ${file} alone, and that ${fault}. Nothing was changed: bring it back from a backup. To go on without them, ${without}, start again and set each secret anew.`);
}

function warnOfOthers(file: string, log: Logger): void {
  const { mode } = statSync(file);
  if ((mode & 0o077) !== 0) log.warn(`the key of the secrets is open to others of this machine: chmod 600 ${file}`, { mode: (mode & 0o777).toString(8) });
}
