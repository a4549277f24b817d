import { setImmediate } from 'node:timers/promises';
import type { Request, RequestHandler } from 'express';
import { formatRelease, parseCommitHash } from '../domain/ids.js';
import { parseImageReference } from '../domain/image-reference.js';
import { parseLabel } from '../domain/preview-name.js';
import { labelNames, type Project } from '../domain/project.js';
import type { Route } from '../domain/release.js';
import { statusWord, type PreviewState } from '../domain/state.js';
import type { FoundPreview, PreviewStatus } from '../flow/preview.js';
import { projectWith } from './asked-project.js';
import { askedProjects, frameOfScope, hostOf, linkTo, scopeOf, sendPage, sourceOf, wantsPage, type WebDeps } from './context.js';
import { shortHash, toMoment } from './format.js';
import type { PreviewStatusRow } from './maintainer-models.js';
import { choicesOf, jsonUrlOf, paginate, readChoice, searchOf, setPageHeaders } from './paging.js';
import { readPreviewQuery, readQuery } from './query.js';
import { lastErrorAnswer, nameOfRoute } from './views-of.js';

const ROWS = 50;
/** To know which previews are in a state, each one is looked at: the most recently used ones, so many at most. */
const MOST_LOOKED_AT = 2_000;
/** What is looked at in one turn of the event loop, so that requests to previews do not wait. */
const AT_ONCE = 10;

const WORDS = ['NotBuilt', 'Building', 'NeedsPriming', 'Ready', 'FAIL'] as const;
const STATES = ['pending', 'building', 'starting', 'running', 'sleeping', 'stopping', 'stopped', 'error', 'unknown'] as const satisfies readonly PreviewState[];

/** `GET /status?branch=|hash=|image=[&env=]`: one of dserve's five words as text. Without, every preview there is: `[?state=&q=&page=]`. */
export function showStatus(deps: WebDeps): RequestHandler {
  return async (req, res) => {
    const query = readQuery(req);
    const one = readPreviewQuery(query);
    if (one) {
      const found = await deps.findPreview.findQuery(await projectWith(deps, req, one), one);
      res.type('text').send(statusWord((await deps.readStatus(found)).state));
      return;
    }
    const { previews, lookedAt, pagination } = await findPreviews(deps, req);
    if (!wantsPage(req) || query.get('format') === 'json') {
      setPageHeaders(res, pagination);
      res.json(previews.map((each) => answerOf(each, { deps, req })));
      return;
    }
    sendPage(deps, res, {
      name: 'status',
      model: {
        frame: frameOfScope(deps, req, '/status'), previews: previews.map((each) => rowOf(each, { deps, req })), pagination, lookedAt, jsonUrl: jsonUrlOf(req),
        search: { query: searchOf(req), url: '/status' }, states: choicesOf('all states', [...WORDS, ...STATES], stateAsked(req)),
      },
    });
  };
}

const stateAsked = (req: Request) => readChoice(req, 'state', [...WORDS, ...STATES]);

/** A route with what is known of it. */
interface ListedPreview {
  readonly project: Project;
  readonly route: Route;
  readonly state: PreviewState;
  readonly status: PreviewStatus;
}

async function findPreviews(deps: WebDeps, req: Request) {
  const projects = askedProjects(deps, req);
  const of = { projects: projects.map(({ name }) => name), text: searchOf(req) };
  const state = stateAsked(req);
  if (state === undefined) {
    const { total } = await deps.routes.search(of, { offset: 0, limit: 0 });
    const { offset, ...pagination } = paginate(req, { total, size: ROWS });
    const { routes } = await deps.routes.search(of, { offset, limit: ROWS });
    return { previews: await readAll(routes, { deps, projects }), pagination, lookedAt: null };
  }
  const { routes, total } = await deps.routes.search(of, { offset: 0, limit: MOST_LOOKED_AT });
  const matching = (await readAll(routes, { deps, projects })).filter((each) => each.state === state || statusWord(each.state) === state);
  const { offset, ...pagination } = paginate(req, { total: matching.length, size: ROWS });
  return { previews: matching.slice(offset, offset + ROWS), pagination, lookedAt: total > routes.length ? routes.length : null };
}

