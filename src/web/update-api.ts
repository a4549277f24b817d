import type { RequestHandler } from 'express';
import { z } from 'zod';
import { AppError } from '../domain/errors.js';
import type { Project } from '../domain/project.js';
import type { Updated } from '../flow/update-project.js';
import { projectOf, type WebDeps } from './context.js';
import { BY, readBody } from './json-body.js';
import { projectNamed } from './named-project.js';

type UpdateDeps = Pick<WebDeps, 'hosts' | 'projects' | 'updateProject'>;

const text = () => z.string('must be a text').optional();
const WANTED = { ref: text(), branch: text(), commit: text(), invalidate: z.boolean('must be true or false').optional(), by: BY };
const OF_ANY_PROJECT = { ...WANTED, project: text() };

/** What an update came to. */
export interface UpdateAnswer extends Pick<Updated, 'from' | 'to'> {
  readonly build: { readonly id: string; readonly status: string } | null;
}

/**
 * `POST /repo/update` `{project?, ref?|branch?, commit?, invalidate?}`: 202 with the build that it began, 200 when there is
 * nothing new. The project may be left out on its own host, or where there is one only.
 */
export function updateAny(deps: UpdateDeps): RequestHandler {
  return async (req, res) => {
    const { project: name, ...wanted } = readBody(OF_ANY_PROJECT, req);
    const project = name === undefined ? projectOf(deps, req) : projectNamed(deps, { headers: req.headers, params: { project: name } });
    const { status, answer } = await update(deps, project, wanted);
    res.status(status).json(answer);
  };
}

/** `POST /api/projects/:project/update`: the same for the project that the path names. */
export function updateNamed(deps: UpdateDeps): RequestHandler<{ project: string }> {
  return async (req, res) => {
    const { status, answer } = await update(deps, projectNamed(deps, req), readBody(WANTED, req));
    res.status(status).json(answer);
  };
}

type Wanted = ReturnType<typeof readBody<typeof WANTED>>;

async function update({ updateProject }: UpdateDeps, project: Project, { ref, branch, ...wanted }: Wanted): Promise<{ status: 200 | 202; answer: UpdateAnswer }> {
  if (ref !== undefined && branch !== undefined) throw new AppError('invalid_request', 'Give ref or branch, not both.');
  const { from, to, build } = await updateProject.update(project, { ...wanted, ref: ref ?? branch });
  return { status: build ? 202 : 200, answer: { from, to, build: build && { id: build.id, status: build.status } } };
}
