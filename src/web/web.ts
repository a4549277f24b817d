import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import express, { type Express, type RequestHandler } from 'express';
import { askToConfirm, createActions, runAction } from './actions.js';
import { cancelBuild, getBuild, getBuildLog, getPreviewLog, getQueueSize, getStatus, listBuilds, streamBuild, streamPreview, waitForPreview } from './api.js';
import { showBuild, showPreview } from './build-page.js';
import type { WebDeps } from './context.js';
import { showDebug } from './debug-page.js';
import { AppError } from '../domain/errors.js';
import { CONTROL_PREFIX } from '../domain/urls.js';
import { answerError, refuseUnknown } from './error-page.js';
import { headers } from './headers.js';
import { deleteImage, listImages, showLocalImages } from './local-images.js';
import { showApplicationLog } from './log-page.js';
import { showHealth, showReadiness } from './maintainer-pages.js';
import { refuseForeignStreams } from './foreign-streams.js';
import { redirectToImage } from './image-redirect.js';
import { prefixRedirects } from './prefix.js';
import { redirectToPreview } from './preview-redirect.js';
import { showProject } from './project-page.js';
import { showStatus } from './status-page.js';

export interface WebOptions extends WebDeps {
  /** Reads the browser's session where a form needs it. */
  readonly session: RequestHandler;
  /** The folder of the pages' own styles and scripts. */
  readonly assets: string;
}

const FORM_LIMIT = '64kb';
const ASSET_AGE_MS = 60 * 60_000;

/** The control plane: everything that is not the application. */
export function createWeb(deps: WebOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('query parser', false);
  app.set('etag', false);
  app.use(headers());
  if (deps.urls.routing === 'session') app.use(prefixRedirects(CONTROL_PREFIX));
  app.use('/assets', assets(deps.assets));
  only(app, 'get /healthz', showHealth);
  only(app, 'get /readyz', showReadiness(deps));
  app.use(refuseForeignStreams(deps));
  app.use(redirectToImage(deps));
  app.use(redirectToPreview(deps));
  addPages(app, deps);
  addApi(app, deps);
  app.use(refuseUnknown);
  app.use(answerError(deps, deps.urls.control));
  return app;
}

function addPages(app: Express, deps: WebOptions): void {
  const actions = createActions(deps);
  only(app, 'get /', showProject(deps));
  only(app, 'get /builds/:id', showBuild(deps));
  only(app, 'get /previews/:label', showPreview(deps));
  only(app, 'get /log', showApplicationLog(deps));
  only(app, 'get /status', showStatus(deps));
  only(app, 'get /localimages', showLocalImages(deps));
  only(app, 'get /debug', showDebug(deps));
  only(app, 'get /confirm', deps.session, askToConfirm(actions, deps));
  only(app, 'post /actions/:name', deps.session, express.urlencoded({ extended: false, limit: FORM_LIMIT, parameterLimit: 20 }), runAction(actions, deps));
}

function addApi(app: Express, deps: WebOptions): void {
  only(app, 'get /api/status', getStatus(deps));
  only(app, 'get /api/wait', waitForPreview(deps));
  only(app, 'get /api/queue-size', getQueueSize(deps));
  only(app, 'get /api/images', listImages(deps));
  only(app, 'delete /api/images/:id', deleteImage(deps));
  only(app, 'get /api/builds', listBuilds(deps));
  only(app, 'get /api/builds/:id', getBuild(deps));
  only(app, 'get /api/builds/:id/log', getBuildLog(deps));
  only(app, 'get /api/builds/:id/events', streamBuild(deps));
  only(app, 'post /api/builds/:id/cancel', deps.session, express.urlencoded({ extended: false, limit: FORM_LIMIT }), cancelBuild(deps));
  only(app, 'get /api/previews/:label/log', getPreviewLog(deps));
  only(app, 'get /api/previews/:label/events', streamPreview(deps));
}

/** A path with its one method; any other is told so. */
function only<Params>(app: Express, what: `${'get' | 'post' | 'delete'} /${string}`, ...handlers: RequestHandler<Params>[]): void {
  const [method, path] = what.split(' ') as ['get' | 'post' | 'delete', string];
  const allowed = method === 'get' ? 'GET, HEAD' : method.toUpperCase();
  const route = app.route(path);
  route[method](...handlers as RequestHandler[]);
  route.all((req, res) => {
    res.setHeader('Allow', allowed);
    throw new AppError('method_not_allowed', `${req.method} is not allowed here; use ${allowed}.`);
  });
}

/** Styles and scripts of our own, and Pico from its package. */
function assets(folder: string): RequestHandler {
  const pico = join(dirname(createRequire(import.meta.url).resolve('@picocss/pico/package.json')), 'css', 'pico.min.css');
  const router = express.Router();
  router.use((_req, res, next) => { res.removeHeader('Cache-Control'); next(); });
  const options = { maxAge: ASSET_AGE_MS, dotfiles: 'deny', index: false } as const;
  router.get('/pico.min.css', (_req, res) => { res.sendFile(pico, { maxAge: ASSET_AGE_MS }); });
  router.use(express.static(folder, options));
  return router;
}
