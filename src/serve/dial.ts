import type { Agent, IncomingMessage, ServerResponse } from 'node:http';
import { ClientRequest } from 'node:http';
import { Stream } from 'node:stream';
import httpProxy from 'http-proxy';
import type { Target } from '../domain/target.js';
import type { RawHeaders } from './proxy-guards.js';

/** What goes out, complete: http-proxy adds nothing to it. */
export interface Outgoing {
  readonly target: Target;
  readonly path: string;
  readonly headers: RawHeaders;
  /** Lines about the body. */
  readonly bodyLines: RawHeaders;
  readonly agent: Agent;
  /** Gets hold of the request before anything of it is sent, and sends its body. Must not look at `req.headers`. */
  readonly begin: (outgoing: ClientRequest) => void;
}

/** Dials through http-proxy. Throws what node:http throws for a request that cannot be written. */
export type Dial = (req: IncomingMessage, res: ServerResponse, outgoing: Outgoing) => void;

/**
 * The only use of http-proxy, with everything kept away from it that it does to a request:
 * - It sends `req.headers`, last line first: for the moment of the call these are the lines that may go out, reversed.
 * - It collapses `//` and turns `\\` into `/` in paths, and declares the bodies of DELETE and OPTIONS empty while
 *   sending them; path and body lines are therefore set behind it (faults G13, G19).
 * - It pipes `buffer` into the outgoing request: ours hands that request over, before anything of it is sent. There is
 *   one for all, as the call ends before the next can begin; one for each cost a fifth of the throughput.
 * - `selfHandleResponse` leaves the answer to us. Without a listener its `error` event would end the process.
 */
export function createDial(): Dial {
  const proxy = httpProxy.createProxyServer({ selfHandleResponse: true, toProxy: true, ignorePath: true, prependPath: false });
  proxy.on('error', () => undefined);
  const buffer = new Stream();
  let current: Outgoing | undefined;
  buffer.pipe = (outgoing) => {
    if (current && outgoing instanceof ClientRequest) handOver(outgoing, current);
    return outgoing;
  };
  return (req, res, outgoing) => {
    const { target, agent } = outgoing;
    const received = req.headers;
    req.headers = lastToFirst(outgoing.headers);
    current = outgoing;
    try {
      proxy.web(req, res, { agent, buffer, target: { protocol: 'http:', host: target.address, port: String(target.port) } });
    } finally {
      req.headers = received;
      current = undefined;
    }
  };
}

function handOver(request: ClientRequest, { path, bodyLines, begin }: Outgoing): void {
  request.path = path;
  request.removeHeader('content-length');
  for (let at = 0; at + 1 < bodyLines.length; at += 2) request.setHeader(bodyLines[at] ?? '', bodyLines[at + 1] ?? '');
  begin(request);
}

function lastToFirst(lines: RawHeaders): Record<string, string | string[]> {
  const reversed: Record<string, string | string[]> = {};
  for (let at = lines.length - 2; at >= 0; at -= 2) {
    const name = lines[at] ?? '';
    const value = lines[at + 1] ?? '';
    const after = Object.hasOwn(reversed, name) ? reversed[name] : undefined;
    if (after === undefined) reversed[name] = value;
    else reversed[name] = [value, ...(typeof after === 'string' ? [after] : after)];
  }
  return reversed;
}
