import type { Request, RequestHandler } from 'express';
import { AppError } from '../domain/errors.js';
import { isForeign } from '../domain/origin.js';
import type { WebDeps } from './context.js';

const STREAM = /\/events\/?$/;

type ForeignDeps = Pick<WebDeps, 'hosts' | 'urls'>;

/** Keeps the streams of the control plane from the pages of previews and other sites (faults H5). @throws AppError `cross_site` */
export function refuseForeignStreams(deps: ForeignDeps): RequestHandler {
  return (req, _res, next) => {
    if (STREAM.test(req.path)) assertNotForeign(deps, req);
    next();
  };
}

/** The same for any answer that costs much or does not end. @throws AppError `cross_site` */
export function assertNotForeign({ hosts, urls }: ForeignDeps, { headers }: Pick<Request, 'headers'>): void {
  const meaning = hosts.read(headers.host);
  const own = urls.at(meaning.kind === 'control' ? meaning.host : urls.serverHost, '');
  if (isForeign(headers, own)) throw new AppError('cross_site', 'It was asked for by a page of another site.');
}
