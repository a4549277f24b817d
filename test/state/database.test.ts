import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { AppError, toAppError } from '../../src/domain/errors.js';
import { errorCode } from '../../src/kernel/error-code.js';
import { openDatabase, type Database } from '../../src/state/database.js';
import { createFakeClock } from '../support/fake-clock.js';
import { createTestFolder } from '../support/git.js';
import { createQuietLog } from '../support/quiet-log.js';
import { openTestDatabase } from '../support/database.js';
import { loadSqlite } from '../../src/state/sqlite.js';
import { SQLITE_MODULE } from '../support/sqlite-module.js';

const FILE = 'slipway.db';
const SqliteDatabase = loadSqlite();
const clock = createFakeClock();
const open = (folder: string, log = createQuietLog()): Promise<Database> => openDatabase({ folder, clock, log });
const messageOf = async (opening: Promise<Database>): Promise<string> => {
  try {
    const database = await opening;
    await database.close();
    return 'was opened';
  } catch (error) {
    return String(error);
  }
};

/** A database with one session in it, closed again. */
async function fill(folder: string): Promise<void> {
  const { db, close } = await open(folder);
  await db.insertInto('sessions').values({ sid: 'kept', body_json: '{}', expires_at: 1 }).execute();
  for (let n = 0; n < 200; n += 1) await db.insertInto('meta').values({ name: `n${n}`, value: 'x'.repeat(500) }).execute();
  await close();
}

const sessionsIn = async ({ db }: Database): Promise<string[]> => (await db.selectFrom('sessions').select('sid').execute()).map(({ sid }) => sid);

describe('the database', () => {
  it('is made from nothing, in a folder that only its owner can read', async () => {
    using parent = createTestFolder();
    const folder = join(parent.path, 'a', 'state');
    const { db, close } = await open(folder);
    const { rows } = await sql<{ name: string }>`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`.execute(db);
    expect(rows.map(({ name }) => name)).toEqual([
      'builds', 'configurations', 'images', 'kysely_migration', 'kysely_migration_lock', 'meta', 'releases', 'route_history', 'routes', 'sessions', 'setting_changes', 'source_keys',
    ]);
    expect((await sql<{ journal_mode: string }>`PRAGMA journal_mode`.execute(db)).rows).toEqual([{ journal_mode: 'wal' }]);
    expect((await sql<{ foreign_keys: number }>`PRAGMA foreign_keys`.execute(db)).rows).toEqual([{ foreign_keys: 1 }]);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    await close();
  });

  it('is as it was when it is opened again, and migrates nothing twice', async () => {
    using folder = createTestFolder();
    await fill(folder.path);
    const again = await open(folder.path);
    expect(await sessionsIn(again)).toEqual(['kept']);
    expect((await sql<{ name: string }>`SELECT name FROM kysely_migration`.execute(again.db)).rows).toEqual([{ name: '001-ground' }, { name: '002-settings' }, { name: '003-no-replacement' }]);
    await again.close();
  });

  it('K3: loses nothing when the server is killed between two writes', async () => {
    using folder = createTestFolder();
    await fill(folder.path);
    // A process that leaves its write-ahead log behind, as one that is killed does.
    const script = `const db = new (require(${JSON.stringify(SQLITE_MODULE)}))(${JSON.stringify(join(folder.path, FILE))});
      db.pragma('journal_mode = WAL'); db.prepare("INSERT INTO sessions VALUES ('killed', '{}', 2)").run(); process.kill(process.pid, 'SIGKILL');`;
    const signal = await new Promise((resolve) => { execFile(process.execPath, ['-e', script], (error) => { resolve(error?.signal); }); });
    expect(signal).toBe('SIGKILL');
    const log = createQuietLog();
    const again = await open(folder.path, log);
    expect(await sessionsIn(again)).toEqual(['kept', 'killed']);
    expect(log.recent()).toEqual([]);
    await again.close();
  });
});

