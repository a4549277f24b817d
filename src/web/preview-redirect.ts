import type { RequestHandler, Response } from 'express';
import { AppError } from '../domain/errors.js';
import { projectWith } from './asked-project.js';
import { hostOf, scopeOf, wantsPage, type WebDeps } from './context.js';
import { readQuery } from './query.js';
import { buildAnswer } from './views-of.js';

type RedirectDeps = Pick<WebDeps, 'findPreview' | 'findProject' | 'renewPreview' | 'hosts' | 'projects' | 'urls' | 'door'>;

const OURS = ['branch', 'hash', 'env', 'reset'] as const;
/** These, and nothing that only begins like them, answer about a branch or hash instead of going there. */
export const ABOUT = /^\/(?:(?:status|confirm|repo\/update|apps\/[^/]+\/(?:health|restart|stop))\/?$|api(?:\/|$)|actions\/)/i;

/**
 * `?branch=NAME` and `?hash=SHA`, with `&env=ENV`: 302 to the commit's own host, path and all other parameters as they
 * came. `&reset=1` builds again without cache: for a bearer at once, for a person after a confirmation.
 */
export function redirectToPreview(deps: RedirectDeps): RequestHandler {
  const { findPreview, urls, door } = deps;
  return async (req, res, next) => {
    const query = ABOUT.test(req.path) || !['GET', 'HEAD'].includes(req.method) ? undefined : readQuery(req);
    const branch = query?.get('branch');
    const hash = query?.get('hash');
    if (!query || (branch === undefined && hash === undefined)) { next(); return; }
    if (branch !== undefined && hash !== undefined) throw new AppError('invalid_request', 'Give branch or hash, not both.');
    const wanted = { branch, hash, env: query.get('env') };
    const project = await projectWith(deps, req, wanted);
    const found = await findPreview.findQuery(project, wanted);
    if (query.isSet('reset')) {
      if (req.method === 'GET' && door.bearsToken(req)) {
        res.status(202).json({ build: buildAnswer(await deps.renewPreview.reset(found), undefined) });
      } else if (wantsPage(req)) res.redirect(303, urls.control(hostOf(deps, req, project), `/confirm?action=reset&hash=${found.commit}`));
      else throw new AppError('missing_token', 'Building again needs a token.');
      return;
    }
    leadTo(res, urls.preview(found.label, hostOf(deps, req, project), pathOnHost(query.without(scopeOf(deps, req).length > 1 ? [...OURS, 'project'] : OURS))));
  };
}

/** Leads on to a URL as it stands: Express would encode the path again, which must arrive as it was typed. */
export function leadTo(res: Response, location: string): void {
  res.writeHead(302, { 'Location': location, 'Cache-Control': 'no-store', 'Content-Length': 0 });
  res.end();
}

/** A redirect must stay on its host: header-breaking bytes never get this far, since node:http refuses them. */
export const pathOnHost = (path: string): string => (path.startsWith('/') ? path : `/${path}`);
