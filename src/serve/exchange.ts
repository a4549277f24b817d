import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import { AppError } from '../domain/errors.js';
import { sendBody } from './answer-body.js';
import { isGone, onceGone, type Pending } from './client-gone.js';
import type { Connections } from './connections.js';
import type { Dial, Outgoing } from './dial.js';
import type { ForwardDeps, ForwardTo } from './forwarding.js';
import { relayHint, sendContinue } from './hints.js';
import { answerHead, bodyLines, isRepeatable, originForm, requestFraming, requestHeaders, type Framing } from './proxy-guards.js';
import { closedUnanswered, isConnectionLoss, toUpstreamFailure } from './upstream-failure.js';
import { abort, readBeforeLoss, watchSilence, type SilenceWatch } from './upstream-socket.js';

/** What is asked, by whom, and where it goes. */
export interface Asked extends Pending {
  readonly to: ForwardTo;
}

export interface ExchangeDeps extends Pick<ForwardDeps, 'onFailure' | 'log' | 'timeouts'> {
  readonly connections: Connections;
  readonly dial: Dial;
  readonly token: string | undefined;
}

interface Exchange extends Asked {
  readonly deps: ExchangeDeps;
  /** Ends the promise. */
  readonly over: () => void;
  /** The response and each outgoing request, as long as they last. */
  open: number;
  stage: 'waiting' | 'relaying' | 'over';
  upstream: ClientRequest | undefined;
  answer: IncomingMessage | undefined;
  silence: SilenceWatch | undefined;
  /** The client waits for `100 Continue` before it sends the body. */
  awaitsContinue: boolean;
}

interface Message extends Pick<Outgoing, 'path' | 'headers'> {
  readonly framing: Framing;
  /** May be sent again: changes nothing by being repeated, carries no body. */
  readonly repeatable: boolean;
}

const NO_BYTES = Buffer.alloc(0);
/** Far less than what the system takes at once for a connection. */
const WHOLE_BYTES = 16 * 1024;
const ignore = (): void => undefined;

/** Relays one request to a container and its answer back; ends, and never throws, when neither side is open any more. */
export function exchange({ req, res, to }: Asked, deps: ExchangeDeps): Promise<void> {
  return new Promise((over) => {
    if (isGone({ req, res })) { over(); return; }
    const x: Exchange = { req, res, to, deps, over, open: 1, stage: 'waiting', upstream: undefined, answer: undefined, silence: undefined, awaitsContinue: req.headers.expect !== undefined };
    res.on('error', ignore);
    onceGone(x, () => { x.stage = 'over'; leaveUpstream(x); release(x); });
    try {
      const message = compose(x);
      send(x, message, agentFor(message, x));
    } catch (error) {
      fail(x, error instanceof AppError ? error : new AppError('invalid_request', 'The request cannot be passed on as it is.', { cause: error }));
    }
  });
}

function release(x: Exchange): void {
  x.open -= 1;
  if (x.open === 0) x.over();
}

function compose({ req, to, deps }: Exchange): Message {
  const framing = requestFraming(req);
  return {
    framing,
    path: originForm(req.url ?? '/'),
    headers: [...requestHeaders(req.rawHeaders, to, deps.token), ...bodyLines(req, framing)],
    repeatable: isRepeatable(req),
  };
}

/** What must not be sent twice never meets a connection that may be about to close (faults G31). */
function agentFor({ repeatable }: Message, { to, deps: { connections: { pooled, promised, single } } }: Exchange): Agent {
  if (repeatable) return pooled;
  return promised.isSafe(to.target) ? promised.agent : single;
}

function send(x: Exchange, message: Message, agent: Agent): void {
  x.deps.dial(x.req, x.res, {
    target: x.to.target, path: message.path, headers: message.headers, agent,
    begin: (upstream) => { begin(x, message, upstream); },
  });
}

function begin(x: Exchange, message: Message, upstream: ClientRequest): void {
  x.upstream = upstream;
  x.open += 1;
  const silence = x.silence = watchSilence(upstream, x.deps.timeouts);
  let bytesBefore = 0;
  upstream.on('socket', (socket) => {
    bytesBefore = socket.bytesRead;
  });
  upstream.on('error', (error) => {
    // A reset would else pass as the proper end of an answer without a length.
    if (x.answer?.complete === false) cut(x, error);
    if (x.stage !== 'waiting' || x.upstream !== upstream) return;
    const untouched = upstream.reusedSocket && upstream.socket?.bytesRead === bytesBefore;
    if (message.repeatable && untouched && isConnectionLoss(error) && x.deps.connections.current) sendAgain(x, message);
    else fail(x, toUpstreamFailure(error, x.req));
  });
  upstream.once('close', () => {
    silence.stop();
    if (x.upstream === upstream) onUpstreamClosed(x);
    release(x);
  });
  if (!message.repeatable) upstream.on('response', ({ socket, rawHeaders }) => { x.deps.connections.promised.note(socket, rawHeaders); });
  listen(x, upstream);
  if (message.framing === 'none') { upstream.end(); return; }
  if (x.awaitsContinue) upstream.write(NO_BYTES);
  // Not before all that came with the header is read.
  queueMicrotask(() => { if (x.upstream === upstream && !upstream.destroyed) passBody(x.req, upstream); });
}

