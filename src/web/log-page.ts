import type { Request, RequestHandler } from 'express';
import type { LogLevel, LogRecord } from '../kernel/log.js';
import { frameOfScope, scopeOf, sendPage, wantsPage, type WebDeps } from './context.js';
import { toMoment } from './format.js';
import type { LogRecordView } from './maintainer-models.js';
import { choicesOf, jsonUrlOf, paginate, readChoice, searchOf } from './paging.js';
import { readQuery } from './query.js';

/** The most severe first. */
const LEVELS: readonly LogLevel[] = ['error', 'warn', 'info', 'debug'];
const RECORDS = 100;

/** `GET /log[?level=&q=&page=]`: what the server noted, newest first; a page for people, JSON for programs. */
export function showApplicationLog(deps: WebDeps): RequestHandler {
  return (req, res) => {
    const level = readChoice(req, 'level', LEVELS);
    const search = searchOf(req);
    const records = shownTo(deps, req).filter(isAtLeast(level)).filter(has(search));
    if (!wantsPage(req) || readQuery(req).get('format') === 'json') { res.json(records); return; }
    const { offset, ...pagination } = paginate(req, { total: records.length, size: RECORDS });
    const now = deps.clock.now();
    sendPage(deps, res, {
      name: 'application-log',
      model: {
        frame: frameOfScope(deps, req, '/log'), jsonUrl: jsonUrlOf(req), pagination, search: { query: search, url: '/log' },
        levels: choicesOf('all levels', LEVELS, level).filter(({ value }) => value !== 'debug'),
        records: records.slice(offset, offset + RECORDS).map((record) => viewOf(record, now)),
      },
    });
  };
}

/** On a project's host, what concerns another project is left out. */
function shownTo(deps: WebDeps, req: Request): readonly LogRecord[] {
  const shown = new Set<unknown>(scopeOf(deps, req).map(({ name }) => name));
  const others = new Set<unknown>(deps.projects.map(({ name }) => name).filter((name) => !shown.has(name)));
  return deps.log.recent().filter(({ fields }) => !others.has(fields.project));
}

const isAtLeast = (least: LogLevel = 'debug') => ({ level }: LogRecord): boolean => LEVELS.indexOf(level) <= LEVELS.indexOf(least);

/** Looks into the message and all fields, in any case. */
function has(search: string): (record: LogRecord) => boolean {
  const wanted = search.toLowerCase();
  return ({ message, fields }) => wanted === '' || [message, ...namedFields(fields).map(({ name, value }) => `${name} ${value}`)].some((text) => text.toLowerCase().includes(wanted));
}

const namedFields = (fields: LogRecord['fields']) =>
  Object.entries(fields).map(([name, value]) => ({ name, value: typeof value === 'string' ? value : JSON.stringify(value) }));

const viewOf = ({ at, level, message, fields }: LogRecord, now: number): LogRecordView =>
  ({ at: toMoment(Date.parse(at), now), level, message, fields: namedFields(fields) });
