import { randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { ERRORS, withRemedy, type AppError } from '../domain/errors.js';
import type { PreviewState } from '../domain/state.js';
import type { Logger } from '../kernel/log.js';
import type { Templates } from '../kernel/templates.js';
import type { VisitView } from './visits.js';
import type { PreviewPages } from './waiting-models.js';

/** What preview hosts answer on their own: pages for people, JSON for programs, never stored and never 200 for a failure. */
export interface Answers {
  /** The page that waits; 503, so that nothing takes it for the application. */
  waiting(res: ServerResponse, view: VisitView): void;
  /** Does nothing but end a response that has already begun. */
  failure(failed: Failed, error: AppError, view?: VisitView): void;
  /** The same for an upgrade that failed before anything was written. */
  upgradeFailure(error: AppError, socket: Duplex): void;
  redirect(res: ServerResponse, location: string): void;
}

export interface Failed {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Whether a person waits for a page. */
  readonly page: boolean;
  readonly state?: PreviewState;
}

const RETRY_SECONDS = 2;
const EVENTS_URL = '/__slipway/events';

export interface AnswersDeps {
  readonly templates: Templates<PreviewPages>;
  readonly homeUrl: () => string;
  readonly log: Logger;
}

export function createAnswers({ templates, homeUrl, log }: AnswersDeps): Answers {
  const errorPage = ({ req }: Failed, { error, view, requestId }: { error: AppError; view: VisitView | undefined; requestId: string }) => {
    const nonce = randomBytes(16).toString('base64');
    const { title, remedy } = ERRORS[error.code];
    const names = [...(error.details.nearest ?? []), ...(error.details.candidates ?? [])];
    const html = templates.render('preview-error', {
      nonce, status: error.status, title, message: error.message, remedy, requestId,
      facts: names.length > 0 ? [{ name: 'Did you mean', value: names.join(', ') }] : [],
      lastLines: error.details.lastLines ?? [],
      links: view?.links(error) ?? [{ text: 'Project page', url: homeUrl() }],
      ...(view?.subject ?? { project: req.headers.host ?? '', branch: null, commit: null, subject: null, environment: null }),
    });
    return { html, nonce };
  };

  const failure: Answers['failure'] = (failed, error, view) => {
    const { req, res, page, state } = failed;
    if (res.headersSent) { res.destroy(); return; }
    const requestId = randomUUID();
    if (error.code === 'internal') log.error('request failed', { requestId, host: req.headers.host, error });
    closeUnlessRead(req, res);
    setCommonHeaders(res, { error, state: state ?? view?.waiting.state });
    if (view) setWhose(res, view);
    if (page) {
      const { html, nonce } = errorPage(failed, { error, view, requestId });
      if (error.status === 503) res.setHeader('Refresh', String(retryAfter(error)));
      sendPage(res, { status: error.status, html, nonce });
      return;
    }
    const status = state ?? view?.waiting.state;
    sendJson(res, error.status, { error: error.code, message: withRemedy(error), requestId, ...(status ? { status } : {}), ...error.details });
  };

  return {
    failure,
    waiting: (res, view) => {
      const nonce = randomBytes(16).toString('base64');
      const html = templates.render('waiting', {
        ...view.subject, ...view.waiting, nonce, elapsedSeconds: view.elapsedSeconds, lines: [], eventsUrl: EVENTS_URL, previous: view.previous,
      });
      res.setHeader('Retry-After', String(RETRY_SECONDS));
      res.setHeader('X-Slipway-State', view.waiting.state);
      setWhose(res, view);
      sendPage(res, { status: 503, html, nonce });
    },
    upgradeFailure: (error, socket) => {
      if (!socket.writable) { socket.destroy(); return; }
      const body = JSON.stringify({ error: error.code, message: error.message, requestId: randomUUID() });
      const retry = error.status === 503 ? `Retry-After: ${retryAfter(error)}\r\n` : '';
      socket.end(`HTTP/1.1 ${error.status} ${ERRORS[error.code].title}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`
        + `Cache-Control: no-store\r\n${retry}Connection: close\r\n\r\n${body}`);
    },
    redirect: (res, location) => {
      res.writeHead(302, { Location: location, 'Cache-Control': 'no-store', 'Content-Length': 0 });
      res.end();
    },
  };
}

/** Every answer of a preview says which commit it is about, and which release served it last. */
function setWhose(res: ServerResponse, { subject, release }: VisitView): void {
  if (subject.commit !== null) res.setHeader('X-Slipway-Commit', subject.commit);
  if (release !== null) res.setHeader('X-Slipway-Release', release);
}

const retryAfter = (error: AppError): number => error.details.retryAfterSeconds ?? RETRY_SECONDS;

function setCommonHeaders(res: ServerResponse, { error, state }: { error: AppError; state: PreviewState | undefined }): void {
  if (error.status === 503 || error.status === 429) res.setHeader('Retry-After', String(retryAfter(error)));
  if (state) res.setHeader('X-Slipway-State', state);
}

/** Whether the request announces a body. */
export const hasBody = ({ headers }: Pick<IncomingMessage, 'headers'>): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/** A body that nobody will read must not hold the connection: the rest of it would be read only to be thrown away. */
function closeUnlessRead(req: IncomingMessage, res: ServerResponse): void {
  if (hasBody(req) && !req.complete) res.setHeader('Connection', 'close');
}

function sendPage(res: ServerResponse, { status, html, nonce }: { status: number; html: string; nonce: string }): void {
  setSafetyHeaders(res);
  res.setHeader('Content-Security-Policy', `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *`);
  res.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Length': Buffer.byteLength(html) });
  res.end(html);
}

/** Ends a response with JSON for programs. */
export function sendJson(res: ServerResponse, status: number, content: unknown): void {
  const body = JSON.stringify(content);
  setSafetyHeaders(res);
  res.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': Buffer.byteLength(body) });
  res.end(body);
}

function setSafetyHeaders(res: ServerResponse): void {
  res.setHeader('Cache-Control', 'no-store');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  res.setHeader('Referrer-Policy', 'no-referrer');
  res.setHeader('X-Robots-Tag', 'noindex');
  res.setHeader('Vary', 'Accept, Sec-Fetch-Mode');
}
