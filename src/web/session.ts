import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { RequestHandler } from 'express';
import session, { Store, type SessionData } from 'express-session';
import type { Clock } from '../kernel/clock.js';
import type { SessionRecords } from '../state/sessions.js';

declare module 'express-session' {
  interface SessionData {
    /** What a form of this browser must carry. */
    forgeryToken?: string;
    /** The label of the preview that this browser chose; only with `routing: session`. */
    preview?: string;
  }
}

export interface SessionDeps {
  readonly records: SessionRecords;
  readonly secret: string;
  readonly clock: Clock;
  /** Whether people come by https. */
  readonly secure: () => boolean;
}

const LIFE_MS = 12 * 60 * 60_000;
type Done = (error?: unknown) => void;

/**
 * Browser sessions in SQLite. A cookie is set only once something was stored, which the first form does; it is bound
 * to the one host that set it.
 */
export function createSession({ records, secret, clock, secure }: SessionDeps): RequestHandler {
  const store = createStore({ records, clock });
  const make = (isSecure: boolean) => session({
    store, secret, name: isSecure ? '__Host-slw_sid' : 'slw_sid', resave: false, saveUninitialized: false, proxy: isSecure,
    genid: () => randomBytes(32).toString('hex'),
    cookie: { httpOnly: true, sameSite: 'lax', secure: isSecure, path: '/', maxAge: LIFE_MS },
  });
  let handler: RequestHandler | undefined;
  return (req, res, next) => {
    ignoreDoubles(req.headers);
    (handler ??= make(secure()))(req, res, next);
  };
}

/** A preview beside us can set a cookie of our name for a parent host: of two nobody knows which is ours (faults I5). */
function ignoreDoubles(headers: IncomingHttpHeaders): void {
  const pairs = headers.cookie?.split(';') ?? [];
  const isOurs = (pair: string) => /^\s*(?:__Host-)?slw_sid\s*=/.test(pair);
  if (pairs.filter(isOurs).length > 1) headers.cookie = pairs.filter((pair) => !isOurs(pair)).join(';');
}

function createStore({ records, clock }: { records: SessionRecords; clock: Clock }): Store {
  const finish = (work: Promise<unknown>, done?: Done) => { work.then(() => done?.(), (error: unknown) => done?.(error)); };
  const put = (sid: string, content: SessionData, done?: Done) => { finish(records.put(sid, JSON.stringify(content), clock.now() + LIFE_MS), done); };
  class SqliteStore extends Store {
    override get(sid: string, done: (error: unknown, content?: SessionData | null) => void): void {
      records.find(sid).then((body) => { done(null, body === undefined ? null : JSON.parse(body) as SessionData); }, (error: unknown) => { done(error); });
    }
    override set(sid: string, content: SessionData, done?: Done): void { put(sid, content, done); }
    override touch(sid: string, content: SessionData, done?: Done): void { put(sid, content, done); }
    override destroy(sid: string, done?: Done): void { finish(records.remove(sid), done); }
  }
  return new SqliteStore();
}
