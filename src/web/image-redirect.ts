import type { Request, RequestHandler, Response } from 'express';
import { AppError } from '../domain/errors.js';
import type { FoundPreview, ImagePreview } from '../flow/preview.js';
import { classifyRequest } from '../serve/request-kind.js';
import { projectWith } from './asked-project.js';
import { hostOf, scopeOf, wantsPage, type WebDeps } from './context.js';
import { ABOUT, leadTo, pathOnHost } from './preview-redirect.js';
import { readPreviewQuery, readQuery, type RawQuery } from './query.js';
import { buildAnswer } from './views-of.js';

type RedirectDeps = Pick<WebDeps, 'findPreview' | 'findProject' | 'renewPreview' | 'deleteImagePreview' | 'hosts' | 'projects' | 'urls' | 'door'>;

const OURS = ['image', 'env', 'reset', 'delete'] as const;

/**
 * `?image=registry/name:tag`, with `&env=ENV`: 302 to the image's own host, path and all other parameters as they came.
 * `&reset=1` pulls again and `&delete=1` removes the preview: for a bearer at once, for a person after a confirmation.
 */
export function redirectToImage(deps: RedirectDeps): RequestHandler {
  return async (req, res, next) => {
    const query = ABOUT.test(req.path) || !['GET', 'HEAD'].includes(req.method) ? undefined : readQuery(req);
    const text = query?.get('image');
    const wanted = query && text !== undefined ? readPreviewQuery(query) : undefined;
    if (!query || text === undefined || !wanted) { next(); return; }
    const project = await projectWith(deps, req, wanted);
    const found = await deps.findPreview.findQuery(project, wanted);
    // What causes nothing leaves no trace either: whoever follows the link itself makes the host known.
    if (classifyRequest(req) !== 'passive') await deps.findPreview.remember(found);
    const change = changeOf(query);
    if (change && found.kind === 'image') await makeChange(deps, { req, res }, { change, found });
    else sendThere(deps, { req, res }, { query, found });
  };
}

type Change = 'pull-image' | 'delete-preview';
interface Exchange { readonly req: Request; readonly res: Response }

function changeOf(query: RawQuery): Change | undefined {
  const [reset, remove] = [query.isSet('reset'), query.isSet('delete')];
  if (reset && remove) throw new AppError('invalid_request', 'Give reset or delete, not both.');
  if (reset) return 'pull-image';
  return remove ? 'delete-preview' : undefined;
}

async function makeChange(deps: RedirectDeps, { req, res }: Exchange, { change, found }: { change: Change; found: ImagePreview }): Promise<void> {
  if (req.method === 'GET' && deps.door.bearsToken(req)) {
    if (change === 'pull-image') { res.status(202).json({ build: buildAnswer(await deps.renewPreview.reset(found), undefined) }); return; }
    await deps.deleteImagePreview(found);
    res.json({ deleted: found.label });
  } else if (wantsPage(req)) res.redirect(303, deps.urls.control(hostOf(deps, req, found.project), `/confirm?action=${change}&preview=${found.label}`));
  else throw new AppError('missing_token', 'Pulling again and deleting need a token.');
}

function sendThere(deps: RedirectDeps, { req, res }: Exchange, { query, found }: { query: RawQuery; found: FoundPreview }): void {
  const path = query.without(scopeOf(deps, req).length > 1 ? [...OURS, 'project'] : OURS);
  leadTo(res, deps.urls.preview(found.label, hostOf(deps, req, found.project), pathOnHost(path)));
}
