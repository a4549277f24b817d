import type { RequestHandler } from 'express';
import { AppError } from '../domain/errors.js';
import { classifyRequest } from '../serve/request-kind.js';
import { findBuild } from './build-page.js';
import type { WebDeps } from './context.js';
import { assertNotForeign } from './foreign-streams.js';

/** `GET /api/builds/:id/diff`: which files of the image differ from those of the build that made the same key before it. */
export function getBuildDiff(deps: WebDeps): RequestHandler<{ id: string }> {
  return async (req, res) => {
    // Two whole images are read for it.
    if (classifyRequest(req) === 'passive') throw new AppError('preview_unavailable', 'This kind of request starts nothing.');
    assertNotForeign(deps, req);
    const { build } = await findBuild(deps, req);
    res.json(await deps.diffBuilds(build));
  };
}
