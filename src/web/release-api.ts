import type { Request, RequestHandler } from 'express';
import { z } from 'zod';
import { AppError } from '../domain/errors.js';
import { formatRelease, parseBuildId, parseReleaseNumber } from '../domain/ids.js';
import { parseLabel } from '../domain/preview-name.js';
import { labelNames, type Project } from '../domain/project.js';
import type { Route } from '../domain/release.js';
import type { Moved } from '../flow/move-route.js';
import { assertStage, type StageStatus } from '../flow/stages.js';
import { hostOf, sourceOf, type WebDeps } from './context.js';
import { BY, readBody } from './json-body.js';
import { projectNamed } from './named-project.js';
import { readQuery } from './query.js';
import { movedAnswer, releaseAnswer, type StageAnswer } from './release-views.js';
import { lastErrorAnswer } from './views-of.js';

type InProject = RequestHandler<{ project: string }>;
type OnStage = RequestHandler<{ project: string; stage: string }>;

const LISTED = 100;
const MOST_LISTED = 1_000;
const RELEASE = z.string().transform((text, context) => {
  try {
    return parseReleaseNumber(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'must be a release such as v7' });
    return z.NEVER;
  }
});
const BACK = { to: RELEASE.optional(), hops: z.int('must be a whole number').min(1, 'must be 1 or more').max(100, 'must be 100 or less').optional(), rebuild: z.boolean().optional(), by: BY };

const urlOf = (deps: WebDeps, req: Pick<Request, 'headers'>, { project, label }: { project: Project; label: string }): string =>
  deps.urls.preview(label, hostOf(deps, req, project));

/** `GET /api/projects/:project/releases[?stage=|preview=&limit=]`: newest first, with the values of variables for whoever bears the token. */
export function listReleases(deps: WebDeps): InProject {
  return async (req, res) => {
    const project = projectNamed(deps, req);
    const query = readQuery(req);
    const stage = query.get('stage');
    if (stage !== undefined) assertStage(project, stage);
    const preview = query.get('preview');
    if (stage !== undefined && preview !== undefined) throw new AppError('invalid_request', 'Give stage or preview, not both.');
    const label = stage ?? preview;
    const limit = readLimit(query.get('limit'));
    const route = label === undefined ? undefined : (await routeNamed(deps, project, label)).label;
    const found = await deps.releases.search({ projects: [project.name], route, text: '' }, { offset: 0, limit });
    const withValues = deps.door.bearsToken(req);
    res.json(found.map(({ release, route: its }) => releaseAnswer(release, its, { withValues })));
  };
}

function readLimit(text: string | undefined): number {
  if (text === undefined) return LISTED;
  const limit = Number(text);
  if (!/^[0-9]+$/.test(text) || limit < 1 || limit > MOST_LISTED) throw new AppError('invalid_request', `limit must be a whole number from 1 to ${MOST_LISTED}.`);
  return limit;
}

/** The route of a label that was opened before. @throws AppError `unknown_preview`, `unknown_stage` */
async function routeNamed({ routes, stages }: WebDeps, project: Project, label: string): Promise<Route> {
  const name = parseLabel(label, labelNames(project));
  if (name?.kind === 'stage') return stages.route(project, label);
  const route = name && await routes.findLabel(project.name, label);
  if (!route) throw new AppError('unknown_preview', `There is no preview ${label} of ${project.name}.`);
  return route;
}

/** `GET /api/projects/:project/releases/:release` */
export function getRelease(deps: WebDeps): RequestHandler<{ project: string; release: string }> {
  return async (req, res) => {
    const project = projectNamed(deps, req);
    const number = parseReleaseNumber(req.params.release);
    const release = await deps.releases.find(project.name, number);
    if (!release) throw new AppError('unknown_release', `There is no release ${formatRelease(number)} of ${project.name}.`);
    const route = await deps.routes.find(release.route);
    res.json(releaseAnswer(release, { label: route?.label ?? '' }, { withValues: deps.door.bearsToken(req) }));
  };
}

/** `POST /api/projects/:project/releases` `{build, stage}`: appends without serving it. */
export function createRelease(deps: WebDeps): InProject {
  return async (req, res) => {
    const project = projectNamed(deps, req);
    const { build, stage, by } = readBody({ build: z.string(), stage: z.string(), by: BY }, req);
    const { release, isNew } = await deps.stages.release({ project, stage, by }, parseBuildId(build));
    res.status(isNew ? 201 : 200).json(releaseAnswer(release, { label: stage }, { withValues: true }));
  };
}

