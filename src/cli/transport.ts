import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';

export interface Sent {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

export interface Received {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Read it to its end, or leave its iteration: both close the connection. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Sends one request and gives its answer, the body unread. Rejects with a system error when there is none, `isBroken` where the server may have had the request. */
export type Send = (request: Sent) => Promise<Received>;

const CONNECT_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;

/**
 * One connection for each request, and all the time in the world once it stands. Not the global `fetch`: it gives up
 * after five minutes without a header or a byte, which a publish that builds, a migration and a quiet log all take, and
 * only undici's own Agent could tell it otherwise.
 *
 * @see https://undici.nodejs.org/#/docs/api/Client?id=parameter-clientoptions
 */
export const sendByHttp: Send = ({ method, url, headers, body }) => new Promise((resolve, reject) => {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const asked = request(url, { method, headers, agent: false }, (answer) => {
    resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer });
  });
  let stands = false;
  asked.on('error', (error) => { reject(Object.assign(error, { isBroken: stands })); });
  asked.on('socket', (socket) => {
    socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => { stands = true; });
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.setTimeout(CONNECT_MS, () => { asked.destroy(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' })); });
    socket.once('connect', () => { socket.setTimeout(0); });
  });
  asked.end(body);
});
