import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { AppError, ErrorCode } from '../../src/domain/errors.js';
import { parseCommitHash } from '../../src/domain/ids.js';
import type { ContainerId, ReleaseNumber } from '../../src/domain/ids.js';
import type { Clock } from '../../src/kernel/clock.js';
import type { Logger } from '../../src/kernel/log.js';
import type { Forward, ForwardTimeouts, ForwardTo } from '../../src/serve/forward.js';
import { createForward } from '../../src/serve/forward.js';
import type { RawUpstream } from './raw-http.js';
import { startRawUpstream } from './raw-http.js';

export const COMMIT = parseCommitHash('a'.repeat(40));
export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
export const PREVIEW_HOST = 'hash-aaaa.pv.localhost';
const silent: Logger = { error: () => undefined, warn: () => undefined, info: () => undefined, debug: () => undefined, child: () => silent };

/** A plain http.Server in front of one or more upstreams, with nothing on it but a `Forward`. */
export interface Front extends AsyncDisposable {
  readonly port: number;
  readonly server: Server;
  readonly forward: Forward;
  /** Codes of the failures handed back, oldest first. */
  readonly failures: ErrorCode[];
  /** Exchanges that have not ended yet, upgrades included. */
  inFlight(): number;
  /** Ends when no exchange is left. */
  idle(): Promise<void>;
}

export interface FrontOptions {
  /** The upstream's port, or one per request. */
  readonly to: number | ((req: IncomingMessage) => ForwardTo);
  readonly timeouts?: Partial<ForwardTimeouts>;
  readonly trusted?: boolean;
  readonly previewHost?: string;
  readonly token?: string;
  readonly forwarded?: Partial<ForwardTo['forwarded']>;
  readonly clock?: Clock;
}

export const containerId = (text: string): ContainerId => text as ContainerId;

export function forwardTo(port: number, more: Partial<ForwardTo> = {}): ForwardTo {
  return {
    container: containerId('c1'), target: { address: '127.0.0.1', port }, commit: COMMIT, release: 7 as ReleaseNumber,
    previewHost: PREVIEW_HOST, trusted: false, requestId: 'request-1', forwarded: { for: '127.0.0.1', host: `${PREVIEW_HOST}:3000`, proto: 'http', port: '3000' }, ...more,
  };
}

export async function startFront({ to, timeouts = {}, trusted = false, previewHost = PREVIEW_HOST, token, forwarded, clock }: FrontOptions): Promise<Front> {
  const failures: ErrorCode[] = [];
  const forward = createForward({
    log: silent,
    ...(token === undefined ? {} : { token }),
    ...(clock === undefined ? {} : { clock }),
    timeouts: { connectMs: 3_000, responseMs: 10_000, idleMs: 10_000, upgradedIdleMs: 60_000, ...timeouts },
    onFailure: (error, { res }) => { failures.push(error.code); answer(error, res); },
    onUpgradeFailure: (error, { socket }) => {
      failures.push(error.code);
      socket.end(`HTTP/1.1 ${error.status} Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => { socket.destroy(); });
    },
  });
  const base = (req: IncomingMessage) => (typeof to === 'number' ? forwardTo(to) : to(req));
  const where = (req: IncomingMessage) => { const found = base(req); return { ...found, trusted, previewHost, forwarded: { ...found.forwarded, ...forwarded } }; };
  let open = 0;
  let waiting: (() => void)[] = [];
  const count = (exchange: Promise<void>) => {
    open += 1;
    void exchange.then(() => {
      open -= 1;
      if (open === 0) { for (const resolve of waiting) resolve(); waiting = []; }
    });
  };
  const server = createServer((req, res) => { count(forward.request(req, res, where(req))); });
  server.on('checkContinue', (req, res) => { count(forward.request(req, res, where(req))); });
  server.on('upgrade', (req, socket, head) => { count(forward.upgrade(req, { socket, head }, where(req))); });
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => { sockets.add(socket); socket.once('close', () => sockets.delete(socket)); });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port, server, forward, failures,
    inFlight: () => open,
    idle: () => new Promise((resolve) => { if (open === 0) resolve(); else waiting.push(resolve); }),
    [Symbol.asyncDispose]: async () => {
      forward.close();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function answer(error: AppError, res: ServerResponse): void {
  res.writeHead(error.status, { 'Content-Type': 'text/plain' }).end(error.code);
}

/** Answers each request, bodies by length or in chunks included, and keeps the connection. */
export function startAnswering(answer: () => string = () => OK): Promise<RawUpstream> {
  const taken: number[] = [];
  return startRawUpstream((socket, text, connection) => {
    for (let end = endOfRequest(text, taken[connection] ?? 0); end > 0; end = endOfRequest(text, end)) {
      taken[connection] = end;
      socket.write(answer(), 'latin1');
    }
  });
}

/** The end of the whole request that begins there; 0 when more of it must come. */
export function endOfRequest(text: string, from: number): number {
  const head = text.indexOf('\r\n\r\n', from);
  if (head < 0) return 0;
  const lines = text.slice(from, head).toLowerCase();
  const length = Number(/content-length: (\d+)/.exec(lines)?.[1] ?? 0);
  if (!lines.includes('transfer-encoding')) return text.length >= head + 4 + length ? head + 4 + length : 0;
  const last = text.indexOf('0\r\n\r\n', head + 4);
  return last < 0 ? 0 : last + 5;
}

/** One request head that closes the connection behind itself. */
export const get = (lines: string[] = [], target = '/', method = 'GET'): string =>
  `${method} ${target} HTTP/1.1\r\nHost: P.localhost:3000\r\n${lines.map((line) => `${line}\r\n`).join('')}Connection: close\r\n\r\n`;

/** Ends when a number has not changed for many turns of the event loop. */
export async function untilStill(read: () => number): Promise<void> {
  let last = read();
  for (let still = 0; still < 2_000; still += 1) {
    await turn();
    if (read() !== last) still = 0;
    last = read();
  }
}

/** Ends when the test holds; looked at once per turn of the event loop. */
export async function untilTrue(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn();
}

function turn(): Promise<void> {
  return new Promise((resolve) => { setImmediate(resolve); });
}
