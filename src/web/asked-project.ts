import type { Request } from 'express';
import type { Project } from '../domain/project.js';
import type { PreviewQuery } from '../flow/find-preview.js';
import { projectOf, scopeOf, type WebDeps } from './context.js';
import { projectOfImage } from './image-project.js';
import { readQuery } from './query.js';

type AskedDeps = Pick<WebDeps, 'findProject' | 'hosts' | 'projects'>;

/**
 * The project of a preview that is asked for: that of the host or of `project=NAME`; on the server host, where none is
 * named, the only one that has the branch or commit, or lets the image run.
 *
 * @throws AppError `unknown_project`, `ambiguous_project`, and those of the source stage
 */
export async function projectWith(deps: AskedDeps, req: Request, { branch, hash, image, env }: PreviewQuery): Promise<Project> {
  const scope = scopeOf(deps, req);
  if (scope.length <= 1 || readQuery(req).get('project') !== undefined) return projectOf(deps, req);
  if (image !== undefined) return projectOfImage(scope, image);
  const environment = env === '' ? undefined : env;
  return deps.findProject.find(branch === undefined ? { hash: hash ?? '', environment } : { branch, environment });
}
