import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError } from '../domain/errors.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import type { Answers } from './answers.js';
import { abort } from './upstream-socket.js';

/** How long clients may take, and how many there may be; times in milliseconds. */
export interface ListenerLimits {
  /** Until the header of a request is there. */
  readonly headersMs: number;
  /** Between requests of one connection. */
  readonly keepAliveMs: number;
  /** How often both are looked at. */
  readonly checkMs: number;
  /** Connections that are open at the same time. */
  readonly connections: number;
}

export const LISTENER_LIMITS: ListenerLimits = { headersMs: 15_000, keepAliveMs: 65_000, checkMs: 5_000, connections: 10_000 };

/** For bodies that go to the control plane. */
const BODY_MS = 60_000;

/** Beyond `most` new connections are refused; before that, those that wait for their next request make room. */
export function limitConnections(http: HttpServer, most: number): void {
  let open = 0;
  http.maxConnections = most;
  http.on('connection', (socket) => {
    open += 1;
    socket.once('close', () => { open -= 1; });
    if (open >= most) http.closeIdleConnections();
  });
}

/** Bodies for the control plane are small: none that comes drop by drop keeps its connection (faults G24). */
export function limitBody(req: IncomingMessage, res: ServerResponse, { clock, refuse }: { readonly clock: Clock; readonly refuse: (error: AppError) => void }): void {
  if (req.headers['content-length'] === undefined && req.headers['transfer-encoding'] === undefined) return;
  const over = new AbortController();
  req.once('close', () => { over.abort(); });
  void clock.sleep(BODY_MS, over.signal).then(() => {
    if (over.signal.aborted || req.complete) return;
    if (res.headersSent) { req.destroy(); return; }
    res.shouldKeepAlive = false;
    refuse(new AppError('request_timeout', 'Its body did not arrive in time.'));
  });
}

/** Begins to listen. @throws AppError `internal` when the address is taken or not ours */
export function listen(http: HttpServer, { address, port }: { readonly address: string; readonly port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'another program listens there; give another --port' : error.message;
      reject(new AppError('internal', `Cannot listen on ${address}:${port}: ${why}.`, { cause: error }));
    };
    http.once('error', failed);
    http.listen(port, address, () => { http.off('error', failed); resolve(); });
  });
}

export interface Closing {
  readonly clock: Clock;
  /** Milliseconds for what is in flight. */
  readonly drainMs: number;
  /** Ends upgraded connections, which node:http does not count as its own any more. */
  readonly cut: () => void;
}

/**
 * Knows the answer that each connection had last. Once the listener is closed, a connection ends with the answer that
 * is in flight on it: its next request belongs to the next server.
 */
export function watchAnswers(http: HttpServer): (socket: Duplex) => ServerResponse | undefined {
  const last = new WeakMap<Duplex, ServerResponse>();
  const begun = ({ socket }: IncomingMessage, res: ServerResponse) => {
    last.set(socket, res);
    res.once('close', () => { if (!http.listening) http.closeIdleConnections(); });
  };
  for (const event of ['request', 'checkContinue', 'checkExpectation']) http.on(event, begun);
  return (socket) => last.get(socket);
}

/** Takes no new connection, lets what is in flight end for a while, then closes what is left. Safe when not listening. */
export async function close(http: HttpServer, { clock, drainMs, cut }: Closing): Promise<void> {
  if (!http.listening) return;
  const over = new AbortController();
  const closed = new Promise<void>((resolve) => { http.close(() => { over.abort(); resolve(); }); });
  http.closeIdleConnections();
  await Promise.race([closed, clock.sleep(drainMs, over.signal)]);
  http.closeAllConnections();
  cut();
  await closed;
}

export interface ClientErrorDeps {
  readonly answers: Answers;
  readonly lastAnswer: (socket: Duplex) => ServerResponse | undefined;
  readonly log: Logger;
}

/**
 * What is not HTTP gets an answer and the end of the connection: the answer to the request that it was meant to be a
 * part of, if that has none yet, and none at all in the middle of another one.
 */
export function answerClientError(error: NodeJS.ErrnoException, socket: Duplex, { answers, lastAnswer, log }: ClientErrorDeps): void {
  const res = lastAnswer(socket);
  // What comes behind the last answer of a connection has no reader; its end is on the way.
  if (!socket.destroyed && (socket.writableEnded || (res?.writableEnded === true && !res.shouldKeepAlive))) return;
  log.debug('client error', { code: error.code });
  const isBusy = res !== undefined && !res.writableEnded;
  if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
  // It lies behind whole requests, which get their answers first.
  else if (isBusy && res.req.complete && !res.headersSent) res.shouldKeepAlive = false;
  else if (res?.writableEnded === true && !res.writableFinished) {
    res.shouldKeepAlive = false;
    res.once('finish', () => { answers.clientFailure(faultIn(error), socket, false); });
  }
  else if (isBusy && res.headersSent) abort(socket);
  else if (isBusy) refuse(res, { error: faultIn(error), answers });
  else answers.clientFailure(faultIn(error), socket, error.code === 'HPE_HEADER_OVERFLOW' && isFromPerson(error));
}

function refuse(res: ServerResponse, { error, answers }: { error: AppError; answers: Answers }): void {
  res.shouldKeepAlive = false;
  answers.failure({ req: res.req, res, page: false }, error);
}

function faultIn({ code }: NodeJS.ErrnoException): AppError {
  if (code === 'HPE_HEADER_OVERFLOW') return new AppError('header_too_large', 'The request header is larger than 16 KiB.');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new AppError('request_timeout', 'The request did not arrive in time.');
  return new AppError('invalid_request', 'This is not a request that HTTP allows.');
}

/** The parser gives up before anybody could read the header; a page is right unless all that can be seen speaks against it. */
function isFromPerson(error: NodeJS.ErrnoException): boolean {
  const packet: unknown = Reflect.get(error, 'rawPacket');
  const text = Buffer.isBuffer(packet) ? packet.toString('latin1') : '';
  return /\btext\/html\b/i.test(text) || !/^[A-Z-]+ [^ ]+ HTTP\/1/.test(text);
}
