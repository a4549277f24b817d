import { ServerResponse, type IncomingMessage } from 'node:http';
import express, { type Express, type Request, type RequestHandler, type Response } from 'express';
import { AppError } from '../domain/errors.js';
import { letsImagesRun } from '../domain/image-policy.js';
import { parseLabel } from '../domain/preview-name.js';
import { labelNames } from '../domain/project.js';
import { CHOICE } from '../domain/urls.js';
import { classifyRequest } from '../serve/request-kind.js';
import { hostOf, projectOf, type WebDeps } from './context.js';
import { answerError, refuseUnknown } from './error-page.js';
import { headers } from './headers.js';
import { redirectToImage } from './image-redirect.js';
import { leadTo, pathOnHost, redirectToPreview } from './preview-redirect.js';
import { readQuery } from './query.js';

type ChoiceDeps = Pick<WebDeps, 'hosts' | 'projects' | 'urls' | 'findPreview'>;

export interface ChooserDeps extends WebDeps {
  readonly session: RequestHandler;
}

/**
 * With `routing: session`, what answers requests that choose and came without the prefix: with a redirect or a refusal.
 * Nothing of the control plane is in it, so that no path of an application can be taken for one of ours.
 */
export function createChooser(deps: ChooserDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('query parser', false);
  app.set('etag', false);
  app.use(headers());
  // The path is the application's, whatever it looks like; redirects are made of the original URL.
  app.use((req, _res, next) => { req.url = '/'; next(); });
  app.use(choosePreview(deps, deps.session));
  app.use(whereImagesRun(deps, redirectToImage(deps)));
  app.use(redirectToPreview(deps));
  app.use(refuseUnknown);
  app.use(answerError(deps, deps.urls.at));
  return app;
}

/** Elsewhere `image=` is the application's own. */
function whereImagesRun({ hosts }: Pick<WebDeps, 'hosts'>, redirect: RequestHandler): RequestHandler {
  return (req, res, next) => {
    const meaning = hosts.read(req.headers.host);
    if (meaning.kind === 'control' && letsImagesRun(meaning.project)) return redirect(req, res, next);
    next();
  };
}

/**
 * `/any/path?__slipway=LABEL` remembers which preview this browser sees on the project's host,
 * and goes on to the path without the parameter. `?branch=`, `?hash=` and `?image=` lead here.
 */
function choosePreview(deps: ChoiceDeps, session: RequestHandler): RequestHandler {
  return (req, res, next) => {
    const query = ['GET', 'HEAD'].includes(req.method) ? readQuery(req) : undefined;
    const label = query?.get(CHOICE);
    if (!query || label === undefined) { next(); return; }
    const choose = async () => {
      // A page that is fetched ahead would change what the page in front of the person talks to; refused, it is asked for again.
      if (classifyRequest(req) === 'passive') throw new AppError('preview_unavailable', 'This kind of request chooses nothing.');
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
