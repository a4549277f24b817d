import { randomBytes, randomUUID } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { ERRORS, withRemedy, type AppError } from '../domain/errors.js';
import type { PreviewState } from '../domain/state.js';
import type { Logger } from '../kernel/log.js';
import type { Templates } from '../kernel/templates.js';
import type { Callers } from './callers.js';
import { ALLOWED_METHODS } from './request-faults.js';
import { endWith } from './upstream-socket.js';
import type { VisitView } from './visits.js';
import type { PageLink, PreviewPages } from './waiting-models.js';

/** What preview hosts answer on their own: pages for people, JSON for programs, never stored and never 200 for a failure. */
export interface Answers {
  /** The page that waits; 503, so that nothing takes it for the application. */
  waiting(res: ServerResponse, view: VisitView): void;
  /** Does nothing but end a response that has already begun. */
  failure(failed: Failed, error: AppError, view?: VisitView): void;
  /** The same for an upgrade that failed before anything was written. */
  upgradeFailure(error: AppError, socket: Duplex, requestId?: string): void;
  /** The same for what never became a request: a page, or JSON. */
  clientFailure(error: AppError, socket: Duplex, page: boolean): void;
  redirect(res: ServerResponse, location: string): void;
}

export interface Failed {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Whether a person waits for a page. */
  readonly page: boolean;
  readonly state?: PreviewState;
  /** Where a person can go from there; default: what the view says, or home. */
  readonly links?: readonly PageLink[];
  /** The one under which the request was forwarded, if it was. */
  readonly requestId?: string;
}

const RETRY_SECONDS = 2;
const EVENTS_URL = '/__slipway/events';

export interface AnswersDeps {
  readonly templates: Templates<PreviewPages>;
  readonly homeUrl: () => string;
  readonly callers: Pick<Callers, 'requestIdOf' | 'addressOf'>;
  readonly log: Logger;
}

interface Told {
  readonly error: AppError;
  readonly requestId: string;
  readonly view?: VisitView | undefined;
  /** The host that was asked for. */
  readonly host?: string | undefined;
  readonly links?: readonly PageLink[] | undefined;
}

export function createAnswers({ templates, homeUrl, callers, log }: AnswersDeps): Answers {
  const errorPage = ({ error, view, requestId, host = '', links }: Told) => {
    const nonce = randomBytes(16).toString('base64');
    const { title, remedy } = ERRORS[error.code];
    const names = [...(error.details.nearest ?? []), ...(error.details.candidates ?? [])];
    const html = templates.render('preview-error', {
      nonce, status: error.status, title, message: error.message, remedy, requestId,
      facts: names.length > 0 ? [{ name: 'Did you mean', value: names.join(', ') }] : [],
      lastLines: error.details.lastLines ?? [],
      links: links ?? view?.links(error) ?? [{ text: 'Project page', url: homeUrl() }],
      ...(view?.subject ?? { project: host, branch: null, commit: null, image: null, subject: null, environment: null }),
    });
    return { html, nonce };
  };

  const failure: Answers['failure'] = (failed, error, view) => {
    const { req, res, page, state } = failed;
    if (res.headersSent) { res.destroy(); return; }
    const requestId = failed.requestId ?? callers.requestIdOf(req);
    if (error.code === 'internal') log.error('request failed', { requestId, host: req.headers.host, client: callers.addressOf(req), error });
    closeUnlessRead(req, res);
    res.setHeader('X-Request-Id', requestId);
    setCommonHeaders(res, { error, state: state ?? view?.waiting.state });
    if (view) setWhose(res, view);
    if (page) {
      const { html, nonce } = errorPage({ error, view, requestId, host: req.headers.host, links: failed.links });
      if (error.status === 503) res.setHeader('Refresh', String(retryAfter(error)));
      sendPage(res, { status: error.status, html, nonce });
      return;
    }
    const status = state ?? view?.waiting.state;
    sendJson(res, error.status, { ...failureJson({ error, requestId }), ...(status ? { status } : {}), ...error.details });
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
    upgradeFailure: (error, socket, requestId = randomUUID()) => {
      sendOnSocket(socket, { error, requestId }, { type: JSON_TYPE, body: JSON.stringify(failureJson({ error, requestId })) });
    },
    clientFailure: (error, socket, page) => {
      const told = { error, requestId: randomUUID() };
      const { html, nonce } = errorPage(told);
      sendOnSocket(socket, told, page ? { type: HTML_TYPE, body: html, policy: policyOf(nonce) } : { type: JSON_TYPE, body: JSON.stringify(failureJson(told)) });
    },
    redirect: (res, location) => {
      // Anything but a look would come again without its body after a 302.
      const status = ['GET', 'HEAD'].includes(res.req.method ?? 'GET') ? 302 : 307;
      res.writeHead(status, { Location: location, 'Cache-Control': 'no-store', 'Content-Length': 0 });
      res.end();
    },
  };
}

