import type { Request } from 'express';
import { AppError } from '../domain/errors.js';
import { nearestNames } from '../domain/nearest.js';
import type { Project } from '../domain/project.js';
import { scopeOf, type WebDeps } from './context.js';

/** The project that `/api/projects/:project/…` names, among those of this host. @throws AppError `unknown_project` with the nearest names */
export function projectNamed(deps: Pick<WebDeps, 'hosts' | 'projects'>, req: Pick<Request<{ project: string }>, 'headers' | 'params'>): Project {
  const scope = scopeOf(deps, req);
  const wanted = req.params.project;
  const found = scope.find(({ name }) => name === wanted);
  if (found) return found;
  throw new AppError('unknown_project', `There is no project “${wanted}” here.`, { details: { projects: nearestNames(wanted, scope.map(({ name }) => name)) } });
}
