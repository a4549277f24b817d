import type { Request, RequestHandler } from 'express';
import { hasImage, isActive, isPull, type Build } from '../domain/build.js';
import { AppError, ERRORS } from '../domain/errors.js';
import { formatRelease, parseBuildId } from '../domain/ids.js';
import type { LogLine } from '../domain/log-line.js';
import type { Release } from '../domain/release.js';
import { formatLabel, parseLabel } from '../domain/preview-name.js';
import { labelNames, type Project } from '../domain/project.js';
import type { PreviewStatus } from '../flow/preview.js';
import { frameOf, hostOf, projectOf, scopeOf, sendPage, sentHome, sourceOf, type WebDeps } from './context.js';
import { formatDuration, formatEta, shortKey, toMoment } from './format.js';
import type { BuildPage, ErrorView, PreviewPage } from './page-models.js';
import { commitViewOrNull } from './views-of.js';

/** Lines on a page; the whole log is one link away. */
const SHOWN_LINES = 1_000;

type BuildDeps = Pick<WebDeps, 'buildStore' | 'hosts' | 'projects'>;

export interface FoundBuild { readonly build: Build; readonly project: Project }

/** A build of a project that this host shows. @throws AppError `unknown_build` */
export const findBuild = (deps: BuildDeps, req: Request<{ id: string }>): Promise<FoundBuild> => findBuildNamed(deps, req, req.params.id);

/** The same by its id. */
export async function findBuildNamed(deps: BuildDeps, req: Pick<Request, 'headers'>, id: string): Promise<FoundBuild> {
  const build = await deps.buildStore.find(parseBuildId(id));
  const project = scopeOf(deps, req).find(({ name }) => name === build?.project);
  if (!build || !project) throw new AppError('unknown_build', `There is no build “${id}”.`);
  return { build, project };
}

/** One build: what it is, how it went, and its log, live. */
export function showBuild(deps: WebDeps): RequestHandler<{ id: string }> {
  return async (req, res) => {
    const found = await findBuild(deps, req);
    if (!sentHome(deps, { req, res }, found.project)) sendPage(deps, res, { name: 'build', model: await buildModel(found, { deps, req }) });
  };
}

async function buildModel({ build, project }: FoundBuild, { deps, req }: { deps: WebDeps; req: Request<{ id: string }> }): Promise<BuildPage> {
  const source = sourceOf(deps, project);
  const now = deps.clock.now();
  const moment = (at: number | null) => (at === null ? null : toMoment(at, now));
  const { id, commit, status, startedAt, finishedAt, error } = build;
  const place = deps.builds.place(id);
  const active = isActive(build);
  const image = isPull(build.recipe) ? build.recipe.image : null;
  return {
    frame: frameOf(project, `/builds/${id}`), id, status, image, commit: await commitViewOrNull(source, commit, now),
    branches: source.refs().branches.filter((ref) => ref.commit === commit).map(({ name }) => name),
    shortKey: shortKey(build.key), noCache: build.noCache, attempt: build.attempt,
    queuedAt: toMoment(build.queuedAt, now), startedAt: moment(startedAt), finishedAt: moment(finishedAt),
    duration: startedAt === null ? null : formatDuration((finishedAt ?? now) - startedAt),
    queue: place && place.position > 0 ? { position: place.position, eta: formatEta(place.etaSeconds) } : null,
    error: error && errorView(error), reusedFrom: build.reusedFrom === null ? null : { text: build.reusedFrom, url: `/builds/${build.reusedFrom}` },
    log: {
      lines: await lastLines(deps.buildLogs.read(id), SHOWN_LINES),
      eventsUrl: active ? `/api/builds/${id}/events` : null, textUrl: `/api/builds/${id}/log`,
    },
    openUrl: hasImage(build) || active ? openUrlOf(build, { deps, req, project }) : null,
    cancelUrl: active ? `/confirm?action=cancel-build&build=${id}` : null,
    againUrl: active ? null : await againUrlOf(build, deps),
  };
}

function openUrlOf({ commit, recipe }: Build, { deps, req, project }: { deps: WebDeps; req: Request; project: Project }): string | null {
  if (isPull(recipe)) return `/?image=${encodeURIComponent(recipe.image)}`;
  return commit === null ? null : deps.urls.preview(formatLabel({ kind: 'commit', hash: commit, environment: null }), hostOf(deps, req, project));
}

