import { matchesBranch } from '../domain/branch-pattern.js';
import type { Project } from '../domain/project.js';
import type { Release, Route } from '../domain/release.js';
import type { RouteStore } from '../state/routes.js';

/** Why a release runs whether somebody uses it or not; null when nothing but its visitors keeps it. */
export type Pinned = (release: Release) => Promise<string | null>;

export function createPinned({ projects, routes }: { readonly projects: readonly Project[]; readonly routes: Pick<RouteStore, 'find'> }): Pinned {
  return async ({ project: name, route: id }) => {
    const route = await routes.find(id);
    const project = projects.find((each) => each.name === name);
    if (route?.kind === 'stage') return 'a stage always runs';
    return route && project && isKept(project, route) ? 'its branch is kept running (keep)' : null;
  };
}

/** Whether a route runs whether somebody uses it or not. */
export const alwaysRuns = (project: Project, route: Pick<Route, 'kind' | 'subject' | 'environment'>): boolean => route.kind === 'stage' || isKept(project, route);

/** Whether the project keeps the branch that a route follows, outside of all environments. */
export const isKept = ({ keep }: Project, { kind, subject, environment }: Pick<Route, 'kind' | 'subject' | 'environment'>): boolean =>
  kind === 'branch' && environment === null && keep.some((pattern) => matchesBranch(pattern, subject));
