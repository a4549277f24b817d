import { mkdirSync, renameSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { Kysely, Migrator, SqliteDialect } from 'kysely';
import { AppError } from '../domain/errors.js';
import type { Clock } from '../kernel/clock.js';
import { errorCode } from '../kernel/error-code.js';
import type { Logger } from '../kernel/log.js';
import { MIGRATIONS } from './migrations.js';
import { loadSqlite, type Sqlite } from './sqlite.js';
import type { Tables } from './tables.js';

export type Db = Kysely<Tables>;

export interface Database {
  readonly db: Db;
  /** Ends all use of the file and lets another server have the folder. */
  close(): Promise<void>;
}

export interface DatabaseDeps {
  /** The state directory; made when it is not there, readable by its owner only. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Logger;
}

const FILE = 'slipway.db';
/** Waiting for somebody else's lock holds up the whole process. */
const BUSY_MS = 1_000;

/**
 * Opens `slipway.db` in WAL mode and brings it up to date. A file that SQLite finds damaged is set aside as
 * `slipway.db.corrupt-<time>` and a new one begun: what exists comes back from labels and git.
 *
 * @throws AppError `internal` when another server uses the folder, the file is in use, or it comes from a newer version
 */
export async function openDatabase({ folder, clock, log }: DatabaseDeps): Promise<Database> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const Sqlite = loadSqlite();
  const lock = lockFolder(Sqlite, folder);
  try {
    const sqlite = openSound(Sqlite, { folder, clock, log });
    const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: sqlite }) });
    await migrate(db);
    return { db, close: async () => { await db.destroy(); lock.close(); } };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** The kernel frees this lock when the process dies, however it dies, so that it can never be stale. */
function lockFolder(Sqlite: Sqlite, folder: string): InstanceType<Sqlite> {
  const lock = new Sqlite(join(folder, 'server.lock'), { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    throw new AppError('internal', `Another server uses the state directory ${folder}. Stop it, or give another --state-dir.`, { cause: error });
  }
}

function openSound(Sqlite: Sqlite, { folder, clock, log }: DatabaseDeps): InstanceType<Sqlite> {
  const file = join(folder, FILE);
  try {
    return openChecked(Sqlite, file);
  } catch (error) {
    if (!isDamage(error) || !existsSync(file)) throw new AppError('internal', `The database ${file} cannot be opened; nothing was changed: ${String(error)}`, { cause: error });
    const aside = `${file}.corrupt-${clock.now()}`;
    log.error('database damaged, a new one is begun', { aside, error });
    renameSync(file, aside);
    for (const suffix of ['-wal', '-shm']) if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix);
    setLogsAside(folder, clock.now());
    return openChecked(Sqlite, file);
  }
}

/** Releases are numbered from 1 again: what was kept under the old numbers must not be taken for theirs. */
function setLogsAside(folder: string, now: number): void {
  const logs = join(folder, 'logs', 'releases');
  if (existsSync(logs)) renameSync(logs, `${logs}.corrupt-${now}`);
}

/** Whether the file itself is no sound database; one in use or a full disk must not cost anybody the records. */
function isDamage(error: unknown): boolean {
  return /^SQLITE_(?:CORRUPT|NOTADB|CANTOPEN)/.test(errorCode(error));
}

function openChecked(Sqlite: Sqlite, file: string): InstanceType<Sqlite> {
  const sqlite = new Sqlite(file, { timeout: BUSY_MS });
  try {
    sqlite.pragma('journal_mode = WAL');
    sqlite.pragma('synchronous = NORMAL');
    sqlite.pragma('foreign_keys = ON');
    // Without it REPLACE would get past the triggers that keep releases.
    sqlite.pragma('recursive_triggers = ON');
    const verdict = sqlite.pragma('quick_check', { simple: true });
    if (verdict !== 'ok') throw new Sqlite.SqliteError(`quick_check: ${String(verdict)}`, 'SQLITE_CORRUPT');
    return sqlite;
  } catch (error) {
    sqlite.close();
    throw error;
  }
}

async function migrate(db: Db): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve({ ...MIGRATIONS }) } });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  await db.destroy();
  throw new AppError('internal', 'The state directory comes from a newer version of Slipway, or its migration failed: nothing was changed. Install that version, or give another --state-dir.', { cause: error });
}
