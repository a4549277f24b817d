import type { Request, RequestHandler } from 'express';
import { formatRelease } from '../domain/ids.js';
import { formatLabel } from '../domain/preview-name.js';
import type { Project } from '../domain/project.js';
import type { PreviewStatus } from '../flow/preview.js';
import type { Ref, RefTable } from '../source/source.js';
import { frameOf, hostOf, projectOf, scopeOf, sendPage, sourceOf, type WebDeps } from './context.js';
import { repositoryLink, shortHash, toMoment } from './format.js';
import type { BranchRow, Pagination, RunningPreview } from './page-models.js';
import { sendProjects } from './projects-page.js';
import { readQuery } from './query.js';
import { stageViews } from './stage-views.js';
import { commitViewOrNull } from './views-of.js';

const ROWS = 50;

/** The project: its branches with their last commit, and what runs. On the server host, all projects. */
export function showProject(deps: WebDeps): RequestHandler {
  return async (req, res) => {
    if (scopeOf(deps, req).length > 1) { sendProjects(deps, { req, res }); return; }
    const project = projectOf(deps, req);
    const source = sourceOf(deps, project);
    const query = readQuery(req);
    const search = query.get('q')?.trim() ?? '';
    const { rows, pagination } = pageOf(source.refs(), { search, page: Number(query.get('page') ?? 1) });
    const { waiting, building } = deps.builds.size();
    const fault = source.fault();
    sendPage(deps, res, {
      name: 'project',
      model: {
        frame: frameOf(project, '/'), project: project.name, repository: repositoryLink(project.repository),
        staleRefs: fault && { message: fault.message, since: toMoment(fault.since, deps.clock.now()) },
        queue: { building, waiting }, stages: await stageViews(project, { deps, req }), releasesUrl: '/releases', running: await runningOf(project, { deps, req }),
        search: { query: search, url: '/' }, pagination,
        branches: await Promise.all(rows.map((ref) => rowOf(project, { ref, deps }))),
      },
    });
  };
}

function pageOf(table: RefTable, { search, page: asked }: { search: string; page: number }): { rows: readonly Ref[]; pagination: Pagination } {
  const wanted = search.toLowerCase();
  const matching = wanted === '' ? table.branches : table.branches.filter(({ name, commit, subject, author }) =>
    `${name}\n${subject}\n${author}`.toLowerCase().includes(wanted) || commit.startsWith(wanted));
  const pages = Math.max(1, Math.ceil(matching.length / ROWS));
  const page = Math.min(pages, Math.max(1, Number.isSafeInteger(asked) ? asked : 1));
  const urlOf = (number: number) => (number < 1 || number > pages ? null : `/?page=${number}${search === '' ? '' : `&q=${encodeURIComponent(search)}`}`);
  return {
    rows: matching.slice((page - 1) * ROWS, page * ROWS),
    pagination: { page, pages, total: matching.length, previousUrl: urlOf(page - 1), nextUrl: urlOf(page + 1) },
  };
}

async function rowOf(project: Project, { ref, deps }: { ref: Ref; deps: WebDeps }): Promise<BranchRow> {
  const { name, commit, subject, author, committedAt } = ref;
  const label = formatLabel({ kind: 'commit', hash: commit, environment: null });
  const { state, build } = await deps.readStatus({ project, kind: 'commit', label, environment: null, subject: commit, commit, branch: name });
  return {
    name, state, commit: { hash: commit, shortHash: shortHash(commit), subject, author, at: toMoment(committedAt, deps.clock.now()) },
    openUrl: `/?branch=${encodeURIComponent(name)}`, buildUrl: build ? `/builds/${build.id}` : null,
  };
}

async function runningOf(project: Project, { deps, req }: { deps: WebDeps; req: Request }): Promise<RunningPreview[]> {
  const { instances, routes, urls, clock } = deps;
  const source = sourceOf(deps, project);
  const host = hostOf(deps, req, project);
  const running = instances.living().filter(({ release }) => release.project === project.name);
  const rows = await Promise.all(running.map(async ({ release, since }): Promise<RunningPreview | undefined> => {
    const route = await routes.find(release.route);
    const state: PreviewStatus['state'] = instances.state(release) ?? 'stopped';
    // Stages have a part of their own.
    return route && route.kind !== 'stage' ? {
      label: route.label, url: urls.preview(route.label, host), pageUrl: `/previews/${route.label}`,
      branch: route.kind === 'branch' ? route.subject : null, image: route.kind === 'image' ? route.subject : null, commit: await commitViewOrNull(source, release.commit, clock.now()),
      release: formatRelease(release.number), environment: release.environment, state, since: toMoment(since, clock.now()),
    } : undefined;
  }));
  return rows.filter((row) => row !== undefined);
}
