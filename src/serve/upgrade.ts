import { request } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { AppError } from '../domain/errors.js';
import type { Logger } from '../kernel/log.js';
import type { Connections } from './connections.js';
import type { ForwardDeps, ForwardTimeouts, ForwardTo, UpgradeClient } from './forwarding.js';
import { answerHead, answerHeaders, messageHead, originForm, requestHeaders, without } from './proxy-guards.js';
import { closedUnanswered, toUpstreamFailure } from './upstream-failure.js';
import { abort, watchSilence } from './upstream-socket.js';

export interface AskedUpgrade extends UpgradeClient {
  readonly req: IncomingMessage;
  readonly to: ForwardTo;
}

export interface UpgradeDeps extends Pick<ForwardDeps, 'onUpgradeFailure'> {
  readonly connections: Connections;
  readonly log: Logger;
  readonly timeouts: ForwardTimeouts;
  readonly token: string | undefined;
}

interface Upgrade extends AskedUpgrade, UpgradeDeps {
  stage: 'waiting' | 'relaying' | 'over';
  upstream: ClientRequest | undefined;
  /** The upgrade lasts at least until the returned function is called. */
  readonly hold: () => () => void;
}

const KEEP_ALIVE_PROBE_MS = 30_000;

/**
 * Relays one upgrade to a container, then bytes in both directions; ends, and never throws, when both sockets are closed.
 *
 * Not through http-proxy: its `ws` listens for errors of the client's socket only after the 101 and ends the process
 * when the client resets before, writes header lines unchecked, sends refusals with a framing that no longer fits
 * their bytes, and leaves the other socket open when one is lost (faults H1, H2).
 */
export function relayUpgrade(asked: AskedUpgrade, deps: UpgradeDeps): Promise<void> {
  return new Promise((resolve) => {
    const { socket } = asked;
    socket.on('error', () => undefined);
    if (socket.destroyed) { resolve(); return; }
    let open = 0;
    const hold = () => {
      open += 1;
      return () => { open -= 1; if (open === 0) resolve(); };
    };
    const u: Upgrade = { ...asked, ...deps, hold, stage: 'waiting', upstream: undefined };
    const release = hold();
    socket.once('close', () => { u.stage = 'over'; u.upstream?.destroy(); release(); });
    keepAlive(socket);
    try {
      begin(u, dial(u));
    } catch (error) {
      fail(u, error instanceof AppError ? error : new AppError('invalid_request', 'The request cannot be passed on as it is.', { cause: error }));
    }
  });
}

function dial({ req, to, token, connections }: Upgrade): ClientRequest {
  if (req.headers['transfer-encoding'] !== undefined || !['0', undefined].includes(req.headers['content-length'])) {
    throw new AppError('invalid_request', 'A request for an upgrade cannot carry a body.');
  }
  return request({
    host: to.target.address, port: to.target.port, agent: connections.single,
    method: req.method ?? 'GET', path: originForm(req.url ?? '/'),
    headers: [...requestHeaders(req.rawHeaders, to, token), 'Connection', 'Upgrade', 'Upgrade', req.headers.upgrade ?? ''],
  });
}

function begin(u: Upgrade, upstream: ClientRequest): void {
  u.upstream = upstream;
  const release = u.hold();
  const unwatch = watchForEnd(u.socket);
  const silence = watchSilence(upstream, u.timeouts);
  upstream.on('timeout', () => { upstream.destroy(new AppError('upstream_timeout', 'The application did not answer the request for an upgrade in time.')); });
  upstream.on('error', (error) => { unwatch(); fail(u, toUpstreamFailure(error, u.req)); });
  upstream.once('close', () => {
    silence.stop();
    fail(u, closedUnanswered(u.req));
    release();
  });
  upstream.once('response', (answer) => { unwatch(); silence.answering(); refuse(u, answer); });
  upstream.once('upgrade', (answer, upstreamSocket, head) => { unwatch(); join(u, answer, { socket: upstreamSocket, head }); });
  upstream.end();
}

