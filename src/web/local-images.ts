import type { Request, RequestHandler } from 'express';
import { AppError } from '../domain/errors.js';
import { formatRelease, parseImageId, type ImageId } from '../domain/ids.js';
import { formatLabel } from '../domain/preview-name.js';
import type { ListedImage } from '../flow/list-images.js';
import type { ImageUse } from '../state/images.js';
import { askedProjects, frameOfScope, hostOf, linkTo, scopeOf, sendPage, wantsPage, type WebDeps } from './context.js';
import { formatBytes, shortHash, shortKey, toMoment } from './format.js';
import type { ImageRow, ListView } from './maintainer-models.js';
import { jsonUrlOf, paginate, searchOf } from './paging.js';
import { readQuery } from './query.js';
import type { PageLink } from '../serve/waiting-models.js';

const ROWS = 50;
/** Of commits, branches and routes per image. */
const SHOWN = 6;
const SHORT_ID = 12;

interface Asked { readonly deps: WebDeps; readonly req: Request }

/** `GET /localimages[?q=&page=]`: the images that the engine has of this host's projects, and whether each may be deleted. */
export function showLocalImages(deps: WebDeps): RequestHandler {
  return async (req, res) => {
    const images = await matching({ deps, req });
    if (!wantsPage(req) || readQuery(req).get('format') === 'json') { res.json(images.map(answerOf)); return; }
    const { offset, ...pagination } = paginate(req, { total: images.length, size: ROWS });
    sendPage(deps, res, {
      name: 'local-images',
      model: {
        frame: frameOfScope(deps, req, '/localimages'), search: { query: searchOf(req), url: '/localimages' }, pagination, jsonUrl: jsonUrlOf(req),
        size: formatBytes(images.reduce((sum, { bytes }) => sum + bytes, 0)),
        images: images.slice(offset, offset + ROWS).map((image) => rowOf(image, { deps, req })),
      },
    });
  };
}

/** `GET /api/images[?q=]` */
export function listImages(deps: WebDeps): RequestHandler {
  return async (req, res) => { res.json((await matching({ deps, req })).map(answerOf)); };
}

/** `DELETE /api/images/:id`, by an id with or without `sha256:`. */
export function deleteImage(deps: WebDeps): RequestHandler<{ id: string }> {
  return async (req, res) => {
    deps.door.assertMayChange(req);
    const { id, project, containers } = await deps.removeImage(scopeOf(deps, req), readImageId(req.params.id));
    res.json({ id, project, containers });
  };
}

/** Reads an image's id from a path or a form, which may leave `sha256:` out. @throws AppError `unknown_image` */
export function readImageId(text: string): ImageId {
  const id = text.startsWith('sha256:') ? text : `sha256:${text}`;
  if (!/^sha256:[0-9a-f]{64}$/.test(id)) throw new AppError('unknown_image', `There is no image “${text}”.`);
  return parseImageId(id);
}

/** The 64 digits, which is what a form sends. */
const withoutAlgorithm = (id: string): string => id.replace(/^sha256:/, '');
export const shortId = (id: string): string => withoutAlgorithm(id).slice(0, SHORT_ID);

async function matching({ deps, req }: Asked): Promise<readonly ListedImage[]> {
  const search = searchOf(req).toLowerCase();
  const images = await deps.listImages(askedProjects(deps, req));
  if (search === '') return images;
  return images.filter(({ id, key, project, tags, commits, branches, uses }) =>
    [id, key, project.name, ...tags, ...commits, ...branches, ...uses.map(({ route }) => route.label)].some((text) => text.toLowerCase().includes(search)));
}

function rowOf(image: ListedImage, { deps, req }: Asked): ImageRow {
  const { id, project, tags, commits, branches, uses, running, releases, key, bytes, createdAt, lastUsedAt, kept } = image;
  const now = deps.clock.now();
  const previewUrl = (commit: string) => deps.urls.preview(formatLabel({ kind: 'commit', hash: commit, environment: null }), hostOf(deps, req, project));
  const pageOf = (path: string) => linkTo(deps, req, { project, path });
  return {
    id, shortId: shortId(id), project: scopeOf(deps, req).length > 1 ? project.name : null, tags,
    commits: firstOf(commits.map((commit) => ({ text: shortHash(commit), url: previewUrl(commit) }))),
    branches: firstOf(branches.map((name) => ({ text: name, url: pageOf(`/?branch=${encodeURIComponent(name)}`) }))),
    uses: firstOf(uses.map((use) => ({ text: describeUse(use), url: pageOf(`/previews/${use.route.label}`) }))),
    running: running.map(formatRelease), releases, shortKey: shortKey(key), size: formatBytes(bytes), createdAt: toMoment(createdAt, now),
    lastUsedAt: lastUsedAt === null ? null : toMoment(lastUsedAt, now),
    deleteUrl: kept === null ? `/confirm?action=remove-image&image=${withoutAlgorithm(id)}` : null, kept,
  };
}

const firstOf = (links: readonly PageLink[]): ListView => ({ shown: links.slice(0, SHOWN), more: Math.max(0, links.length - SHOWN) });

const describeUse = ({ route, release }: ImageUse): string =>
  `${route.kind === 'commit' ? route.label.replace(route.subject, shortHash(route.subject)) : route.label} ${formatRelease(release)}`;

/** What programs are told of an image. Times are ISO 8601. */
function answerOf({ id, project, key, build, tags, commits, branches, bytes, createdAt, lastUsedAt, uses, running, releases, kept }: ListedImage) {
  return {
    id, project: project.name, key, build, tags, commits, branches, bytes, createdAt: new Date(createdAt).toISOString(),
    lastUsedAt: lastUsedAt === null ? null : new Date(lastUsedAt).toISOString(), releases, running: running.map(formatRelease),
    uses: uses.map(({ route, release }) => ({ label: route.label, kind: route.kind, release: formatRelease(release) })), deletable: kept === null, reason: kept,
  };
}
