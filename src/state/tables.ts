import type { Generated } from 'kysely';

/** Columns as SQLite has them: times are milliseconds since the epoch, flags are 0 or 1, `…_json` is JSON text. */
export interface Tables {
  meta: { name: string; value: string };
  builds: BuildRow;
  images: ImageRow;
  configurations: { hash: string; body_json: string; secrets: Buffer | null; created_at: number };
  routes: RouteRow;
  route_history: { id: Generated<number>; route: string; release: number; at: number; reason: string };
  releases: ReleaseRow;
  source_keys: { project: string; commit_hash: string; recipe_hash: string; key: string };
  /** Append-only: the newest row of a name says what holds. */
  setting_changes: SettingRow;
  sessions: { sid: string; body_json: string; expires_at: number };
}

export interface BuildRow {
  id: string;
  project: string;
  /** The source is a commit, an upload, or else the image that `recipe_json` names. */
  commit_hash: string | null;
  upload: string | null;
  key: string;
  recipe_json: string;
  status: string;
  trigger_name: string;
  no_cache: number;
  attempt: number;
  queued_at: number;
  started_at: number | null;
  finished_at: number | null;
  image: string | null;
  reused_from: string | null;
  error_json: string | null;
}

export interface ImageRow {
  id: string;
  project: string;
  key: string;
  build: string | null;
  created_at: number;
  last_used_at: number;
}

export interface RouteRow {
  id: string;
  project: string;
  kind: string;
  label: string;
  environment: string | null;
  subject: string;
  current_release: number | null;
  last_error_json: string | null;
  /** The configuration it last took up. */
  config_hash: string | null;
  created_at: number;
  last_access_at: number | null;
}

export interface ReleaseRow {
  project: string;
  number: number;
  route: string;
  build: string | null;
  image: string;
  /** Without a commit the source is an upload or a registry. */
  commit_hash: string | null;
  upload: string | null;
  key: string | null;
  config_hash: string;
  environment: string | null;
  reason: string;
  by_whom: string;
  parent: number | null;
  rollback_of: number | null;
  version: string | null;
  created_at: number;
}

export interface SettingRow {
  id: Generated<number>;
  project: string;
  /** `project`, `environment:NAME` or `stage:NAME`. */
  scope: string;
  name: string;
  /** Null for a secret and for what was taken away. */
  value: string | null;
  /** A secret's value, encrypted. */
  sealed: Buffer | null;
  /** A secret's digest. */
  digest: string | null;
  at: number;
  by_whom: string;
}
