import { createServer as createHttpServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { AppError } from '../domain/errors.js';
import type { HostReader } from '../domain/hosts.js';
import type { Urls } from '../domain/urls.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import type { Part } from '../kernel/part.js';
import { hasBody, type Answers } from './answers.js';
import type { Forward, ForwardTo } from './forward.js';
import { ALLOWED_METHODS, faultOf, toOriginForm } from './request-faults.js';
import type { Hold } from './hold.js';
import { answerClientError, answerWithoutUpgrade, close, closeWhenAnswered, listen } from './listener.js';
import { classifyRequest } from './request-kind.js';
import { isReserved } from './reserved.js';
import type { RoutingEntry, RoutingTable } from './routing.js';

export interface ServerDeps {
  readonly listen: { readonly address: string; readonly port: number };
  readonly routing: RoutingTable;
  readonly forward: Forward;
  readonly hold: Hold;
  readonly answers: Answers;
  readonly hosts: HostReader;
  readonly urls: Urls;
  /** The control plane. */
  readonly control: RequestListener;
  /** Whether a peer lies in a network of previews, which may not use the control plane. */
  readonly isPreviewPeer: (address: string) => boolean;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long a stop waits for what is in flight, in milliseconds. */
  readonly drainMs: number;
}

export interface Server extends Part {
  /** The port it listens on; before `start` the one it is to listen on. */
  port(): number;
}

const HEADERS_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_MS = 65_000;
const CHECK_MS = 5_000;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_CONNECTIONS = 10_000;

/**
 * The one listener. A running preview: host in a map → forward; nothing else happens on that path.
 * All other hosts: the control plane, a preview that must be opened first, or nobody's.
 */
export function createServer(deps: ServerDeps): Server {
  const { routing, forward, hold, answers, hosts, urls, log } = deps;
  const port = () => (http.address() as AddressInfo | null)?.port ?? deps.listen.port;

  let scheme: 'http' | 'https' | undefined;
  /** Asked of the configured URL once: making one of its parts costs as much as the rest of a request's preparation. */
  const schemeOf = () => (scheme ??= urls.secure ? 'https' : 'http');

  const targetOf = (entry: RoutingEntry, req: IncomingMessage): ForwardTo => {
    const host = req.headers.host ?? '';
    const proto = schemeOf();
    return {
      container: entry.container, target: entry.target, commit: entry.commit, release: entry.release, previewHost: host.replace(/:\d+$/, ''),
      forwarded: { for: req.socket.remoteAddress ?? '', host, proto, port: /:(\d+)$/.exec(host)?.[1] ?? (proto === 'https' ? '443' : '80') },
    };
  };

  const pass = (entry: RoutingEntry, req: IncomingMessage, res: ServerResponse) => {
    const end = classifyRequest(req) === 'passive' ? () => undefined : entry.begin();
    forward.request(req, res, targetOf(entry, req)).finally(end).catch((error: unknown) => { log.error('forward failed', { error }); });
    return true;
  };

  const passUpgrade = (entry: RoutingEntry, { req, socket, head }: Upgrade) => {
    forward.upgrade(req, { socket, head }, targetOf(entry, req)).finally(entry.begin()).catch((error: unknown) => { log.error('upgrade failed', { error }); });
    return true;
  };

  const request = (req: IncomingMessage, res: ServerResponse) => {
    toOriginForm(req);
    const entry = routing.find(req.headers.host);
    const fault = faultOf(req);
    if (fault) refuse(req, res, fault);
    else if (entry && !isReserved(req.url)) pass(entry, req, res);
    else dispatch(req, res);
  };

  const refuse = (req: IncomingMessage, res: ServerResponse, error: AppError) => {
    if (error.status === 405) res.setHeader('Allow', ALLOWED_METHODS);
    answers.failure({ req, res, page: classifyRequest(req) === 'navigation' }, error);
  };

  const dispatch = (req: IncomingMessage, res: ServerResponse) => {
    const meaning = hosts.read(req.headers.host);
    switch (meaning.kind) {
      case 'control': case 'address': control(req, res, meaning.kind); return;
      case 'nothing': refuse(req, res, new AppError('unknown_preview', `No preview is named ${meaning.host}.`)); return;
      case 'unknown': refuse(req, res, new AppError('unknown_host', `This server is ${urls.at(urls.serverHost)}.`)); return;
      case 'preview': {
        const again = () => { const entry = routing.find(req.headers.host); return entry !== undefined && pass(entry, req, res); };
        hold.request(req, res, { ...meaning, forward: again }).catch((error: unknown) => { log.error('held request not answered', { error }); res.destroy(); });
      }
    }
  };

  const control = (req: IncomingMessage, res: ServerResponse, kind: 'control' | 'address') => {
    const path = (req.url ?? '').split('?')[0] ?? '';
    if (deps.isPreviewPeer(req.socket.remoteAddress ?? '')) refuse(req, res, new AppError('from_preview_network', 'This address belongs to a preview.'));
    else if (kind === 'control' || /^\/(?:healthz|readyz|api(?:\/.*)?)$/.test(path)) { if (req.headers.expect !== undefined) res.writeContinue(); deps.control(req, res); }
    else if (path === '/') answers.redirect(res, urls.at(urls.serverHost));
    else refuse(req, res, new AppError('unknown_host', `This server is ${urls.at(urls.serverHost)}.`));
  };

  const upgrade = (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => undefined);
    if (!/^websocket$/i.test(req.headers.upgrade ?? '')) {
      // node:http hands a body over as raw bytes here: half of a request must not look like a whole one.
      if (hasBody(req)) answers.upgradeFailure(new AppError('invalid_request', 'A request with a body cannot ask for an upgrade: send it without Upgrade.'), socket);
      else answerWithoutUpgrade(req, socket, request);
      return;
    }
    toOriginForm(req);
    const fault = faultOf(req);
    if (fault) { answers.upgradeFailure(fault, socket); return; }
    const entry = routing.find(req.headers.host);
    if (entry && !isReserved(req.url)) { passUpgrade(entry, { req, socket, head }); return; }
    const meaning = hosts.read(req.headers.host);
    if (meaning.kind !== 'preview' || isReserved(req.url)) {
      answers.upgradeFailure(new AppError(meaning.kind === 'unknown' ? 'unknown_host' : 'not_found', 'There is no WebSocket here.'), socket);
      return;
    }
    const again = () => { const found = routing.find(req.headers.host); return found !== undefined && passUpgrade(found, { req, socket, head }); };
    hold.upgrade(socket, { ...meaning, forward: again }).catch((error: unknown) => { log.error('held upgrade not answered', { error }); socket.destroy(); });
  };

  const http = createHttpServer({
    maxHeaderSize: MAX_HEADER_BYTES, insecureHTTPParser: false, requireHostHeader: true, headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: 0, keepAliveTimeout: KEEP_ALIVE_MS, connectionsCheckingInterval: CHECK_MS, noDelay: true,
  }, request);
  http.maxConnections = MAX_CONNECTIONS;
  closeWhenAnswered(http);
  http.on('checkContinue', request);
  http.on('upgrade', upgrade);
  http.on('connect', (_req, socket) => { socket.on('error', () => undefined); answers.upgradeFailure(new AppError('method_not_allowed', 'This is not a proxy.'), socket); });
  http.on('clientError', (error: NodeJS.ErrnoException, socket) => { answerClientError(error, { socket, answers, log }); });

  return { port, start: () => listen(http, deps.listen), stop: () => close(http, { ...deps, cut: forward.close }) };
}

interface Upgrade { readonly req: IncomingMessage; readonly socket: Duplex; readonly head: Buffer }
