import type { Request } from 'express';
import { AppError, ERRORS } from '../domain/errors.js';
import { formatRelease, type ReleaseNumber } from '../domain/ids.js';
import type { Project } from '../domain/project.js';
import type { Release, Route } from '../domain/release.js';
import type { StageStatus } from '../flow/stages.js';
import { hostOf, linkTo, sourceOf, type WebDeps } from './context.js';
import { toMoment } from './format.js';
import type { StageProblem, StageView } from './release-models.js';
import { commitViewOrNull } from './views-of.js';

interface OfProject { readonly deps: WebDeps; readonly req: Request; readonly project: Project }

/** What a release manager sees of the stages of a project, in their order. */
export async function stageViews(project: Project, { deps, req }: { deps: WebDeps; req: Request }): Promise<StageView[]> {
  const stages = await deps.stages.list(project);
  return Promise.all(stages.map((status, at) => viewOf(status, { next: stages[at + 1], of: { deps, req, project } })));
}

async function viewOf(status: StageStatus, { next, of }: { next: StageStatus | undefined; of: OfProject }): Promise<StageView> {
  const { deps, req, project } = of;
  const { stage, state, release } = status;
  const tried = await triedOf(status, of);
  const now = deps.clock.now();
  const movedAt = release && await deps.routes.movedAt(release.route);
  const link = (path: string) => linkTo(deps, req, { project, path });
  return {
    name: stage, state, url: deps.urls.preview(stage, hostOf(deps, req, project)), pageUrl: release ? link(`/previews/${stage}`) : null,
    release: release ? formatRelease(release.number) : null, made: release ? { reason: reasonOf(release), by: release.by } : null,
    commit: release ? await commitViewOrNull(sourceOf(deps, project), release.commit, now) : null,
    since: movedAt === undefined ? null : toMoment(movedAt, now),
    coming: tried && deps.instances.state(tried) === 'starting' ? formatRelease(tried.number) : null,
    problem: problemOf(status, of), back: await backOf(status, of),
    next: next && release ? { name: next.stage, url: isSame(release, next) ? null : link(`/confirm?action=promote&stage=${next.stage}`) } : null,
  };
}

/** Why a release was made, in words. */
export const reasonOf = ({ reason, rollbackOf }: Pick<Release, 'reason' | 'rollbackOf'>): string => (rollbackOf === null ? reason : `${reason} to ${formatRelease(rollbackOf)}`);

/** The newest release of the stage where it is not what the stage serves. */
async function triedOf({ stage, release }: StageStatus, { deps: { routes, releases }, project }: OfProject): Promise<Release | undefined> {
  const route = release?.route ?? (await routes.findLabel(project.name, stage))?.id;
  const latest = route && await releases.latestOfRoute(route);
  return latest && latest.number !== release?.number ? latest : undefined;
}

/** What serves may have failed itself, or another release did not take its place. */
function problemOf({ state, release, lastError }: StageStatus, { deps, req, project }: OfProject): StageProblem | null {
  if (!lastError) return null;
  const { code, message, at, release: failed = null } = lastError;
  const id = failed === null || failed === release?.number ? undefined : formatRelease(failed);
  return {
    title: id === undefined ? ERRORS[code].title : `${id} did not ${release ? 'take over' : 'start'}`, message, at: toMoment(at, deps.clock.now()),
    outcome: release && state === 'running' ? `${formatRelease(release.number)} serves on.` : null,
    log: id === undefined ? null : { release: id, url: linkTo(deps, req, { project, path: releaseLogPath(project, id) }) },
  };
}

/** What a release's application printed, as text. */
export const releaseLogPath = ({ name }: Pick<Project, 'name'>, id: string): string => `/api/projects/${name}/releases/${id}/log`;

async function backOf({ stage, release, previous }: StageStatus, { deps, req, project }: OfProject): Promise<StageView['back']> {
  const target = previous === null ? undefined : await originOf(deps, await deps.releases.find(project.name, previous));
  if (previous === null || !target) return null;
  return {
    release: formatRelease(previous), commit: await commitViewOrNull(sourceOf(deps, project), target.commit, deps.clock.now()),
    isSameImage: release?.image === target.image, url: linkTo(deps, req, { project, path: `/confirm?action=roll-back&route=${stage}` }),
  };
}

/** After a rollback or a failure, the same image may come with another configuration: that is worth promoting again. */
const isSame = (release: Release, next: StageStatus): boolean => next.release?.image === release.image && next.release.rollbackOf === null && next.lastError === null;

type ReleaseDeps = Pick<WebDeps, 'releases'>;

/** The release that a rollback brought back; itself for every other one. */
async function originOf({ releases }: ReleaseDeps, release: Release | undefined): Promise<Release | undefined> {
  const before = release && release.rollbackOf !== null ? await releases.find(release.project, release.rollbackOf) : undefined;
  return before ? originOf({ releases }, before) : release;
}

/** A rollback of one step: what is served, what was served before that, and whose image and configuration come back. */
export interface WayBack {
  readonly current: Release;
  readonly previous: ReleaseNumber;
  /** The previous one, or what that one brought back itself. */
  readonly target: Release;
}

/** Where a rollback of one step leads. @throws AppError `nothing_released`, `nothing_earlier` */
export async function findWayBack(deps: ReleaseDeps, route: Route): Promise<WayBack> {
  const current = route.current === null ? undefined : await deps.releases.find(route.project, route.current);
  if (!current) throw new AppError('nothing_released', `Nothing runs in ${route.label} of ${route.project}.`);
  const previous = (await originOf(deps, current))?.parent ?? null;
  const target = previous === null ? undefined : await originOf(deps, await deps.releases.find(route.project, previous));
  if (previous === null || !target) throw new AppError('nothing_earlier', `There is nothing before ${formatRelease(current.number)} in ${route.label}.`);
  return { current, previous, target };
}
