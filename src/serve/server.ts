import { createServer as createHttpServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { AppError, toAppError } from '../domain/errors.js';
import { normalizeHost, type HostMeaning, type HostReader } from '../domain/hosts.js';
import { isForeign } from '../domain/origin.js';
import type { Urls } from '../domain/urls.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import type { Part } from '../kernel/part.js';
import type { Answers } from './answers.js';
import type { Callers } from './callers.js';
import type { ContainerChecks } from './container-checks.js';
import type { Forward, ForwardTo } from './forward.js';
import { CONTROL_METHODS, faultOf, toOriginForm } from './request-faults.js';
import { sendContinue } from './hints.js';
import type { Hold } from './hold.js';
import { answerClientError, close, limitBody, limitConnections, listen, LISTENER_LIMITS, watchAnswers, type ListenerLimits } from './listener.js';
import { Received } from './received.js';
import { classifyRequest } from './request-kind.js';
import { isReserved } from './reserved.js';
import type { RoutingEntry, RoutingTable, Wake } from './routing.js';
import type { SharedHost } from './shared-host.js';

export interface ServerDeps {
  readonly listen: { readonly address: string; readonly port: number };
  readonly routing: RoutingTable;
  readonly forward: Forward;
  readonly hold: Hold;
  readonly answers: Answers;
  readonly hosts: HostReader;
  readonly urls: Urls;
  readonly callers: Callers;
  /** Set with `routing: session` only. */
  readonly shared: SharedHost | undefined;
  readonly checks: Pick<ContainerChecks, 'doubt'>;
  /** The control plane. */
  readonly control: RequestListener;
  /** Whether a peer lies in a network of previews, which may not use the control plane. */
  readonly isPreviewPeer: (address: string) => boolean;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long a stop waits for what is in flight, in milliseconds. */
  readonly drainMs: number;
  /** Where they differ from what is usual. */
  readonly limits?: Partial<ListenerLimits>;
}

export interface Server extends Part {
  /** The port it listens on; before `start` the one it is to listen on. */
  port(): number;
  /** How many connections are open. */
  connections(): Promise<number>;
  /** Sends what came before, and found nobody, to whoever serves its host now. */
  again(req: IncomingMessage, res: ServerResponse): void;
  upgradeAgain(req: IncomingMessage, socket: Duplex, head: Buffer): void;
}

const MAX_HEADER_BYTES = 16 * 1024;

/**
 * The one listener. A running preview: host in a map → forward; nothing else happens on that path.
 * All other hosts: the control plane, a preview that must be opened first, or nobody's.
 */
export function createServer(deps: ServerDeps): Server {
  const { routing, forward, hold, answers, hosts, urls, callers, checks, shared, log } = deps;
  const hostFor = shared ? shared.hostOf : ({ headers }: IncomingMessage) => headers.host;
  const port = () => (http.address() as AddressInfo | null)?.port ?? deps.listen.port;

  const targetOf = ({ container, target, commit, release }: RoutingEntry, req: IncomingMessage): ForwardTo => {
    const { forwarded, trusted, requestId } = callers.describe(req);
    return { container, target, commit, release, previewHost: forwarded.host, forwarded, trusted, requestId };
  };

  const again = (req: IncomingMessage, res: ServerResponse) => {
    if (res.destroyed) return;
    const entry = routing.find(hostFor(req));
    if (entry && !entry.wake && !isReserved(req.url)) pass(entry, req, res);
    else dispatch(req, res, entry?.wake);
  };

  const pass = (entry: RoutingEntry, req: IncomingMessage, res: ServerResponse) => {
    const doubt = checks.doubt(entry.container);
    if (doubt) { void doubt.then(() => { again(req, res); }); return true; }
    const end = classifyRequest(req) === 'passive' ? () => undefined : entry.begin();
    forward.request(req, res, targetOf(entry, req)).finally(end).catch((error: unknown) => { log.error('forward failed', { error }); });
    return true;
  };

  const passUpgrade = (entry: RoutingEntry, { req, socket, head }: Upgrade) => {
    const doubt = checks.doubt(entry.container);
    if (doubt) { void doubt.then(() => { upgradeAgain(req, socket, head); }); return true; }
    forward.upgrade(req, { socket, head }, targetOf(entry, req)).finally(entry.begin()).catch((error: unknown) => { log.error('upgrade failed', { error }); });
    return true;
  };

  const request = (req: Received, res: ServerResponse) => {
    // Behind an answer that ends the connection it would be carried out, and never answered.
    if (lastAnswer(req.socket)?.shouldKeepAlive === false) { res.shouldKeepAlive = false; return; }
    if (req.ignoresOffer) res.shouldKeepAlive = false;
    toOriginForm(req);
    callers.settleHost(req);
    const fault = faultOf(req);
    if (fault) refuse(req, res, fault);
    else if (shared) shared.settle(req).then(() => { again(req, res); }, (error: unknown) => { refuseShared(req, res, toAppError(error)); });
    else again(req, res);
  };

  const refuseShared = (req: IncomingMessage, res: ServerResponse, error: AppError) => {
    const chooser = error.code === 'preview_not_chosen' && classifyRequest(req) === 'navigation';
    if (chooser) answers.redirect(res, urls.control(normalizeHost(req.headers.host ?? '') ?? urls.serverHost));
    else refuse(req, res, error);
  };

  const refuse = (req: IncomingMessage, res: ServerResponse, error: AppError) => {
    answers.failure({ req, res, page: classifyRequest(req) === 'navigation' }, error);
  };

  const dispatch = (req: IncomingMessage, res: ServerResponse, wake: Wake | undefined) => {
    const meaning = hosts.read(hostFor(req));
    switch (meaning.kind) {
      case 'control': case 'address': control(req, res, meaning.kind); return;
      case 'nothing': refuse(req, res, new AppError('unknown_preview', `No preview is named ${meaning.host}.`)); return;
      case 'elsewhere':
        if (deps.isPreviewPeer(callers.addressOf(req))) { refuse(req, res, new AppError('from_preview_network', 'This address belongs to a preview.')); return; }
        hold.elsewhere(req, res, meaning.name).catch((error: unknown) => { log.error('request not sent on', { error }); res.destroy(); }); return;
      case 'unknown': refuse(req, res, new AppError('unknown_host', `This server is ${urls.at(urls.serverHost)}.`)); return;
      case 'preview': {
        if (isReserved(req.url) && isForeign(req.headers, urls.at(normalizeHost(req.headers.host ?? '') ?? meaning.host, ''))) { refuse(req, res, new AppError('cross_site', 'A page of another site asked for this.')); return; }
        const again = () => { const entry = routing.find(hostFor(req)); return entry !== undefined && !entry.wake && pass(entry, req, res); };
        hold.request(req, res, { ...meaning, wake, forward: again }).catch((error: unknown) => { log.error('held request not answered', { error }); res.destroy(); });
      }
    }
  };

  const control = (req: IncomingMessage, res: ServerResponse, kind: 'control' | 'address') => {
    const path = (req.url ?? '').split('?')[0] ?? '';
    if (deps.isPreviewPeer(callers.addressOf(req))) refuse(req, res, new AppError('from_preview_network', 'This address belongs to a preview.'));
    else if (!CONTROL_METHODS.has(req.method ?? '')) refuse(req, res, new AppError('method_not_allowed', `${req.method ?? ''} is not allowed here.`));
    else if (kind === 'control' || /^\/(?:healthz|readyz|api(?:\/.*)?|repo\/update|apps\/[^/]+\/(?:health|restart|stop))$/.test(path)) enter(req, res);
    else if (path === '/') answers.redirect(res, urls.at(urls.serverHost));
    else refuse(req, res, new AppError('unknown_host', `This server is ${urls.at(urls.serverHost)}.`));
  };

  const enter = (req: IncomingMessage, res: ServerResponse) => {
    if (req.headers.expect !== undefined) sendContinue(res);
    res.setHeader('X-Request-Id', callers.requestIdOf(req));
    callers.settleHeaders(req);
    limitBody(req, res, { clock: deps.clock, refuse: (error) => { refuse(req, res, error); } });
    deps.control(req, res);
  };

  const upgradeAgain = (req: IncomingMessage, socket: Duplex, head: Buffer) => { if (!socket.destroyed) upgradeSettled(req, socket, head); };

  const upgrade = (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => undefined);
    if (isAnswering(socket)) { socket.destroy(); return; }
    toOriginForm(req);
    callers.settleHost(req);
    if (!shared) { upgradeSettled(req, socket, head); return; }
    shared.settle(req).then(() => { upgradeSettled(req, socket, head); }, (error: unknown) => { answers.upgradeFailure(toAppError(error), socket, callers.requestIdOf(req)); });
  };

  const upgradeSettled = (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    const entry = routing.find(hostFor(req));
    const fault = faultOf(req);
    if (!fault && entry && !entry.wake && !isReserved(req.url)) { passUpgrade(entry, { req, socket, head }); return; }
    const requestId = callers.requestIdOf(req);
    const meaning = hosts.read(hostFor(req));
    if (fault || meaning.kind !== 'preview' || isReserved(req.url) || classifyRequest(req) === 'passive') {
      answers.upgradeFailure(fault ?? whyNoSocket(meaning, req), socket, requestId);
      return;
    }
    const again = () => { const found = routing.find(hostFor(req)); return found !== undefined && !found.wake && passUpgrade(found, { req, socket, head }); };
    hold.upgrade(socket, { ...meaning, requestId, head, wake: entry?.wake, forward: again }).catch((error: unknown) => { log.error('held upgrade not answered', { error }); socket.destroy(); });
  };

  /** There are no WebSockets but those of applications; from elsewhere not even that is told. */
  const whyNoSocket = (meaning: HostMeaning, req: IncomingMessage): AppError => {
    if (meaning.kind === 'unknown') return new AppError('unknown_host', `This server is ${urls.at(urls.serverHost)}.`);
    if (meaning.kind === 'preview' && !isReserved(req.url)) return new AppError('preview_unavailable', 'It is not running, and this kind of request does not start it.');
    if (deps.isPreviewPeer(callers.addressOf(req))) return new AppError('from_preview_network', 'This address belongs to a preview.');
    const { origin, cookie } = req.headers;
    const isForeigner = isForeign(req.headers, urls.at(meaning.host, '')) || (origin === undefined && cookie !== undefined);
    return isForeigner ? new AppError('cross_site', 'A page of another site asked for this connection.') : new AppError('not_found', 'There is no WebSocket here.');
  };

  // Host is asked for by `faultOf`: an answer that node:http gives by itself could be followed by another one to the same request.
  const { headersMs, keepAliveMs, checkMs, connections: most } = { ...LISTENER_LIMITS, ...deps.limits };
  const http = createHttpServer({
    IncomingMessage: Received, maxHeaderSize: MAX_HEADER_BYTES, insecureHTTPParser: false, requireHostHeader: false, headersTimeout: headersMs,
    requestTimeout: 0, keepAliveTimeout: keepAliveMs, connectionsCheckingInterval: checkMs, noDelay: true,
  }, request);
  limitConnections(http, most);
  // Without a limit of its own: lines beyond it would be left out without a word.
  http.maxHeadersCount = 0;
  // The application says what it makes of any other expectation, too.
  for (const event of ['checkContinue', 'checkExpectation']) http.on(event, request);
  // Notes an answer behind those who look for the one before it.
  const lastAnswer = watchAnswers(http);
  http.on('upgrade', upgrade);
  // What comes of an upgrade would be mixed with an answer that is still to come; none who waits for it asks so early.
  const isAnswering = (socket: Duplex) => lastAnswer(socket)?.writableFinished === false;
  http.on('connect', (_req, socket) => {
    socket.on('error', () => undefined);
    if (isAnswering(socket)) socket.destroy();
    else answers.upgradeFailure(new AppError('method_not_allowed', 'This is not a proxy.'), socket);
  });
  http.on('clientError', (error: NodeJS.ErrnoException, socket) => { answerClientError(error, socket, { answers, lastAnswer, log }); });

  const connections = () => new Promise<number>((resolve, reject) => {
    http.getConnections((error, count) => { if (error) reject(error); else resolve(count); });
  });

  return { port, connections, again, upgradeAgain, start: () => listen(http, deps.listen), stop: () => close(http, { ...deps, cut: forward.close }) };
}

interface Upgrade { readonly req: IncomingMessage; readonly socket: Duplex; readonly head: Buffer }
