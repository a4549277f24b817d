import type { RequestHandler } from 'express';
import { AppError } from '../domain/errors.js';
import { formatRelease, parseCommitHash } from '../domain/ids.js';
import { parseLabel } from '../domain/preview-name.js';
import { labelNames } from '../domain/project.js';
import { statusWord } from '../domain/state.js';
import { frameOf, projectHostOf, projectOf, sendPage, sourceOf, wantsPage, type WebDeps } from './context.js';
import { shortHash, toMoment } from './format.js';
import type { PreviewStatusRow } from './page-models.js';
import { readQuery } from './query.js';

/** The application log, newest first: a page for people, JSON for programs. */
export function showApplicationLog(deps: WebDeps): RequestHandler {
  return (req, res) => {
    const records = deps.log.recent();
    if (!wantsPage(req) || readQuery(req).get('format') === 'json') { res.json(records); return; }
    const now = deps.clock.now();
    sendPage(deps, res, {
      name: 'application-log',
      model: {
        frame: frameOf(projectOf(deps, req), '/log'), jsonUrl: '/log?format=json',
        records: records.map(({ at, level, message, fields }) => ({
          at: toMoment(Date.parse(at), now), level, message,
          fields: Object.entries(fields).map(([name, value]) => ({ name, value: typeof value === 'string' ? value : JSON.stringify(value) })),
        })),
      },
    });
  };
}

/** With `branch` or `hash` one of dserve's five words as text; without, every preview there is. */
export function showStatus(deps: WebDeps): RequestHandler {
  return async (req, res) => {
    const query = readQuery(req);
    const [branch, hash] = [query.get('branch'), query.get('hash')];
    const project = projectOf(deps, req);
    if (branch !== undefined && hash !== undefined) throw new AppError('invalid_request', 'Give branch or hash, not both.');
    if (branch !== undefined || hash !== undefined) {
      const found = await deps.findPreview.findQuery(project, { branch, hash, env: query.get('env') });
      res.type('text').send(statusWord((await deps.readStatus(found)).state));
      return;
    }
    const rows = await statusRows(deps, { project, host: projectHostOf(deps, req) });
    if (wantsPage(req)) sendPage(deps, res, { name: 'status', model: { frame: frameOf(project, '/status'), previews: rows } });
    else res.json(rows);
  };
}

async function statusRows(deps: WebDeps, { project, host }: { project: ReturnType<typeof projectOf>; host: string }): Promise<PreviewStatusRow[]> {
  const names = labelNames(project);
  const table = sourceOf(deps, project).refs();
  const rows = await Promise.all((await deps.routes.list(project.name)).map(async (route): Promise<PreviewStatusRow | undefined> => {
    const { label, kind, environment, subject } = route;
    if (!parseLabel(label, names) || (kind !== 'commit' && kind !== 'branch')) return undefined;
    const release = route.current === null ? undefined : await deps.releases.find(project.name, route.current);
    const tip = kind === 'branch' ? table.branches.find(({ name }) => name === subject)?.commit : parseCommitHash(subject);
    const commit = tip ?? release?.commit;
    if (commit === undefined) return undefined;
    const status = await deps.readStatus({ project, kind, label, environment, subject, commit, branch: null });
    return {
      label, url: deps.urls.at(`${label}.${host}`), pageUrl: `/previews/${label}`, word: statusWord(status.state), state: status.state,
      branch: kind === 'branch' ? subject : null, shortHash: shortHash(release?.commit ?? commit),
      release: release ? formatRelease(release.number) : null, environment, lastError: status.lastError?.message ?? null,
    };
  }));
  return rows.filter((row) => row !== undefined);
}

/** Alive: the process answers. */
export const showHealth: RequestHandler = (_req, res) => { res.json({ status: 'ok' }); };

/** Ready: the engine answers too, so that previews can be built and started. */
export function showReadiness({ engine }: Pick<WebDeps, 'engine'>): RequestHandler {
  return async (_req, res) => {
    const { version, builder } = await engine.describe();
    res.json({ status: 'ok', engine: version, builder });
  };
}
