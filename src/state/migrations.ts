import { sql, type Kysely, type Migration } from 'kysely';

/** In order of their names; one that has run anywhere is never changed, a later one corrects it. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '001-ground': { up: (db) => run(db, GROUND) },
  '002-settings': { up: (db) => run(db, SETTINGS) },
  '003-no-replacement': { up: (db) => run(db, NO_REPLACEMENT) },
};

async function run(db: Kysely<unknown>, statements: readonly string[]): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const GROUND: readonly string[] = [
  'CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT',
  `CREATE TABLE builds (
    id TEXT PRIMARY KEY, project TEXT NOT NULL, commit_hash TEXT, upload TEXT, key TEXT NOT NULL, recipe_json TEXT NOT NULL,
    status TEXT NOT NULL, trigger_name TEXT NOT NULL, no_cache INTEGER NOT NULL, attempt INTEGER NOT NULL,
    queued_at INTEGER NOT NULL, started_at INTEGER, finished_at INTEGER, image TEXT, reused_from TEXT, error_json TEXT) STRICT`,
  'CREATE INDEX builds_by_key ON builds (project, key, id)',
  'CREATE INDEX builds_by_commit ON builds (project, commit_hash, id)',
  'CREATE INDEX builds_by_status ON builds (status)',
  `CREATE TABLE images (
    id TEXT PRIMARY KEY, project TEXT NOT NULL, key TEXT NOT NULL, build TEXT,
    created_at INTEGER NOT NULL, last_used_at INTEGER NOT NULL) STRICT`,
  'CREATE INDEX images_by_key ON images (project, key)',
  'CREATE TABLE configurations (hash TEXT PRIMARY KEY, body_json TEXT NOT NULL, secrets BLOB, created_at INTEGER NOT NULL) STRICT',
  `CREATE TABLE routes (
    id TEXT PRIMARY KEY, project TEXT NOT NULL, kind TEXT NOT NULL, label TEXT NOT NULL, environment TEXT, subject TEXT NOT NULL,
    current_release INTEGER, last_error_json TEXT, created_at INTEGER NOT NULL, last_access_at INTEGER, UNIQUE (project, label)) STRICT`,
  `CREATE TABLE releases (
    project TEXT NOT NULL, number INTEGER NOT NULL, route TEXT NOT NULL REFERENCES routes (id), build TEXT, image TEXT NOT NULL,
    commit_hash TEXT, upload TEXT, key TEXT, config_hash TEXT NOT NULL REFERENCES configurations (hash), environment TEXT,
    reason TEXT NOT NULL, by_whom TEXT NOT NULL, parent INTEGER, rollback_of INTEGER, version TEXT, created_at INTEGER NOT NULL,
    PRIMARY KEY (project, number)) STRICT`,
  'CREATE INDEX releases_by_route ON releases (route, number)',
  "CREATE TRIGGER releases_never_change BEFORE UPDATE ON releases BEGIN SELECT RAISE(ABORT, 'releases are append-only'); END",
  "CREATE TRIGGER releases_never_go BEFORE DELETE ON releases BEGIN SELECT RAISE(ABORT, 'releases are append-only'); END",
  'CREATE TABLE route_history (id INTEGER PRIMARY KEY, route TEXT NOT NULL REFERENCES routes (id), release INTEGER NOT NULL, at INTEGER NOT NULL, reason TEXT NOT NULL) STRICT',
  'CREATE INDEX history_by_route ON route_history (route, id)',
  `CREATE TABLE source_keys (
    project TEXT NOT NULL, commit_hash TEXT NOT NULL, recipe_hash TEXT NOT NULL, key TEXT NOT NULL,
    PRIMARY KEY (project, commit_hash, recipe_hash)) STRICT, WITHOUT ROWID`,
  'CREATE TABLE sessions (sid TEXT PRIMARY KEY, body_json TEXT NOT NULL, expires_at INTEGER NOT NULL) STRICT',
];

const SETTINGS: readonly string[] = [
  'ALTER TABLE routes ADD COLUMN config_hash TEXT',
  `UPDATE routes SET config_hash = (SELECT config_hash FROM releases WHERE releases.project = routes.project AND releases.number = routes.current_release)`,
  `CREATE TABLE setting_changes (
    id INTEGER PRIMARY KEY, project TEXT NOT NULL, scope TEXT NOT NULL, name TEXT NOT NULL,
    value TEXT, sealed BLOB, digest TEXT, at INTEGER NOT NULL, by_whom TEXT NOT NULL) STRICT`,
  'CREATE INDEX settings_by_name ON setting_changes (project, scope, name, id)',
  'CREATE INDEX releases_by_image ON releases (project, image)',
  "CREATE TRIGGER configurations_never_change BEFORE UPDATE ON configurations BEGIN SELECT RAISE(ABORT, 'configurations are append-only'); END",
  "CREATE TRIGGER configurations_never_go BEFORE DELETE ON configurations BEGIN SELECT RAISE(ABORT, 'configurations are append-only'); END",
];

/**
 * `INSERT OR REPLACE` deletes the row in its way without a trigger for that, as does one that takes its rowid. The server's own
 * second insert of a configuration is to do nothing.
 *
 * @see https://www.sqlite.org/lang_conflict.html
 */
const NO_REPLACEMENT: readonly string[] = [
  `CREATE TRIGGER releases_never_replaced BEFORE INSERT ON releases
    WHEN EXISTS (SELECT 1 FROM releases WHERE (project = NEW.project AND number = NEW.number) OR rowid = NEW.rowid)
    BEGIN SELECT RAISE(ABORT, 'releases are append-only'); END`,
  `CREATE TRIGGER configurations_never_replaced BEFORE INSERT ON configurations
    WHEN EXISTS (SELECT 1 FROM configurations WHERE hash = NEW.hash OR rowid = NEW.rowid)
    BEGIN SELECT CASE WHEN EXISTS (SELECT 1 FROM configurations WHERE hash = NEW.hash AND body_json = NEW.body_json)
      THEN RAISE(IGNORE) ELSE RAISE(ABORT, 'configurations are append-only') END; END`,
];
