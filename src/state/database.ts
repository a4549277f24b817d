import { mkdirSync, renameSync, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Kysely, Migrator, SqliteDialect } from 'kysely';
import { AppError } from '../domain/errors.js';
import type { Clock } from '../kernel/clock.js';
import { errorCode } from '../kernel/error-code.js';
import type { Logger } from '../kernel/log.js';
import { MIGRATIONS } from './migrations.js';
import { loadSqlite, type Sqlite } from './sqlite.js';
import type { Tables } from './tables.js';
import { assertUsable, unusable } from './usable.js';

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
 * `slipway.db.corrupt-<time>` and a new one begun: what exists comes back from labels and git. One that only cannot be opened or written is left as it is.
 *
 * @throws AppError `internal` when another server uses the folder, the file cannot be used, or it comes from a newer version
 */
export async function openDatabase({ folder, clock, log }: DatabaseDeps): Promise<Database> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  assertUsable(folder, ['server.lock', FILE, `${FILE}-wal`, `${FILE}-shm`]);
  const Sqlite = loadSqlite();
  const lock = lockFolder(Sqlite, folder);
  try {
    const sqlite = openSound(Sqlite, { folder, clock, log });
    const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: withRollback(sqlite) }) });
    await migrate(db, { sqlite, folder });
    return { db, close: async () => { await db.destroy(); lock.close(); } };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** The kernel frees this lock when the process dies, however it dies, so that it can never be stale. */
function lockFolder(Sqlite: Sqlite, folder: string): InstanceType<Sqlite> {
  const file = join(folder, 'server.lock');
  let lock: InstanceType<Sqlite> | undefined;
  try {
    lock = new Sqlite(file, { timeout: 0 });
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock?.close();
    if (!/^SQLITE_(?:BUSY|LOCKED)/.test(errorCode(error))) throw unusable(file, error);
    throw new AppError('internal', `Another server uses the state directory ${folder}. Stop it, or give another --state-dir.`, { cause: error });
  }
}

function openSound(Sqlite: Sqlite, { folder, clock, log }: DatabaseDeps): InstanceType<Sqlite> {
  const file = join(folder, FILE);
  const isEmptied = statSync(file, { throwIfNoEntry: false })?.size === 0;
  try {
    const sqlite = openChecked(Sqlite, file);
    if (isEmptied) {
      log.warn('database file was empty, a new database is begun in it', { file });
      setLogsAside(folder, clock.now());
    }
    return sqlite;
  } catch (error) {
    if (!isDamage(error)) throw unusable(file, error);
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

/** Whether the file itself is no sound database; one in use, one of another user or a full disk must not cost anybody the records. */
function isDamage(error: unknown): boolean {
  return /^SQLITE_(?:CORRUPT|NOTADB)/.test(errorCode(error));
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

/** SQLite itself ends a transaction on a full disk: Kysely's rollback, failing then, would hide why. */
function withRollback(sqlite: InstanceType<Sqlite>): Pick<InstanceType<Sqlite>, 'prepare' | 'close'> {
  const prepare = ((text: string) => sqlite.prepare(text === 'rollback' && !sqlite.inTransaction ? 'SELECT 1' : text)) as typeof sqlite.prepare;
  return { prepare, close: () => sqlite.close() };
}

/** All in one transaction, which Kysely does not make for SQLite: one that stops half way is never finished by a later start. */
async function migrate(db: Db, { sqlite, folder }: { sqlite: InstanceType<Sqlite>; folder: string }): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve({ ...MIGRATIONS }) } });
  const run = async (): Promise<unknown> => {
    sqlite.exec('BEGIN IMMEDIATE');
    const { error } = await migrator.migrateToLatest();
    if (error === undefined) sqlite.exec('COMMIT');
    return error;
  };
  const error = await run().catch((thrown: unknown) => thrown);
  if (error === undefined) return;
  if (sqlite.inTransaction) sqlite.exec('ROLLBACK');
  await db.destroy();
  if (/^SQLITE_(?!ERROR|CONSTRAINT)/.test(errorCode(error))) throw unusable(join(folder, FILE), error);
  throw new AppError('internal', 'The state directory comes from a newer version of Slipway, or its migration failed: nothing was changed. Install that version, or give another --state-dir.', { cause: error });
}