/** A body that came with its header goes on as a whole, in one write that takes all or nothing; a pipe would cost a tenth of all. */
function passBody(req: IncomingMessage, upstream: ClientRequest): void {
  if (req.complete && req.readableLength <= WHOLE_BYTES) { upstream.end(req.read() ?? undefined); return; }
  if (upstream.socket) readBeforeLoss(upstream.socket);
  else upstream.once('socket', readBeforeLoss);
  req.pipe(upstream);
}

function listen(x: Exchange, upstream: ClientRequest): void {
  upstream.on('timeout', () => { onTimeout(x, upstream); });
  upstream.on('response', (answer) => { relay(x, upstream, answer); });
  // Without a listener node:http destroys the socket and says nothing (faults G6).
  upstream.on('upgrade', (_, socket) => {
    socket.on('error', ignore).destroy();
    fail(x, new AppError('bad_upstream', 'The application switched protocols without being asked to.'));
  });
  upstream.on('information', (hint) => { if (x.stage === 'waiting') relayHint(x, hint); });
  if (!x.awaitsContinue) return;
  upstream.once('continue', () => {
    sendContinue(x.res, () => { x.awaitsContinue = false; });
  });
}

/** The container closed a kept connection just as the request went out: it never saw it (faults G31). */
function sendAgain(x: Exchange, message: Message): void {
  try {
    send(x, message, x.deps.connections.single);
  } catch (error) {
    fail(x, toUpstreamFailure(error, x.req));
  }
}

function relay(x: Exchange, upstream: ClientRequest, answer: IncomingMessage): void {
  answer.on('error', (error) => { cut(x, error); });
  if (x.stage !== 'waiting') { answer.resume(); return; }
  if (!writeHead(x, answer)) return;
  x.stage = 'relaying';
  x.answer = answer;
  x.silence?.answering();
  // Complete before the request was: the rest of the body has no reader, its connection no further use (faults G34).
  answer.on('end', () => { if (!upstream.writableFinished) leaveUpstream(x); });
  // Not before all that came with its first lines is read.
  queueMicrotask(() => { if (x.stage === 'relaying') sendBody(answer, x.res); });
}

/** Writes the first lines; node:http checks each byte of them. */
function writeHead(x: Exchange, answer: IncomingMessage): boolean {
  try {
    const { status, reason, headers } = answerHead(answer, x.to);
    closeUnlessContinued(x);
    x.res.writeHead(status, reason, headers);
    return true;
  } catch (error) {
    x.res.statusMessage = '';
    fail(x, error instanceof AppError ? error : new AppError('bad_upstream', 'The application sent a header that cannot be passed on.', { cause: error }));
    return false;
  }
}

/** A client that was never told to go on may send its body or its next request: only a new connection tells which. */
function closeUnlessContinued({ req, res, awaitsContinue }: Exchange): void {
  if (awaitsContinue && !req.complete) res.shouldKeepAlive = false;
}

function onTimeout(x: Exchange, upstream: ClientRequest): void {
  if (x.upstream !== upstream) return;
  if (x.stage === 'relaying') cut(x, new AppError('upstream_timeout', 'Nothing moved for too long.'));
  else if (upstream.socket?.connecting === true) fail(x, new AppError('upstream_timeout', 'The application did not accept the connection in time.'));
  else fail(x, new AppError('upstream_timeout', 'The application accepted the request and did not answer in time.'));
}

function onUpstreamClosed(x: Exchange): void {
  if (x.stage === 'waiting') fail(x, closedUnanswered(x.req));
  if (!x.req.complete) discardBody(x);
}

/** Ends what can still be answered. */
function fail(x: Exchange, error: AppError): void {
  if (x.stage !== 'waiting') return;
  x.stage = 'over';
  leaveUpstream(x);
  if (isGone(x)) { x.res.destroy(); return; }
  closeUnlessContinued(x);
  try {
    x.deps.onFailure(error, { req: x.req, res: x.res, to: x.to, requestId: x.to.requestId });
  } catch (thrown) {
    x.deps.log.error('a failed request could not be answered', { error: thrown, container: x.to.container, requestId: x.to.requestId });
    x.res.destroy();
  }
}

/** Ends what has begun: the client must not take what it has for the whole (faults G7). */
function cut(x: Exchange, error: unknown): void {
  if (x.stage !== 'relaying') return;
  x.stage = 'over';
  x.deps.log.warn('an answer ended before it was complete', { error, container: x.to.container, requestId: x.to.requestId });
  leaveUpstream(x);
  // A reset, because a mere end is the proper end of an answer without a length.
  if (x.res.socket) abort(x.res.socket);
  else x.res.destroy();
}

function leaveUpstream(x: Exchange): void {
  if (x.upstream === undefined || x.upstream.destroyed) return;
  if (!x.req.complete) discardBody(x);
  x.upstream.destroy();
}

/** A client that is still sending gets to read its answer only if somebody takes what it sends. */
function discardBody({ req, upstream }: Exchange): void {
  if (upstream) req.unpipe(upstream);
  req.resume();
}
