import { formatRelease, type ReleaseNumber } from '../domain/ids.js';
import type { Release, Route } from '../domain/release.js';
import type { PreviewState } from '../domain/state.js';
import type { Moved } from '../flow/move-route.js';
import type { LastErrorAnswer } from './views-of.js';

/** What the API says of a release; times are ISO 8601, of secrets only digests, of variables the values only for who may see them. */
export interface ReleaseAnswer extends Pick<Release, 'project' | 'by' | 'reason' | 'build' | 'image' | 'commit' | 'version' | 'configHash'> {
  readonly release: number;
  readonly id: string;
  readonly createdAt: string;
  /** The build key. */
  readonly sourceHash: string;
  readonly config: {
    /** Null without the token. */
    readonly env: Readonly<Record<string, string>> | null;
    readonly envNames: readonly string[];
    readonly [setting: string]: unknown;
  };
  readonly rollbackOf: string | null;
  readonly parent: string | null;
  /** The label of its route. */
  readonly route: string;
}

const idOrNull = (number: ReleaseNumber | null): string | null => (number === null ? null : formatRelease(number));

export function releaseAnswer(release: Release, { label }: Pick<Route, 'label'>, { withValues }: { readonly withValues: boolean }): ReleaseAnswer {
  const { project, number, createdAt, by, reason, build, image, commit, key, version, config, configHash, rollbackOf, parent } = release;
  const { env, secrets = {}, memoryBytes, cpus, pids, health = null, processes = {}, ...rest } = config;
  return {
    project, release: number, id: formatRelease(number), createdAt: new Date(createdAt).toISOString(), by, reason, build, image, commit, sourceHash: key, version,
    config: { env: withValues ? env : null, envNames: Object.keys(env), secrets, limits: { memoryBytes, cpus, pids }, health, processes, ...rest }, configHash,
    rollbackOf: idOrNull(rollbackOf), parent: idOrNull(parent), route: label,
  };
}

/** What the API says of a stage. */
export interface StageAnswer {
  readonly project: string;
  readonly stage: string;
  readonly url: string;
  readonly status: PreviewState;
  readonly release: string | null;
  readonly image: string | null;
  readonly commit: string | null;
  /** To which a rollback of one step goes. */
  readonly previous: string | null;
  readonly lastError: LastErrorAnswer | null;
  /** How often its release was started again after an end of its own, since this server started. */
  readonly restarts: number;
}

/** What the API says of a route that serves another release now, to whoever moved it with the token. */
export function movedAnswer({ route, release, ms }: Moved, url: string): object {
  return { project: route.project, route: route.label, release: releaseAnswer(release, route, { withValues: true }), url, ms };
}
