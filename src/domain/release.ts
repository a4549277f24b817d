import { createHash } from 'node:crypto';
import type { AppError } from './errors.js';
import type { HealthCheck } from './health.js';
import type { BuildId, BuildKey, CommitHash, EnvironmentName, ImageId, ProjectName, ReleaseNumber, RouteId } from './ids.js';

/** Settings a release runs with, frozen when it was made. Times in milliseconds, memory in bytes. */
export interface RunConfig {
  /** The port the application listens on; null for the image's single EXPOSE, else 3000. */
  readonly port: number | null;
  readonly readyTimeoutMs: number;
  /** How long the application may take to end after SIGTERM. */
  readonly stopTimeoutMs: number;
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly pids: number;
  readonly profile: 'compat' | 'strict';
  readonly env: Readonly<Record<string, string>>;
  /** Secret variables by name, each with a digest of its value; left away where there are none. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** What must answer; left away where anything below 500 to `GET /` is good. */
  readonly health?: HealthCheck;
  /** What runs beside the image's own command `web`, by name; left away where nothing does. */
  readonly processes?: Readonly<Record<string, readonly string[]>>;
}

export type RouteKind = 'commit' | 'branch' | 'run' | 'stage' | 'image';
export type ReleaseReason = 'code' | 'config' | 'rollback' | 'promotion' | 'dependency';

/** Source, image and frozen configuration, appended for one route; never changed afterwards. */
export interface Release {
  readonly project: ProjectName;
  readonly number: ReleaseNumber;
  readonly route: RouteId;
  readonly build: BuildId | null;
  readonly image: ImageId;
  /** Null when the image was pulled. */
  readonly commit: CommitHash | null;
  readonly key: BuildKey;
  readonly config: RunConfig;
  readonly configHash: string;
  readonly environment: EnvironmentName | null;
  readonly reason: ReleaseReason;
  readonly by: string;
  /** The route's previous release. */
  readonly parent: ReleaseNumber | null;
  readonly rollbackOf: ReleaseNumber | null;
  readonly version: string | null;
  readonly createdAt: number;
}

/** A host name and the release it currently serves. */
export interface Route {
  readonly id: RouteId;
  readonly project: ProjectName;
  readonly kind: RouteKind;
  /** The DNS label in front of the project host; unique in the project. */
  readonly label: string;
  readonly environment: EnvironmentName | null;
  /** What it follows: a commit, a branch or tag name, a stage, a run's or an image's name. */
  readonly subject: string;
  readonly current: ReleaseNumber | null;
  /** The hash of the configuration that it last took up; null before its first release. A rollback does not change it. */
  readonly configHash: string | null;
  readonly lastError: LastError | null;
  readonly createdAt: number;
  readonly lastAccessAt: number | null;
}

/** Why the latest attempt did not become what is served. */
export interface LastError {
  readonly code: AppError['code'];
  readonly message: string;
  readonly at: number;
  /** The release that failed; null when it came to none, left away in older records. */
  readonly release?: ReleaseNumber | null;
}

/** SHA-256 over the settings with their keys in order: equal settings have equal hashes. */
export function hashConfig(config: RunConfig): string {
  return createHash('sha256').update(canonicalJson(config)).digest('hex');
}

/** JSON with the keys of every object sorted, so that equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner);
}
