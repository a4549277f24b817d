import type { Request, RequestHandler } from 'express';
import { z } from 'zod';
import { AppError } from '../domain/errors.js';
import { parseLabel } from '../domain/preview-name.js';
import { labelNames, type Project } from '../domain/project.js';
import type { FoundPreview } from '../flow/preview.js';
import { hostOf, scopeOf, sourceOf, type WebDeps } from './context.js';
import { BY, readBody } from './json-body.js';
import { projectNamed } from './named-project.js';
import { stageAnswers } from './release-api.js';
import type { StageAnswer } from './release-views.js';
import { buildAnswer, statusAnswer, type StatusAnswer } from './views-of.js';

type InProject = RequestHandler<{ project: string }>;
type OfPreview = RequestHandler<{ project: string; label: string }>;

const LISTED_BUILDS = 100;
const flag = () => z.boolean('must be true or false').default(false);
const text = () => z.string('must be a text').optional();

/** How a project that runs is doing. */
export interface HealthAnswer {
  readonly name: string;
  /** `failing` when something that runs, or a stage, failed at its last attempt. */
  readonly status: 'ok' | 'failing';
  /** Those that run now. */
  readonly previews: readonly (Pick<StatusAnswer, 'status' | 'release' | 'url' | 'lastError' | 'restarts'> & { readonly label: string })[];
  readonly stages: readonly StageAnswer[];
}

/** `GET /apps/:project/health`: 200 either way, since it is the answer about the application that tells. */
export function getHealth(deps: WebDeps): InProject {
  return async (req, res) => {
    const project = projectNamed(deps, req);
    const running = (await deps.operatePreviews.running(project)).filter(({ preview }) => preview.kind !== 'stage');
    const previews = await Promise.all(running.map(async ({ preview }) => {
      const { status, release, url, lastError, restarts } = statusAnswer(await deps.readStatus(preview), deps.urls.preview(preview.label, hostOf(deps, req as Request, project)));
      return { label: preview.label, status, release, url, lastError, restarts };
    }));
    const stages = await stageAnswers(deps, req, project);
    const isFailing = [...previews, ...stages].some(({ status, lastError }) => status === 'error' || lastError !== null);
    res.json({ name: project.name, status: isFailing ? 'failing' : 'ok', previews, stages } satisfies HealthAnswer);
  };
}

/** `POST /apps/:project/restart` `{invalidate?}`: restarts all that runs; `invalidate` builds it anew before. */
export function restartApp(deps: WebDeps): InProject {
  return async (req, res) => {
    const project = projectNamed(deps, req);
    const { invalidate } = readBody({ invalidate: flag(), by: BY }, req);
    res.json({ count: await deps.operatePreviews.restartAll(project, { invalidate }) });
  };
}

/** `POST /apps/:project/stop`: stops all that runs but the stages. */
export function stopApp(deps: WebDeps): InProject {
  return async (req, res) => {
    const project = projectNamed(deps, req);
    readBody({ by: BY }, req);
    res.json({ count: await deps.operatePreviews.stopAll(project) });
  };
}

/** `POST /api/projects/:project/previews/:label/restart` */
export function restartPreview(deps: WebDeps): OfPreview {
  return async (req, res) => {
    readBody({ by: BY }, req);
    res.json({ count: await deps.operatePreviews.restart(await findPreview(deps, req)) });
  };
}

/** `POST /api/projects/:project/previews/:label/stop` */
export function stopPreview(deps: WebDeps): OfPreview {
  return async (req, res) => {
    readBody({ by: BY }, req);
    res.json({ count: await deps.operatePreviews.stop(await findPreview(deps, req)) });
  };
}

async function findPreview(deps: WebDeps, req: Request<{ project: string; label: string }>): Promise<FoundPreview> {
  const project = projectNamed(deps, req);
  const { label } = req.params;
  const name = parseLabel(label, labelNames(project));
  if (!name) throw new AppError('unknown_preview', `There is no preview “${label}”.`);
  return deps.findPreview.find({ project, name });
}

/** What the API says of a project. Its repository is left out: the address may hold credentials. */
export interface ProjectAnswer {
  readonly name: string;
  readonly url: string;
  /** How many previews run, stages among them. */
  readonly previewsRunning: number;
  readonly stages: readonly StageAnswer[];
}

/** `GET /api/projects`: those of this host. */
export function listProjects(deps: WebDeps): RequestHandler {
  return async (req, res) => {
    const answerOf = async (project: Project): Promise<ProjectAnswer> => ({
      name: project.name, url: deps.urls.control(hostOf(deps, req, project)),
      previewsRunning: new Set(deps.instances.living().filter(({ release }) => release.project === project.name).map(({ release }) => release.route)).size,
      stages: await stageAnswers(deps, req as Request<{ project: string }>, project),
    });
    res.json(await Promise.all(scopeOf(deps, req).map(answerOf)));
  };
}

/** `GET /api/projects/:project/builds`: the last hundred, newest first. */
export function listProjectBuilds(deps: WebDeps): InProject {
  return async (req, res) => {
    const list = await deps.buildStore.list(projectNamed(deps, req).name, LISTED_BUILDS);
    res.json(list.map((build) => buildAnswer(build, deps.builds.place(build.id))));
  };
}

/** `POST /api/projects/:project/builds` `{commit|branch, force?}`: builds, and starts nothing; `force` without cache. */
export function beginBuild(deps: WebDeps): InProject {
  return async (req, res) => {
    const project = projectNamed(deps, req);
    const { commit: hash, branch, force } = readBody({ commit: text(), branch: text(), force: flag(), by: BY }, req);
    if ((hash === undefined) === (branch === undefined)) throw new AppError('invalid_request', 'Give commit or branch.');
    // A branch is built as it is now; a commit stays what it is.
    if (branch !== undefined) await sourceOf(deps, project).refresh();
    const { commit } = await deps.findPreview.findQuery(project, { hash, branch });
    if (commit === null) throw new AppError('invalid_request', 'Give commit or branch.');
    const { build } = await deps.findImage.begin({ project, commit }, { trigger: 'api', anew: force, retry: true });
    res.status(202).json(buildAnswer(build, deps.builds.place(build.id)));
  };
}
