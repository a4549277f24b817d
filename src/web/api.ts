import type { Request, RequestHandler } from 'express';
import { isActive } from '../domain/build.js';
import { AppError } from '../domain/errors.js';
import type { BuildId } from '../domain/ids.js';
import { parseDuration } from '../domain/units.js';
import type { FoundPreview } from '../flow/preview.js';
import { watchChanges } from '../flow/watch-changes.js';
import type { LogLine } from '../domain/log-line.js';
import { lastEventId, type EventStream } from '../kernel/event-stream.js';
import { findBuild, findPreviewStatus, shownRelease } from './build-page.js';
import { projectWith } from './asked-project.js';
import { askedProjects, hostOf, type WebDeps } from './context.js';
import { readPreviewQuery, readQuery } from './query.js';
import { classifyRequest } from '../serve/request-kind.js';
import { readProcess } from './release-log-api.js';
import { sendText } from './send-text.js';
import { buildAnswer, statusAnswer } from './views-of.js';

const LONGEST_WAIT_MS = 60 * 60_000;
const LISTED_BUILDS = 100;

async function asked(deps: WebDeps, req: Request): Promise<{ found: FoundPreview; url: string }> {
  const query = readPreviewQuery(readQuery(req));
  if (!query) throw new AppError('invalid_request', 'Give branch, hash or image.');
  const found = await deps.findPreview.findQuery(await projectWith(deps, req, query), query);
  return { found, url: deps.urls.preview(found.label, hostOf(deps, req, found.project)) };
}

/** `GET /api/status?branch=|hash=|image=[&env=]` */
export function getStatus(deps: WebDeps): RequestHandler {
  return async (req, res) => {
    const { found, url } = await asked(deps, req);
    res.json(statusAnswer(await deps.readStatus(found), url));
  };
}

/** `GET /api/wait?…&timeout=`: opens the preview and answers when it runs or has failed. */
export function waitForPreview(deps: WebDeps): RequestHandler {
  return async (req, res) => {
    if (classifyRequest(req) === 'passive') throw new AppError('preview_unavailable', 'This kind of request starts nothing.');
    const { found, url } = await asked(deps, req);
    const given = readQuery(req).get('timeout') ?? '10m';
    const timeoutMs = parseDuration(/^\d+$/.test(given) ? `${given}s` : given);
    if (timeoutMs === undefined || timeoutMs > LONGEST_WAIT_MS) throw new AppError('invalid_request', `“${given}” is not a timeout; write 90s or 10m, an hour at most.`);
    const over = new AbortController();
    res.once('close', () => { over.abort(); });
    const late = deps.clock.sleep(timeoutMs, over.signal).then(() => { throw new AppError('preview_pending', `It does not run after ${given}.`); });
    try {
      await Promise.race([deps.openPreview.open(found, { trigger: 'api' }), late]);
      res.json(statusAnswer(await deps.readStatus(found), url));
    } finally {
      over.abort();
      late.catch(() => undefined);
    }
  };
}

/** `GET /api/queue-size` */
export function getQueueSize({ builds }: Pick<WebDeps, 'builds'>): RequestHandler {
  return (_req, res) => {
    const { waiting, building } = builds.size();
    res.json({ size: waiting + building, waiting, building });
  };
}

/** `GET /api/builds[?project=]`: the last hundred, newest first. */
export function listBuilds(deps: WebDeps): RequestHandler {
  return async (req, res) => {
    const lists = await Promise.all(askedProjects(deps, req).map(({ name }) => deps.buildStore.list(name, LISTED_BUILDS)));
    // Ids sort by time, whatever the project.
    const list = lists.flat().sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, LISTED_BUILDS);
    res.json(list.map((build) => buildAnswer(build, deps.builds.place(build.id))));
  };
}

/** `GET /api/builds/:id` */
export function getBuild(deps: WebDeps): RequestHandler<{ id: string }> {
  return async (req, res) => {
    const { build } = await findBuild(deps, req);
    res.json(buildAnswer(build, deps.builds.place(build.id)));
  };
}

/** `GET /api/builds/:id/log`: the whole log as text. */
export function getBuildLog(deps: WebDeps): RequestHandler<{ id: string }> {
  return async (req, res) => {
    const { build: { id } } = await findBuild(deps, req);
    await sendText(res, { lines: deps.buildLogs.read(id), name: `${id}.log` });
  };
}

/** `GET /api/builds/:id/events`: `line` and `state` events until the build ends. */
export function streamBuild(deps: WebDeps): RequestHandler<{ id: string }> {
  return async (req, res) => {
    const { build } = await findBuild(deps, req);
    const stream = deps.streams.open(req, res);
    const changes = watchChanges([(notify) => deps.builds.onChange(({ id }) => { if (id === build.id) notify(); })], stream.signal);
    let lines: Promise<void> | undefined;
    for await (const _ of changes) {
      const now = await deps.buildStore.find(build.id) ?? build;
      // There is no log before the build's turn came; the last state comes after the last line.
      if (now.status !== 'queued') lines ??= sendLog(deps, stream, { id: build.id, after: lastEventId(req) });
      if (!isActive(now)) await lines;
      await stream.send('state', buildAnswer(now, deps.builds.place(now.id)));
      if (!isActive(now)) break;
    }
    stream.close();
  };
}

async function sendLog({ buildLogs, log }: WebDeps, stream: EventStream, { id, after }: { id: BuildId; after: number }): Promise<void> {
  await stream.sendLines(buildLogs.follow(id, after, stream.signal)).catch((error: unknown) => { log.warn('build log not followed', { build: id, error }); });
}

/** `POST /api/builds/:id/cancel` */
export function cancelBuild(deps: WebDeps): RequestHandler<{ id: string }> {
  return async (req, res) => {
    deps.door.assertMayChange(req);
    const { build: { id } } = await findBuild(deps, req);
    await deps.builds.cancel(id);
    res.json({ id, status: 'cancelled' });
  };
}

/** `GET /api/previews/:label/log[?process=NAME]`: what the application of the current release printed. */
export function getPreviewLog(deps: WebDeps): RequestHandler<{ label: string }> {
  return async (req, res) => {
    const status = await findPreviewStatus(deps, req);
    const { preview } = status;
    const release = shownRelease(status, deps);
    if (!release) throw new AppError('unknown_preview', `${preview.label} was never started.`);
    const named = readProcess(readQuery(req).get('process'), release);
    const { project, number } = release;
    await sendText(res, { lines: deps.runLogs.read({ project, number, process: named }, deps.instances.container(release, named)), name: `${preview.label}${named === null ? '' : `.${named}`}.log` });
  };
}

/** `GET /api/previews/:label/events`: the state, and what the running application prints, live. */
export function streamPreview(deps: WebDeps): RequestHandler<{ label: string }> {
  return async (req, res) => {
    const shown = await findPreviewStatus(deps, req);
    const { preview } = shown;
    const release = shownRelease(shown, deps);
    const stream = deps.streams.open(req, res);
    if (release) {
      stream.sendLines(skipUntil(deps.runLogs.follow(release, deps.instances.container(release), stream.signal), lastEventId(req)))
        .catch((error: unknown) => { deps.log.warn('application log not followed', { preview: preview.label, error }); });
    }
    for await (const status of deps.watchStatus(preview, stream.signal)) await stream.send('state', { state: status.state, release: status.release?.number ?? null });
  };
}

async function* skipUntil(lines: AsyncIterable<LogLine>, after: number): AsyncGenerator<LogLine> {
  for await (const line of lines) if (line.n > after) yield line;
}