it('says that the disk is full also where that ends a transaction, and goes on when there is room', async () => {
  await using database = await openTestDatabase();
  const { db } = database;
  const add = (value: string) => db.transaction().execute((within) => within.insertInto('meta').values({ name: `n${value.length}`, value }).execute());
  const { rows: [before] } = await sql<{ page_count: number }>`PRAGMA page_count`.execute(db);
  await sql.raw(`PRAGMA max_page_count = ${(before?.page_count ?? 0) + 1}`).execute(db);
  const refused: unknown = await add('x'.repeat(1_000_000)).catch((error: unknown) => error);
  expect([errorCode(refused), toAppError(refused).code]).toEqual(['SQLITE_FULL', 'disk_full']);
  await add('small');
  await expect(db.transaction().execute(async (within) => { await within.insertInto('meta').values({ name: 'not', value: '' }).execute(); throw new AppError('internal', 'undone'); })).rejects.toThrow('undone');
  expect((await db.selectFrom('meta').select('name').execute()).map(({ name }) => name)).toEqual(['n5']);
});

describe('K19: the folder', () => {
  it('belongs to one server: a second one is told so and changes nothing', async () => {
    await using first = await openTestDatabase();
    expect(await messageOf(open(first.folder))).toBe(`AppError: Another server uses the state directory ${first.folder}. Stop it, or give another --state-dir.`);
    expect(await sessionsIn(first)).toEqual([]);
  });

  it('is said to be in use only when it is', async () => {
    using folder = createTestFolder();
    writeFileSync(join(folder.path, 'server.lock'), 'not what locks anything, '.repeat(100));
    expect(await messageOf(open(folder.path))).toMatch(/^AppError: Slipway does not start, as .*server\.lock cannot be used: file is not a database \(SQLITE_NOTADB\)\./);
    expect(readdirSync(folder.path)).toEqual(['server.lock']);
  });

  it('is free after the first server closed, after a failed start, and after one that was killed', async () => {
    using folder = createTestFolder();
    await fill(folder.path);
    const script = `const db = new (require(${JSON.stringify(SQLITE_MODULE)}))(${JSON.stringify(join(folder.path, 'server.lock'))});
      db.exec('BEGIN EXCLUSIVE'); process.kill(process.pid, 'SIGKILL');`;
    expect(await new Promise((resolve) => { execFile(process.execPath, ['-e', script], (error) => { resolve(error?.signal); }); })).toBe('SIGKILL');
    expect(await messageOf(open(folder.path))).toBe('was opened');
    pretendNewer(folder.path);
    expect(await messageOf(open(folder.path))).toContain('newer version');
    expect(await messageOf(open(folder.path))).toContain('newer version');
  });
});

