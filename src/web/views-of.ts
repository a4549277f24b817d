import { isPull, type Build } from '../domain/build.js';
import { formatRelease, type CommitHash } from '../domain/ids.js';
import type { LastError, Route } from '../domain/release.js';
import type { PreviewState } from '../domain/state.js';
import type { PreviewStatus } from '../flow/preview.js';
import type { Source } from '../source/source.js';
import { shortHash, toMoment } from './format.js';
import type { CommitView } from './page-models.js';

/** A commit for a page; what git does not know any more is left out. */
export async function commitView(source: Source, commit: CommitHash, now: number): Promise<CommitView> {
  const known = await source.describe(commit).catch(() => undefined);
  return {
    hash: commit, shortHash: shortHash(commit), subject: known?.subject ?? null, author: known?.author ?? null,
    at: known ? toMoment(known.committedAt, now) : null,
  };
}

/** The same where there may be none. */
export const commitViewOrNull = async (source: Source, commit: CommitHash | null, now: number): Promise<CommitView | null> =>
  (commit === null ? null : commitView(source, commit, now));

/** The words people know a route by. */
export const nameOfRoute = ({ kind, label, subject }: Pick<Route, 'kind' | 'label' | 'subject'>): string =>
  (kind === 'commit' ? label.replace(subject, shortHash(subject)) : subject);

/** What the API says of a build or a pull. Times are ISO 8601. */
export interface BuildAnswer {
  readonly id: string;
  readonly project: string;
  /** Null for a pull. */
  readonly commit: string | null;
  /** What was pulled, such as `registry.example.com/app:1`; null for a build. */
  readonly reference: string | null;
  readonly key: string;
  readonly status: Build['status'];
  readonly reusedFrom: string | null;
  readonly image: string | null;
  readonly attempt: number;
  readonly noCache: boolean;
  readonly queuedAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly queuePosition: number | null;
  readonly etaSeconds: number | null;
  readonly error: Build['error'];
}

const iso = (at: number): string => new Date(at).toISOString();
const isoOrNull = (at: number | null): string | null => (at === null ? null : iso(at));

export function buildAnswer(build: Build, place: PreviewStatus['place']): BuildAnswer {
  const { id, project, commit, recipe, key, status, reusedFrom, image, attempt, noCache, error } = build;
  return {
    id, project, commit, reference: isPull(recipe) ? recipe.image : null, key, status, reusedFrom, image, attempt, noCache, error,
    queuedAt: iso(build.queuedAt), startedAt: isoOrNull(build.startedAt), finishedAt: isoOrNull(build.finishedAt),
    queuePosition: place && place.position > 0 ? place.position : null, etaSeconds: place?.etaSeconds ?? null,
  };
}

export interface LastErrorAnswer {
  readonly code: string;
  readonly message: string;
  readonly at: string;
  /** `v7`; null when the attempt came to no release. */
  readonly release: string | null;
}

/** Why the latest attempt did not become what is served, as the API says it. */
export function lastErrorAnswer(error: LastError | null): LastErrorAnswer | null {
  if (!error) return null;
  const { code, message, at, release = null } = error;
  return { code, message, at: iso(at), release: release === null ? null : formatRelease(release) };
}

/** What `/api/status` and `/api/wait` say of a preview. */
export interface StatusAnswer {
  readonly project: string;
  /** Null for an image. */
  readonly commit: string | null;
  /** Null for a commit. */
  readonly reference: string | null;
  readonly environment: string | null;
  readonly status: PreviewState;
  readonly url: string;
  readonly build: BuildAnswer | null;
  readonly release: string | null;
  readonly lastError: LastErrorAnswer | null;
  readonly restarts: number;
}

export function statusAnswer(status: PreviewStatus, url: string): StatusAnswer {
  const { preview, build, place, release, lastError, state, restarts } = status;
  return {
    project: preview.project.name, commit: preview.commit, reference: preview.kind === 'image' ? preview.subject : null, environment: preview.environment, status: state, url,
    build: build ? buildAnswer(build, place) : null, release: release ? formatRelease(release.number) : null,
    lastError: lastErrorAnswer(lastError), restarts,
  };
}
