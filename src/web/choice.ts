import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Request, RequestHandler, Response } from 'express';
import { AppError } from '../domain/errors.js';
import { parseLabel } from '../domain/preview-name.js';
import { labelNames } from '../domain/project.js';
import { CHOICE } from '../domain/urls.js';
import { hostOf, projectOf, type WebDeps } from './context.js';
import { leadTo, pathOnHost } from './preview-redirect.js';
import { readQuery } from './query.js';

type ChoiceDeps = Pick<WebDeps, 'hosts' | 'projects' | 'urls' | 'findPreview'>;

/**
 * With `routing: session`, `/any/path?preview=LABEL` remembers which preview this browser sees on the project's host,
 * and goes on to the path without the parameter. `?branch=`, `?hash=` and `?image=` lead here.
 */
export function choosePreview(deps: ChoiceDeps, session: RequestHandler): RequestHandler {
  return (req, res, next) => {
    const query = ['GET', 'HEAD'].includes(req.method) ? readQuery(req) : undefined;
    const label = query?.get(CHOICE);
    if (!query || label === undefined) { next(); return; }
    const choose = async () => {
      const project = projectOf(deps, req);
      const name = parseLabel(label.toLowerCase(), labelNames(project));
      if (!name) throw new AppError('unknown_preview', `There is no preview “${label}”.`);
      req.session.preview = (await deps.findPreview.find({ project, name })).label;
      leadTo(res, deps.urls.at(hostOf(deps, req, project), pathOnHost(query.without([CHOICE]))));
    };
    session(req, res, (error?: unknown) => { if (error) next(error); else choose().catch(next); });
  };
}

/** Reads which preview a browser chose, for requests that never reach express. */
export function createReadChoice(session: RequestHandler): (req: IncomingMessage) => Promise<string | undefined> {
  return (raw) => new Promise((resolve, reject) => {
    // Its cookie is only read here: nothing of this response is ever sent.
    const [req, res] = [raw as Request, new ServerResponse(raw) as Response];
    req.originalUrl = raw.url ?? '/';
    session(req, res, (error?: unknown) => {
      if (error) reject(error instanceof Error ? error : new Error('The session could not be read.'));
      else resolve(req.session.preview);
    });
  });
}
