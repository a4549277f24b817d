import { formatRelease, type ReleaseNumber } from '../domain/ids.js';
import type { LastError, Release, Route } from '../domain/release.js';
import type { PreviewState } from '../domain/state.js';
import type { Moved } from '../flow/move-route.js';

/** What the API says of a release; times are ISO 8601, of secrets only digests. */
export interface ReleaseAnswer extends Pick<Release, 'project' | 'by' | 'reason' | 'build' | 'image' | 'commit' | 'version' | 'configHash'> {
  readonly release: number;
  readonly id: string;
  readonly createdAt: string;
  /** The build key. */
  readonly sourceHash: string;
  readonly config: object;
  readonly rollbackOf: string | null;
  readonly parent: string | null;
  /** The label of its route. */
  readonly route: string;
}

const idOrNull = (number: ReleaseNumber | null): string | null => (number === null ? null : formatRelease(number));

export function releaseAnswer(release: Release, { label }: Pick<Route, 'label'>): ReleaseAnswer {
  const { project, number, createdAt, by, reason, build, image, commit, key, version, config, configHash, rollbackOf, parent } = release;
  const { env, secrets = {}, memoryBytes, cpus, pids, health = null, processes = {}, ...rest } = config;
  return {
    project, release: number, id: formatRelease(number), createdAt: new Date(createdAt).toISOString(), by, reason, build, image, commit, sourceHash: key, version,
    config: { env, secrets, limits: { memoryBytes, cpus, pids }, health, processes, ...rest }, configHash,
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
  readonly lastError: (Omit<LastError, 'at'> & { readonly at: string }) | null;
}

/** What the API says of a route that serves another release now. */
export function movedAnswer({ route, release, ms }: Moved, url: string): object {
  return { project: route.project, route: route.label, release: releaseAnswer(release, route), url, ms };
}
