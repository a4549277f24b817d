import { randomUUID } from 'node:crypto';
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import { AppError, ERRORS, toAppError, withRemedy } from '../domain/errors.js';
import { formatLabel } from '../domain/preview-name.js';
import { parseCommitHash } from '../domain/ids.js';
import type { Urls } from '../domain/urls.js';
import { frameOf, hostOf, scopeOf, sendPage, sourceOf, wantsPage, type WebDeps } from './context.js';
import type { ErrorPage } from './page-models.js';
import { releaseWays } from './release-actions.js';
import { readQuery } from './query.js';
import { commitView } from './views-of.js';

const RETRY_SECONDS = 5;

/** What no route took. */
export const refuseUnknown: RequestHandler = (req) => {
  if (!isDecodable(req.path)) throw new AppError('bad_path', 'The path cannot be decoded.');
  throw new AppError('not_found', `There is nothing at ${req.path}.`);
};

function isDecodable(path: string): boolean {
  try {
    return decodeURIComponent(path) !== '';
  } catch {
    return false;
  }
}

/**
 * The one place where a failure of the control plane becomes an answer, and is logged when it is ours. `urlAt` makes the
 * URL on another project's host that means the same as the one that was asked for.
 */
export function answerError(deps: WebDeps, urlAt: Urls['at']): ErrorRequestHandler {
  // eslint-disable-next-line max-params -- express knows an error handler by its four parameters
  return async (thrown: unknown, req, res, _next) => {
    const error = fromExpress(thrown);
    const given = res.getHeader('X-Request-Id');
    const requestId = typeof given === 'string' ? given : randomUUID();
    if (error.status >= 500) deps.log.error('request failed', { requestId, path: req.path, code: error.code, error: error.code === 'internal' ? error : error.message });
    if (res.headersSent) { res.destroy(); return; }
    if (error.status === 503 || error.status === 429) res.setHeader('Retry-After', String(error.details.retryAfterSeconds ?? RETRY_SECONDS));
    if (wantsPage(req)) {
      sendPage(deps, res, { name: 'error', status: error.status, model: await errorModel(error, { deps, req, requestId, urlAt }) });
    } else sendFailure(res, { error, requestId });
  };
}

function sendFailure(res: Response, { error, requestId }: { error: AppError; requestId: string }): void {
  res.status(error.status).json({ error: error.code, message: withRemedy(error), requestId, ...error.details });
}

/** express and its parsers throw errors with a status of their own. */
function fromExpress(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  if (thrown instanceof URIError) return new AppError('bad_path', 'The path cannot be decoded.');
  const status: unknown = typeof thrown === 'object' && thrown !== null && 'status' in thrown ? thrown.status : undefined;
  if (status === 413) return new AppError('too_large', 'The form is too large.');
  if (typeof status === 'number' && status >= 400 && status < 500) return new AppError('invalid_request', 'The request cannot be read.');
  return toAppError(thrown);
}

async function errorModel(error: AppError, { deps, req, requestId, urlAt }: { deps: WebDeps; req: Request; requestId: string; urlAt: Urls['at'] }): Promise<ErrorPage> {
  const { title, remedy } = ERRORS[error.code];
  const { nearest = [], candidates = [], lastLines = [], projects = [] } = error.details;
  const scope = scopeOf(deps, req);
  const project = scope.length === 1 ? scope[0] : undefined;
  const hostsOf = projects.flatMap((name) => deps.projects.filter((each) => each.name === name));
  return {
    frame: frameOf(project ?? null, ''), status: error.status, code: error.code, title, message: error.message, remedy, requestId, lastLines,
    nearest: [
      ...nearest.map((name) => ({ text: name, url: `/${error.code === 'unknown_stage' ? 'releases?route' : '?branch'}=${encodeURIComponent(name)}` })),
      ...hostsOf.map((each) => ({ text: each.name, url: urlAt(hostOf(deps, req, each), readQuery(req).without(['project'])) })),
    ],
    candidates: project ? await Promise.all(candidates.map(async (hash) => ({
      commit: await commitView(sourceOf(deps, project), parseCommitHash(hash), deps.clock.now()),
      url: deps.urls.preview(formatLabel({ kind: 'commit', hash, environment: null }), hostOf(deps, req, project)),
    }))) : [],
    links: [...releaseWays(error, req), { text: project ? 'All branches' : 'All projects', url: '/' }],
  };
}