const failureJson = ({ error, requestId }: Told) => ({ error: error.code, message: withRemedy(error), requestId });

/** A whole answer where node:http has no response for it, and the end of the connection. */
function sendOnSocket(socket: Duplex, { error, requestId }: Told, { type, body, policy }: { type: string; body: string; policy?: string }): void {
  if (!socket.writable) { socket.destroy(); return; }
  const lines = [
    ...Object.entries(SAFETY_HEADERS), ['X-Request-Id', requestId], ...(error.status === 503 ? [['Retry-After', retryAfter(error)]] : []),
    ...(error.status === 405 ? [['Allow', ALLOWED_METHODS]] : []), ...(policy === undefined ? [] : [['Content-Security-Policy', policy]]),
    ['Content-Type', type], ['Content-Length', Buffer.byteLength(body)], ['Connection', 'close'],
  ];
  endWith(socket, `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ''}\r\n${lines.map((line) => `${line.join(': ')}\r\n`).join('')}\r\n${body}`);
}

/** Every answer of a preview says which commit it is about, and which release served it last. */
function setWhose(res: ServerResponse, { subject, release }: VisitView): void {
  if (subject.commit !== null) res.setHeader('X-Slipway-Commit', subject.commit);
  if (release !== null) res.setHeader('X-Slipway-Release', release);
}

const retryAfter = (error: AppError): number => error.details.retryAfterSeconds ?? RETRY_SECONDS;

function setCommonHeaders(res: ServerResponse, { error, state }: { error: AppError; state: PreviewState | undefined }): void {
  if (error.status === 503 || error.status === 429) res.setHeader('Retry-After', String(retryAfter(error)));
  if (error.status === 405 && !res.hasHeader('Allow')) res.setHeader('Allow', ALLOWED_METHODS);
  if (state) res.setHeader('X-Slipway-State', state);
}

/** Whether the request announces a body. */
const hasBody = ({ headers }: Pick<IncomingMessage, 'headers'>): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/** A body that nobody will read must not hold the connection: the rest of it would be read only to be thrown away. */
function closeUnlessRead(req: IncomingMessage, res: ServerResponse): void {
  if (hasBody(req) && !req.complete) res.shouldKeepAlive = false;
}

function sendPage(res: ServerResponse, { status, html, nonce }: { status: number; html: string; nonce: string }): void {
  setSafetyHeaders(res);
  res.setHeader('Content-Security-Policy', policyOf(nonce));
  res.writeHead(status, { 'Content-Type': HTML_TYPE, 'Content-Length': Buffer.byteLength(html) });
  res.end(html);
}

/** Ends a response with JSON for programs. */
export function sendJson(res: ServerResponse, status: number, content: unknown): void {
  const body = JSON.stringify(content);
  setSafetyHeaders(res);
  res.writeHead(status, { 'Content-Type': JSON_TYPE, 'Content-Length': Buffer.byteLength(body) });
  res.end(body);
}

const HTML_TYPE = 'text/html; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';
const SAFETY_HEADERS = {
  'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer', 'X-Robots-Tag': 'noindex', 'Vary': 'Accept, Sec-Fetch-Mode',
} as const;

const policyOf = (nonce: string): string =>
  `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *`;

function setSafetyHeaders(res: ServerResponse): void {
  for (const [name, value] of Object.entries(SAFETY_HEADERS)) res.setHeader(name, value);
}
