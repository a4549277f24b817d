import { formatRelease, type ProjectName, type RefName } from '../domain/ids.js';
import { scopeOf } from '../domain/project.js';
import type { Release, Route } from '../domain/release.js';
import type { Urls } from '../domain/urls.js';
import type { Ref } from '../source/source.js';
import type { ReleaseStore } from '../state/releases.js';

/** A release and how it is reached. */
export interface ReleaseAt {
  readonly route: Route;
  readonly release: Release;
  /** A branch of its commit, for the application. */
  readonly branch: RefName | null;
  /** The preview's own host, without port. */
  readonly host: string;
}

/** What containers of a release are told beside its plain settings: its secrets, and where and what it is. @throws AppError `internal` when the secrets cannot be read */
export async function environmentOf({ route, release, branch, host }: ReleaseAt, { releases, urls }: { readonly releases: Pick<ReleaseStore, 'secretsOf'>; readonly urls: Urls }): Promise<Readonly<Record<string, string>>> {
  const scope = scopeOf(route);
  return {
    ...await releases.secretsOf(release),
    SLIPWAY_BUILD: release.build ?? '', SLIPWAY_COMMIT: release.commit ?? '', SLIPWAY_BRANCH: branch ?? '',
    SLIPWAY_RELEASE: formatRelease(release.number), SLIPWAY_ENV: scope.kind === 'project' ? '' : scope.name, SLIPWAY_URL: urls.application(host, route.label),
  };
}

/** What is known of the branches of projects. */
export type BranchTips = ReadonlyMap<ProjectName, { refs(): { readonly refs: readonly Pick<Ref, 'kind' | 'name' | 'commit'>[] } }>;

/** The branch that a release's route follows, else one that stands at its commit now; git is not asked. */
export function branchOfRelease(sources: BranchTips, { route, release }: Pick<ReleaseAt, 'route' | 'release'>): RefName | null {
  if (route.kind === 'branch') return route.subject as RefName;
  return sources.get(release.project)?.refs().refs.find(({ kind, commit }) => kind === 'branch' && commit === release.commit)?.name ?? null;
}
