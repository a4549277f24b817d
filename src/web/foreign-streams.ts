import type { RequestHandler } from 'express';
import { AppError } from '../domain/errors.js';
import { isForeign } from '../domain/origin.js';
import type { WebDeps } from './context.js';

const STREAM = /\/events\/?$/;

/** Keeps the streams of the control plane from the pages of previews and other sites (faults H5). @throws AppError `cross_site` */
export function refuseForeignStreams({ hosts, urls }: Pick<WebDeps, 'hosts' | 'urls'>): RequestHandler {
  return (req, _res, next) => {
    const meaning = hosts.read(req.headers.host);
    const own = urls.at(meaning.kind === 'control' ? meaning.host : urls.serverHost, '');
    if (STREAM.test(req.path) && isForeign(req.headers, own)) throw new AppError('cross_site', 'The stream was asked for by a page of another site.');
    next();
  };
}