/** Connects the two sockets for as long as both live. */
function join(u: Upgrade, answer: IncomingMessage, upstream: { socket: Duplex; head: Buffer }): void {
  const { socket, head, timeouts } = u;
  upstream.socket.on('error', () => undefined);
  const lines = u.stage === 'waiting' ? switchingLines(u, answer) : undefined;
  if (lines === undefined) { upstream.socket.destroy(); return; }
  u.stage = 'relaying';
  u.connections.adopt(upstream.socket);
  upstream.socket.once('close', u.hold());
  keepAlive(upstream.socket);
  for (const side of [socket, upstream.socket]) endWhenIdle(side, timeouts.upgradedIdleMs);
  socket.write(lines, 'latin1');
  if (upstream.head.length > 0) socket.write(upstream.head);
  if (head.length > 0) upstream.socket.write(head);
  tie(socket, upstream.socket);
  tie(upstream.socket, socket);
}

function switchingLines(u: Upgrade, answer: IncomingMessage): string | undefined {
  try {
    // A 101 has no body, whatever its lines say.
    const headers = without(answerHeaders(answer.rawHeaders, u.to), 'content-length');
    return messageHead({ status: 101, reason: 'Switching Protocols', headers: [...headers, 'Connection', 'Upgrade', 'Upgrade', answer.headers.upgrade ?? u.req.headers.upgrade ?? ''] });
  } catch (error) {
    fail(u, toUpstreamFailure(error));
    return undefined;
  }
}

/** Passes on any answer that is not a 101, and closes. */
function refuse(u: Upgrade, answer: IncomingMessage): void {
  const { socket } = u;
  answer.on('error', () => { abort(socket); });
  const lines = u.stage === 'waiting' ? refusalLines(u, answer) : undefined;
  if (lines === undefined) { answer.resume(); return; }
  u.stage = 'relaying';
  // What the client still sends is for nobody; unread it would turn the end of the answer into a reset.
  socket.resume();
  socket.write(lines, 'latin1');
  answer.pipe(socket, { end: false });
  answer.once('end', () => { endThenDestroy(socket); });
}

function refusalLines(u: Upgrade, answer: IncomingMessage): string | undefined {
  try {
    const head = answerHead(answer, u.to);
    return messageHead({ ...head, headers: [...head.headers, 'Connection', 'close'] });
  } catch (error) {
    fail(u, toUpstreamFailure(error));
    return undefined;
  }
}

function fail(u: Upgrade, error: AppError): void {
  if (u.stage !== 'waiting') return;
  u.stage = 'over';
  u.upstream?.destroy();
  if (u.socket.destroyed) return;
  try {
    u.onUpgradeFailure(error, { req: u.req, socket: u.socket, head: u.head, to: u.to, requestId: u.to.requestId });
  } catch (thrown) {
    u.log.error('a failed upgrade could not be answered', { error: thrown, container: u.to.container });
    u.socket.destroy();
  }
}

/** One direction: a clean end is passed on behind the last byte, a loss at once. */
function tie(from: Duplex, onto: Duplex): void {
  from.pipe(onto);
  from.once('close', () => { if (from.readableEnded) endThenDestroy(onto); else onto.destroy(); });
}

function endThenDestroy(socket: Duplex): void {
  if (socket.writableFinished) socket.destroy();
  else socket.once('finish', () => socket.destroy());
  if (!socket.writableEnded) socket.end();
}

/** A socket that nobody reads does not report its end: this looks for it, and leaves the bytes before it where they are. */
function watchForEnd(socket: Duplex): () => void {
  const look = () => { if (socket.readableLength === 0) socket.read(); };
  const gone = () => { socket.destroy(); };
  socket.on('readable', look);
  socket.once('end', gone);
  return () => {
    socket.off('readable', look);
    socket.off('end', gone);
  };
}

function keepAlive(socket: Duplex): void {
  if (socket instanceof Socket) socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_PROBE_MS);
}

function endWhenIdle(socket: Duplex, ms: number): void {
  if (!(socket instanceof Socket)) return;
  socket.setTimeout(ms, () => { socket.destroy(); });
}
