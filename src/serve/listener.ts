import { ServerResponse, type IncomingMessage, type RequestListener, type Server as HttpServer } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { AppError } from '../domain/errors.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import type { Answers } from './answers.js';

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

/** Once the listener is closed, a connection ends with the answer that is in flight on it: its next request belongs to the next server. */
export function closeWhenAnswered(http: HttpServer): void {
  http.on('request', (_req, res: ServerResponse) => { res.once('close', () => { if (!http.listening) http.closeIdleConnections(); }); });
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

/** What is not HTTP gets one line of HTTP and the end of the connection. */
export function answerClientError(error: NodeJS.ErrnoException, { socket, answers, log }: { socket: Duplex; answers: Answers; log: Logger }): void {
  log.debug('client error', { code: error.code });
  if (error.code === 'ECONNRESET' || !socket.writable) { socket.destroy(); return; }
  if (error.code === 'HPE_HEADER_OVERFLOW') answers.upgradeFailure(new AppError('header_too_large', 'The header is larger than 16 KiB.'), socket);
  else if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') answers.upgradeFailure(new AppError('request_timeout', 'The request did not arrive in time.'), socket);
  else answers.upgradeFailure(new AppError('invalid_request', 'This is not a request that HTTP allows.'), socket);
}

/** Upgrades to anything but WebSocket (h2c, say) are offers that a server may ignore: the request is answered as it is. */
export function answerWithoutUpgrade(req: IncomingMessage, socket: Duplex, request: RequestListener): void {
  if (!(socket instanceof Socket)) { socket.destroy(); return; }
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  res.assignSocket(socket);
  res.on('finish', () => { res.detachSocket(socket); socket.end(); });
  request(req, res);
}