async function readAll(routes: readonly Route[], { deps, projects }: { deps: WebDeps; projects: readonly Project[] }): Promise<ListedPreview[]> {
  const found: ListedPreview[] = [];
  for (let at = 0; at < routes.length; at += AT_ONCE) {
    const some = await Promise.all(routes.slice(at, at + AT_ONCE).map(async (route): Promise<ListedPreview | undefined> => {
      const project = projects.find(({ name }) => name === route.project);
      const preview = project && await previewOf(route, { project, deps });
      const status = preview && await deps.readStatus(preview);
      return status && { project, route, status, state: status.state };
    }));
    found.push(...some.filter((each) => each !== undefined));
    await setImmediate();
  }
  return found;
}

/** A route as its host names it; undefined when none does any more: its environment is gone, or its branch, and it never had a release. */
async function previewOf(route: Route, { project, deps }: { project: Project; deps: WebDeps }): Promise<FoundPreview | undefined> {
  const { kind, label, environment, subject, current } = route;
  if (!parseLabel(label, labelNames(project))) return undefined;
  if (kind === 'image') return { project, kind, label, environment, subject, commit: null, branch: null, image: parseImageReference(subject) };
  if (kind === 'run') return undefined;
  // What a stage is called is no branch.
  const tip = kind === 'commit' ? parseCommitHash(subject) : kind === 'branch' ? sourceOf(deps, project).refs().find(subject)?.commit : undefined;
  const commit = tip ?? (current === null ? undefined : await deps.releases.find(project.name, current))?.commit;
  return commit ? { project, kind, label, environment, subject, commit, branch: null } : undefined;
}

interface Asked { readonly deps: WebDeps; readonly req: Request }

function rowOf({ project, route, state, status }: ListedPreview, { deps, req }: Asked): PreviewStatusRow {
  const { release, lastError } = status;
  const since = sinceOf(status, deps);
  const commit = release?.commit ?? status.preview.commit;
  return {
    project: scopeOf(deps, req).length > 1 ? project.name : null, label: route.label, name: nameOfRoute(route), url: deps.urls.preview(route.label, hostOf(deps, req, project)),
    pageUrl: linkTo(deps, req, { project, path: `/previews/${route.label}` }), isStage: route.kind === 'stage', word: statusWord(state), state,
    branch: route.kind === 'commit' ? branchOf(route, { project, deps }) : null, shortHash: commit === null ? null : shortHash(commit), release: release ? formatRelease(release.number) : null, environment: route.environment,
    since: since === null ? null : toMoment(since, deps.clock.now()), lastError: lastError?.message ?? null,
  };
}

/** What programs are told of a preview. Times are ISO 8601. */
function answerOf({ project, route, state, status }: ListedPreview, { deps, req }: Asked) {
  const { release, lastError, restarts } = status;
  const iso = (at: number | null) => (at === null ? null : new Date(at).toISOString());
  return {
    project: project.name, label: route.label, kind: route.kind, url: deps.urls.preview(route.label, hostOf(deps, req, project)), status: state, word: statusWord(state),
    branch: branchOf(route, { project, deps }), commit: release?.commit ?? status.preview.commit, reference: route.kind === 'image' ? route.subject : null, environment: route.environment,
    release: release ? formatRelease(release.number) : null, since: iso(sinceOf(status, deps)), lastAccess: iso(route.lastAccessAt),
    lastError: lastErrorAnswer(lastError), restarts,
  };
}

/** The branch it follows, or one that stands at its commit now. */
function branchOf({ kind, subject }: Route, { project, deps }: { project: Project; deps: WebDeps }): string | null {
  if (kind === 'branch') return subject;
  return sourceOf(deps, project).refs().branches.find(({ commit }) => commit === subject)?.name ?? null;
}

/** Since when it is in its state, in milliseconds since the epoch; a container that was stopped leaves no time behind. */
function sinceOf({ preview, state, release, build, lastError }: PreviewStatus, { instances, openPreview }: WebDeps): number | null {
  switch (state) {
    case 'running': case 'sleeping': return instances.living().find((running) => running.release.project === release?.project && running.release.number === release.number)?.since ?? null;
    case 'pending': case 'building': return build?.startedAt ?? build?.queuedAt ?? null;
    case 'starting': return openPreview.openingSince(preview.project.name, preview.label) ?? null;
    case 'error': return lastError?.at ?? build?.finishedAt ?? null;
    case 'stopping': case 'stopped': case 'unknown': return null;
  }
}