const stageAnswer = (deps: WebDeps, req: Request<{ project: string }>, { project, status }: { project: Project; status: StageStatus }): StageAnswer => {
  const { stage, state, release, previous, lastError, restarts } = status;
  return {
    project: project.name, stage, url: urlOf(deps, req, { project, label: stage }), status: state, release: release ? formatRelease(release.number) : null,
    image: release?.image ?? null, commit: release?.commit ?? null, previous: previous === null ? null : formatRelease(previous),
    lastError: lastErrorAnswer(lastError), restarts,
  };
};

/** What the API says of all stages of a project. */
export const stageAnswers = async (deps: WebDeps, req: Request<{ project: string }>, project: Project): Promise<StageAnswer[]> =>
  (await deps.stages.list(project)).map((status) => stageAnswer(deps, req, { project, status }));

/** `GET /api/projects/:project/stages` */
export function listStages(deps: WebDeps): InProject {
  return async (req, res) => { res.json(await stageAnswers(deps, req, projectNamed(deps, req))); };
}

/** `GET /api/projects/:project/stages/:stage` */
export function getStage(deps: WebDeps): OnStage {
  return async (req, res) => {
    const project = projectNamed(deps, req);
    await deps.stages.route(project, req.params.stage);
    res.json((await stageAnswers(deps, req, project)).find(({ stage }) => stage === req.params.stage));
  };
}

type Change<Params> = (project: Project, req: Request<Params>) => Promise<Moved>;

/** A change of a route, answered once it serves what it was told to; whoever comes so far bears the token. */
function move<Params extends { project: string }>(deps: WebDeps, change: Change<Params>): RequestHandler<Params> {
  return async (req, res) => {
    const project = projectNamed(deps, req);
    const moved = await change(project, req);
    res.json(movedAnswer(moved, urlOf(deps, req, { project, label: moved.route.label })));
  };
}

/** `POST /api/projects/:project/stages/:stage/run` `{release}` */
export const runStage = (deps: WebDeps): OnStage => move<{ project: string; stage: string }>(deps, (project, req) => {
  const { release, by } = readBody({ release: RELEASE, by: BY }, req);
  return deps.stages.run({ project, stage: req.params.stage, by }, release);
});

/** `POST /api/projects/:project/stages/:stage/promote` `{release?, force?}` */
export const promoteStage = (deps: WebDeps): OnStage => move<{ project: string; stage: string }>(deps, (project, req) => {
  const { by, ...options } = readBody({ release: RELEASE.optional(), force: z.boolean().optional(), by: BY }, req);
  return deps.stages.promote({ project, stage: req.params.stage, by }, options);
});

/** `POST /api/projects/:project/stages/:stage/rollback` `{to?, hops?, rebuild?}` */
export const rollBackStage = (deps: WebDeps): OnStage => move<{ project: string; stage: string }>(deps, async (project, req) =>
  deps.rollBack({ project, route: await deps.stages.route(project, req.params.stage) }, readBack(req)));

/** `POST /api/projects/:project/previews/:label/rollback`: the same for a branch. */
export const rollBackPreview = (deps: WebDeps): RequestHandler<{ project: string; label: string }> => move<{ project: string; label: string }>(deps, async (project, req) => {
  const route = await routeNamed(deps, project, req.params.label);
  if (route.kind !== 'branch' && route.kind !== 'stage') throw new AppError('invalid_request', `${route.label} is a ${route.kind}, which has one release to go to; branches and stages are rolled back.`);
  return deps.rollBack({ project, route }, readBack(req));
});

function readBack(req: Pick<Request, 'body'>) {
  const back = readBody(BACK, req);
  if (back.to !== undefined && back.hops !== undefined) throw new AppError('invalid_request', 'Give to or hops, not both.');
  return back;
}

/** `POST /api/projects/:project/publish` `{branch|commit}` */
export const publish = (deps: WebDeps): InProject => move<{ project: string }>(deps, async (project, req) => {
  const { branch, commit, by } = readBody({ branch: z.string().optional(), commit: z.string().optional(), by: BY }, req);
  if (branch !== undefined && commit !== undefined) throw new AppError('invalid_request', 'Give branch or commit, not both.');
  const name = branch ?? project.publish ?? undefined;
  if (commit === undefined && name === undefined) throw new AppError('invalid_request', `Give branch or commit: ${project.name} has no publish branch.`);
  // What was pushed a moment ago is meant.
  if (commit === undefined) await sourceOf(deps, project).refresh();
  const found = await deps.findPreview.findQuery(project, commit === undefined ? { branch: name } : { hash: commit });
  if (found.commit === null) throw new AppError('invalid_request', 'Give branch or commit.');
  return deps.stages.publish({ project, by }, found.commit);
});
