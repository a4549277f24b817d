import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import express, { type Express, type RequestHandler } from 'express';
import { askToConfirm, createActions, runAction } from './actions.js';
import { beginBuild, getHealth, listProjectBuilds, listProjects, restartApp, restartPreview, stopApp, stopPreview } from './apps-api.js';
import { cancelBuild, getBuild, getBuildLog, getPreviewLog, getQueueSize, getStatus, listBuilds, streamBuild, streamPreview, waitForPreview } from './api.js';
import { showBuild, showPreview } from './build-page.js';
import type { WebDeps } from './context.js';
import { showDebug } from './debug-page.js';
import { getBuildDiff } from './diff-api.js';
import { AppError } from '../domain/errors.js';
import { CONTROL_PREFIX } from '../domain/urls.js';
import { answerError, refuseUnknown } from './error-page.js';
import { headers } from './headers.js';
import { deleteImage, listImages, showLocalImages } from './local-images.js';
import { showApplicationLog } from './log-page.js';
import { showHealth, showReadiness } from './maintainer-pages.js';
import { refuseForeignStreams } from './foreign-streams.js';
import { explainGc, runGc } from './gc-api.js';
import { redirectToImage } from './image-redirect.js';
import { prefixRedirects } from './prefix.js';
import { redirectToPreview } from './preview-redirect.js';
import { getReleaseLog } from './release-log-api.js';
import { runOnce } from './run-once-api.js';
import { showProject } from './project-page.js';
import { showReleases } from './releases-page.js';
import { showStatus } from './status-page.js';
import { updateAny, updateNamed } from './update-api.js';
import { changeConfig, listConfig } from './config-api.js';
import { bearerJson } from './json-body.js';
import { createRelease, getRelease, getStage, listReleases, listStages, promoteStage, publish, rollBackPreview, rollBackStage, runStage } from './release-api.js';

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
  addProjectApi(app, deps);
  addOperations(app, deps);
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
  only(app, 'get /releases', showReleases(deps));
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
  only(app, 'get /api/builds/:id/diff', getBuildDiff(deps));
  only(app, 'post /api/builds/:id/cancel', deps.session, express.urlencoded({ extended: false, limit: FORM_LIMIT }), cancelBuild(deps));
  only(app, 'get /api/previews/:label/log', getPreviewLog(deps));
  only(app, 'get /api/previews/:label/events', streamPreview(deps));
}

function addProjectApi(app: Express, deps: WebOptions): void {
  const body = bearerJson(deps);
  only(app, 'get /api/projects/:project/releases', listReleases(deps));
  only(app, 'post /api/projects/:project/releases', body, createRelease(deps));
  only(app, 'get /api/projects/:project/releases/:release', getRelease(deps));
  only(app, 'get /api/projects/:project/releases/:release/log', getReleaseLog(deps));
  only(app, 'get /api/projects/:project/stages', listStages(deps));
  only(app, 'get /api/projects/:project/stages/:stage', getStage(deps));
  only(app, 'post /api/projects/:project/stages/:stage/run', body, runStage(deps));
  only(app, 'post /api/projects/:project/stages/:stage/promote', body, promoteStage(deps));
  only(app, 'post /api/projects/:project/stages/:stage/rollback', body, rollBackStage(deps));
  only(app, 'post /api/projects/:project/previews/:label/rollback', body, rollBackPreview(deps));
  only(app, 'post /api/projects/:project/publish', body, publish(deps));
  only(app, 'get /api/projects/:project/config', listConfig(deps));
  only(app, 'post /api/projects/:project/config', body, changeConfig(deps));
}

/** What CI and people on call ask for; nothing of a body is read without the token. */
function addOperations(app: Express, deps: WebOptions): void {
  const body = bearerJson(deps);
  only(app, 'post /repo/update', body, updateAny(deps));
  only(app, 'get /api/projects', listProjects(deps));
  only(app, 'post /api/projects/:project/update', body, updateNamed(deps));
  only(app, 'get /api/projects/:project/builds', listProjectBuilds(deps));
  only(app, 'post /api/projects/:project/builds', body, beginBuild(deps));
  only(app, 'post /api/projects/:project/previews/:label/restart', body, restartPreview(deps));
  only(app, 'post /api/projects/:project/previews/:label/stop', body, stopPreview(deps));
  only(app, 'post /api/projects/:project/run-once', body, runOnce(deps));
  only(app, 'get /api/gc', explainGc(deps));
  only(app, 'post /api/gc', body, runGc(deps));
  only(app, 'get /apps/:project/health', getHealth(deps));
  only(app, 'post /apps/:project/restart', body, restartApp(deps));
  only(app, 'post /apps/:project/stop', body, stopApp(deps));
}

/** The methods of each path, so that the one which is not there is told what is. */
const methodsOf = new WeakMap<Express, Map<string, Set<string>>>();

function allow(app: Express, path: string, method: string): ReadonlySet<string> {
  const paths = methodsOf.get(app) ?? new Map<string, Set<string>>();
  methodsOf.set(app, paths);
  const methods = paths.get(path) ?? new Set();
  paths.set(path, methods);
  for (const each of method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]) methods.add(each);
  return methods;
}

/** A path with one method; any that the path has in no other line is told so. */
function only<Params>(app: Express, what: `${'get' | 'post' | 'delete'} /${string}`, ...handlers: RequestHandler<Params>[]): void {
  const [method, path] = what.split(' ') as ['get' | 'post' | 'delete', string];
  const allowed = allow(app, path, method);
  const route = app.route(path);
  route[method](...handlers as RequestHandler[]);
  route.all((req, res, next) => {
    if (allowed.has(req.method)) { next(); return; }
    const names = [...allowed].join(', ');
    res.setHeader('Allow', names);
    throw new AppError('method_not_allowed', `${req.method} is not allowed here; use ${names}.`);
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