/** An image is pulled again by one of its previews, since a confirmation carries names and no references. */
async function againUrlOf({ project, commit, recipe }: Build, { routes }: Pick<WebDeps, 'routes'>): Promise<string | null> {
  if (!isPull(recipe)) return commit === null ? null : `/confirm?action=reset&hash=${commit}`;
  const [route] = await routes.ofSubject({ project, kind: 'image', subject: recipe.image });
  return route ? `/confirm?action=pull-image&preview=${route.label}` : null;
}

/** Whose output a person wants to see: what runs, else what was tried last. */
export function shownRelease({ release, tried }: PreviewStatus, { instances }: Pick<WebDeps, 'instances'>): Release | undefined {
  return release && instances.container(release) !== undefined ? release : tried;
}

/** A preview with what its application prints, live. */
export function showPreview(deps: WebDeps): RequestHandler<{ label: string }> {
  return async (req, res) => {
    const status = await findPreviewStatus(deps, req);
    if (!sentHome(deps, { req, res }, status.preview.project)) sendPage(deps, res, { name: 'preview', model: await previewModel(status, { deps, req }) });
  };
}

/** The status of the preview that a path names. @throws AppError `unknown_preview`, and those of the source stage */
export async function findPreviewStatus(deps: WebDeps, req: Request<{ label: string }>): Promise<PreviewStatus> {
  const project = projectOf(deps, req);
  const name = parseLabel(req.params.label, labelNames(project));
  if (!name) throw new AppError('unknown_preview', `There is no preview “${req.params.label}”.`);
  return deps.readStatus(await deps.findPreview.find({ project, name }));
}

async function previewModel(status: PreviewStatus, { deps, req }: { deps: WebDeps; req: Request<{ label: string }> }): Promise<PreviewPage> {
  const { preview, build, lastError, state } = status;
  const release = shownRelease(status, deps);
  const { label, project, branch, environment, commit } = preview;
  const now = deps.clock.now();
  const container = release && deps.instances.container(release);
  const running = deps.instances.living().find((instance) => instance.container === container);
  return {
    frame: frameOf(project, `/previews/${label}`), label, url: deps.urls.preview(label, hostOf(deps, req, project)), state, releasesUrl: `/releases?route=${label}`,
    // A stage is called by its name, whatever branch its commit is on, and has settings of its own as an environment has.
    ...(preview.kind === 'stage' ? { branch: null, environment: label } : { branch, environment }),
    image: preview.kind === 'image' ? preview.subject : null, commit: await commitViewOrNull(sourceOf(deps, project), release?.commit ?? commit, now),
    release: release ? formatRelease(release.number) : null, since: running ? toMoment(running.since, now) : null,
    lastError: lastError && { ...errorView(lastError), at: toMoment(lastError.at, now) },
    log: {
      lines: release ? await runLines(release, deps) : [],
      eventsUrl: `/api/previews/${label}/events`, textUrl: release ? `/api/previews/${label}/log` : null,
    },
    processLogs: Object.keys(release?.config.processes ?? {}).map((name) => ({ text: name, url: `/api/previews/${label}/log?process=${name}` })),
    buildUrl: build ? `/builds/${build.id}` : null,
    restartUrl: release ?? lastError ? `/confirm?action=restart&preview=${label}` : null,
    pullUrl: preview.kind === 'image' ? `/confirm?action=pull-image&preview=${label}` : null,
    deleteUrl: preview.kind === 'image' ? `/confirm?action=delete-preview&preview=${label}` : null,
  };
}

const errorView = ({ code, message }: { code: keyof typeof ERRORS; message: string }): ErrorView => ({ title: ERRORS[code].title, message, remedy: ERRORS[code].remedy });

/** Where the log cannot be shown the page is, still: it says what can be done. */
async function runLines(release: Release, { runLogs, instances, log }: WebDeps): Promise<LogLine[]> {
  try {
    return await lastLines(runLogs.read(release, instances.container(release)), SHOWN_LINES);
  } catch (error) {
    log.warn('application log not shown', { project: release.project, release: release.number, error });
    return [];
  }
}

async function lastLines(lines: AsyncIterable<LogLine>, count: number): Promise<LogLine[]> {
  const kept: LogLine[] = [];
  for await (const line of lines) {
    kept.push(line);
    if (kept.length > count * 2) kept.splice(0, kept.length - count);
  }
  return kept.slice(-count);
}
