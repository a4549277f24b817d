import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { normalizeHost } from '../domain/hosts.js';
import type { RequestRules } from './proxy-guards.js';
import { plainAddress, type Trusts } from './trusted-proxies.js';

type Asking = Pick<IncomingMessage, 'headers' | 'socket'>;

/**
 * Who asks, by which host, and how: the one place that decides how much of what proxies say about it counts.
 * What a peer says that is not a proxy of ours counts for nothing (faults G15).
 */
export interface Callers {
  /** What the application is told about the connection that it cannot see. */
  describe(req: Asking): RequestRules;
  /** The address of the client: the nearest in the chain that is not a proxy of ours. */
  addressOf(req: Asking): string;
  /** The id of a request: that of a proxy of ours, else a new one at each call. */
  requestIdOf(req: Asking): string;
  /** Puts the host that a proxy of ours was asked for in the place of `Host`, for all that read it afterwards. */
  settleHost(req: Asking): void;
  /** Leaves in the headers nothing about the connection but what is so, for the control plane. */
  settleHeaders(req: Asking): void;
}

export interface CallersDeps {
  readonly trusts: Trusts;
  /** Whether people come by https: asked of the configured URL. */
  readonly secure: () => boolean;
}

export function createCallers({ trusts, secure }: CallersDeps): Callers {
  let scheme: 'http' | 'https' | undefined;
  /** Asked once: making a part of the URL costs as much as the rest of a request's preparation. */
  const ownScheme = () => (scheme ??= secure() ? 'https' : 'http');
  const idFor = ({ headers }: Asking, trusted: boolean) => (trusted ? saneId(headers['x-request-id']) : undefined) ?? randomUUID();

  const describe: Callers['describe'] = (req) => {
    const { headers } = req;
    const peer = peerOf(req);
    const trusted = trusts(peer);
    const host = headers.host ?? '';
    const proto = (trusted ? saneScheme(headers['x-forwarded-proto']) : undefined) ?? ownScheme();
    const port = (trusted ? sanePort(headers['x-forwarded-port']) : undefined) ?? portOf(host, proto);
    return { forwarded: { for: peer, host, proto, port }, trusted, requestId: idFor(req, trusted) };
  };

  const addressOf: Callers['addressOf'] = (req) => {
    let client = peerOf(req);
    if (!trusts(client)) return client;
    for (const entry of listIn(req.headers['x-forwarded-for']).toReversed()) {
      const address = addressIn(entry);
      if (address === undefined) break;
      client = address;
      if (!trusts(client)) break;
    }
    return client;
  };

  return {
    describe,
    addressOf,
    requestIdOf: (req) => idFor(req, trusts(peerOf(req))),
    settleHost: (req) => {
      const asked = req.headers['x-forwarded-host'];
      if (typeof asked === 'string' && trusts(peerOf(req)) && normalizeHost(asked) !== undefined) req.headers.host = asked;
    },
    settleHeaders: (req) => {
      const { headers } = req;
      const { forwarded: { host, proto, port } } = describe(req);
      const address = addressOf(req);
      for (const name of Object.keys(headers)) if (CLAIMS.test(name)) Reflect.deleteProperty(headers, name);
      Object.assign(headers, { 'x-forwarded-for': address, 'x-forwarded-host': host, 'x-forwarded-proto': proto, 'x-forwarded-port': port });
    },
  };
}

const CLAIMS = /^(?:forwarded$|x[-_]forwarded[-_]|x[-_]real[-_]ip$)/;

const peerOf = ({ socket }: Asking): string => plainAddress(socket.remoteAddress ?? '');

const listIn = (value: string | string[] | undefined): string[] => (value === undefined ? [] : String(value).split(','));

/** Of several values nobody knows which one was meant: only a single one counts. */
function saneScheme(value: string | string[] | undefined): 'http' | 'https' | undefined {
  const text = typeof value === 'string' ? value.trim().toLowerCase() : undefined;
  return text === 'http' || text === 'https' ? text : undefined;
}

const sanePort = (value: string | string[] | undefined): string | undefined =>
  (typeof value === 'string' && /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 65_535 ? value : undefined);

/** Short, and without anything that a log or a page would have to quote. */
const saneId = (value: string | string[] | undefined): string | undefined =>
  (typeof value === 'string' && value.length <= 128 && /^[\w.:/+=@-]+$/.test(value) ? value : undefined);

/** An address as proxies write it: `10.0.0.1`, `10.0.0.1:1234`, `::1` or `[::1]:1234`. */
function addressIn(entry: string): string | undefined {
  const text = entry.trim();
  const bare = plainAddress(/^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? text.replace(/^([\d.]+):\d+$/, '$1'));
  return isIP(bare) === 0 ? undefined : bare;
}

function portOf(host: string, proto: 'http' | 'https'): string {
  const colon = host.lastIndexOf(':');
  if (colon > host.lastIndexOf(']')) return host.slice(colon + 1);
  return proto === 'https' ? '443' : '80';
}
