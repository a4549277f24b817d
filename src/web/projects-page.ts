import type { Request, Response } from 'express';
import type { Project } from '../domain/project.js';
import { frameOf, hostOf, scopeOf, sendPage, sourceOf, wantsPage, type WebDeps } from './context.js';
import { repositoryLink, toMoment } from './format.js';
import type { ProjectRow } from './page-models.js';
import { readQuery } from './query.js';

/** The server host: every project, what it has and what runs of it. A page for people, JSON for programs. */
export function sendProjects(deps: WebDeps, { req, res }: { req: Request; res: Response }): void {
  const projects = scopeOf(deps, req);
  const search = readQuery(req).get('q')?.trim() ?? '';
  const matching = projects.filter(({ name }) => name.includes(search.toLowerCase()));
  const rows = matching.map((project) => rowOf(project, { deps, req }));
  if (!wantsPage(req)) {
    res.json(rows.map(({ name, url, branches, running }) => ({ name, url, branches, running })));
    return;
  }
  const { waiting, building } = deps.builds.size();
  sendPage(deps, res, {
    name: 'projects',
    model: { frame: frameOf(null, '/'), queue: { building, waiting }, search: { query: search, url: '/' }, total: projects.length, projects: rows },
  });
}

function rowOf(project: Project, { deps, req }: { deps: WebDeps; req: Request }): ProjectRow {
  const source = sourceOf(deps, project);
  const { branches } = source.refs();
  const [newest] = branches;
  const fault = source.fault();
  const now = deps.clock.now();
  return {
    name: project.name, url: deps.urls.control(hostOf(deps, req, project)), repository: repositoryLink(project.repository), branches: branches.length,
    running: deps.instances.living().filter(({ release }) => release.project === project.name).length,
    newest: newest ? { name: newest.name, subject: newest.subject, at: toMoment(newest.committedAt, now) } : null,
    fault: fault?.message ?? null,
  };
}