describe('K4: a file that is no sound database', () => {
  it('takes the logs of the old release numbers aside with it', async () => {
    using folder = createTestFolder();
    await fill(folder.path);
    mkdirSync(join(folder.path, 'logs', 'releases'), { recursive: true });
    writeFileSync(join(folder.path, 'logs', 'releases', 'shop-v1.log'), 'of the old v1');
    writeFileSync(join(folder.path, FILE), 'not a database at all, '.repeat(1_000));
    await (await open(folder.path)).close();
    expect(readdirSync(join(folder.path, 'logs'))).toEqual([expect.stringMatching(/^releases\.corrupt-\d+$/)]);
  });

  const damage: readonly (readonly [string, (file: string) => void])[] = [
    ['garbage', (file) => { writeFileSync(file, 'not a database at all, '.repeat(1_000)); }],
    ['cut in half', (file) => { truncateSync(file, Math.floor(statSync(file).size / 2)); }],
    ['cut within a page', (file) => { truncateSync(file, statSync(file).size - 1_000); }],
    ['overwritten in the middle', (file) => { const bytes = readFileSync(file); bytes.fill(0xff, 8_192, 24_576); writeFileSync(file, bytes); }],
    ['another version’s header', (file) => { const bytes = readFileSync(file); bytes.write('SQLite format 9\0', 0, 'latin1'); writeFileSync(file, bytes); }],
  ];

  it.each(damage)('is set aside and a new one begun: %s', async (_what, spoil) => {
    using folder = createTestFolder();
    await fill(folder.path);
    const file = join(folder.path, FILE);
    spoil(file);
    const spoilt = readFileSync(file);
    const log = createQuietLog();
    const database = await open(folder.path, log);
    expect(await sessionsIn(database)).toEqual([]);
    await database.close();
    const aside = `${file}.corrupt-${clock.now()}`;
    expect(readFileSync(aside).equals(spoilt)).toBe(true);
    expect(log.recent().map(({ level, message, fields }) => [level, message, fields.aside])).toEqual([['error', 'database damaged, a new one is begun', aside]]);
    expect(await messageOf(open(folder.path, log))).toBe('was opened');
    expect(log.recent()).toHaveLength(1);
  });

  it('is not an empty file: that is an empty database, and the log says so', async () => {
    using folder = createTestFolder();
    const file = join(folder.path, FILE);
    writeFileSync(file, '');
    mkdirSync(join(folder.path, 'logs', 'releases'), { recursive: true });
    const log = createQuietLog();
    expect(await messageOf(open(folder.path, log))).toBe('was opened');
    expect(log.recent().map(({ level, message, fields }) => [level, message, fields])).toEqual([['warn', 'database file was empty, a new database is begun in it', { file }]]);
    expect(readdirSync(folder.path).filter((name) => name.includes('corrupt'))).toEqual([]);
    expect(readdirSync(join(folder.path, 'logs'))).toEqual([expect.stringMatching(/^releases\.corrupt-/)]);
    expect(await messageOf(open(folder.path, log))).toBe('was opened');
    expect(log.recent()).toHaveLength(1);
  });

  it.each([FILE, `${FILE}-wal`, 'server.lock'])('is not one that cannot be opened: it is named, with the reason, and nothing is touched (%s)', async (name) => {
    using folder = createTestFolder();
    const path = join(folder.path, name);
    mkdirSync(path);
    expect(await messageOf(open(folder.path))).toBe(`AppError: Slipway does not start, as ${path} cannot be used: it is a folder, or lies below a file; move that away (EISDIR). Nothing of it was changed.`);
    expect(readdirSync(folder.path)).toEqual([name]);
  });

  it('is not one that SQLite cannot open', async () => {
    using folder = createTestFolder();
    symlinkSync('/nowhere/at/all', join(folder.path, FILE));
    expect(await messageOf(open(folder.path))).toMatch(/^AppError: Slipway does not start, as .*slipway\.db cannot be used: .+\(SQLITE_CANTOPEN\w*\)\. Nothing of it was changed\.$/);
    expect(readdirSync(folder.path).filter((name) => name.includes('corrupt'))).toEqual([]);
    expect(await messageOf(open(folder.path))).toContain('SQLITE_CANTOPEN');
  });

  it('is not one that somebody else has locked: it is refused and stays where it is', async () => {
    using folder = createTestFolder();
    await fill(folder.path);
    const other = new SqliteDatabase(join(folder.path, FILE));
    other.pragma('locking_mode = EXCLUSIVE');
    other.exec("UPDATE sessions SET body_json = '[]'");
    expect(await messageOf(open(folder.path))).toMatch(/^AppError: Slipway does not start, as .*slipway\.db cannot be used: another program uses it; end that \(SQLITE_BUSY\)\./);
    other.close();
    expect(readdirSync(folder.path).filter((name) => name.includes('corrupt'))).toEqual([]);
    const again = await open(folder.path);
    expect(await sessionsIn(again)).toEqual(['kept']);
    await again.close();
  });
});

it('K4: a database of a newer version is refused, with what to do, and stays as it is', async () => {
  using folder = createTestFolder();
  await fill(folder.path);
  pretendNewer(folder.path);
  const before = readFileSync(join(folder.path, FILE));
  expect(await messageOf(open(folder.path))).toBe(
    'AppError: The state directory comes from a newer version of Slipway, or its migration failed: nothing was changed. Install that version, or give another --state-dir.',
  );
  expect(readFileSync(join(folder.path, FILE)).equals(before)).toBe(true);
  expect(readdirSync(folder.path).filter((name) => name.includes('corrupt'))).toEqual([]);
});

it('K4: a migration that fails half way leaves nothing behind, so that the next start is a first one', async () => {
  using folder = createTestFolder();
  const file = join(folder.path, FILE);
  const sqlite = new SqliteDatabase(file);
  // A table of the first migration, in the way of it.
  sqlite.exec('CREATE TABLE source_keys (x)');
  sqlite.close();
  expect(await messageOf(open(folder.path))).toContain('its migration failed: nothing was changed');
  const after = new SqliteDatabase(file);
  expect(after.prepare('SELECT name FROM sqlite_master').all()).toEqual([{ name: 'source_keys' }]);
  after.exec('DROP TABLE source_keys');
  after.close();
  expect(await messageOf(open(folder.path))).toBe('was opened');
});

function pretendNewer(folder: string): void {
  const sqlite = new SqliteDatabase(join(folder, FILE));
  sqlite.exec("INSERT OR IGNORE INTO kysely_migration (name, timestamp) VALUES ('900-from-the-future', '2030-01-01T00:00:00.000Z')");
  sqlite.close();
}
