import { ClientRequest, type Agent, type IncomingMessage, type ServerResponse } from 'node:http';
import { Stream } from 'node:stream';
import httpProxy from 'http-proxy';
import type { Target } from '../domain/target.js';
import type { RawHeaders } from './proxy-guards.js';

/** What goes out, complete: http-proxy adds nothing to it. */
export interface Outgoing {
  readonly target: Target;
  readonly path: string;
  /** All lines, those about the body included. */
  readonly headers: RawHeaders;
  readonly agent: Agent;
  /** Gets hold of the request before anything of it is sent, and sends its body. Must not look at `req.headers`. */
  readonly begin: (outgoing: ClientRequest) => void;
}

/** Dials through http-proxy. Throws what node:http throws for a request that cannot be written. */
export type Dial = (req: IncomingMessage, res: ServerResponse, outgoing: Outgoing) => void;

/** What http-proxy copies of a target, and ours has none of. */
const UNUSED = ['hostname', 'socketPath', 'pfx', 'key', 'passphrase', 'cert', 'ca', 'ciphers', 'secureProtocol', 'localAddress'];

/**
 * The only use of http-proxy, with everything kept away from it that it does to a request:
 * - It sends a copy of `req.headers`, joins what came in several lines, collapses `//` and turns `\\` into `/` in paths, and
 *   declares the bodies of DELETE and OPTIONS empty while sending them (faults G13, G19). `ssl` is the object that it
 *   fills with the options of a request. At the very last, for a Host line of its own (`changeOrigin`), it looks at the
 *   target's protocol: there the lines and the path are put right, and the Host line goes nowhere.
 * - It pipes `buffer` into the outgoing request: ours hands that request over, before anything of it is sent.
 * - `selfHandleResponse` leaves the answer to us. Without a listener its `error` event would end the process.
 *
 * There is one of each for all requests, as the call ends before the next can begin: of their own they cost a fifth of the throughput.
 */
export function createDial(): Dial {
  const proxy = httpProxy.createProxyServer({ selfHandleResponse: true, toProxy: true, ignorePath: true, prependPath: false, changeOrigin: true });
  proxy.on('error', () => undefined);
  const buffer = new Stream();
  let current: Outgoing | undefined;
  buffer.pipe = (outgoing) => {
    if (current && outgoing instanceof ClientRequest) current.begin(outgoing);
    return outgoing;
  };
  const ssl = createOptions();
  const target = {
    host: '', port: '',
    get protocol() {
      if (current) { ssl.headers = current.headers; ssl.path = current.path; }
      return 'http:';
    },
  };
  return (req, res, outgoing) => {
    const received = req.headers;
    req.headers = {};
    current = outgoing;
    target.host = outgoing.target.address;
    target.port = String(outgoing.target.port);
    try {
      proxy.web(req, res, { agent: outgoing.agent, buffer, ssl, target });
    } finally {
      req.headers = received;
      current = undefined;
    }
  };
}

/** Takes what http-proxy writes and keeps what is used: node:http copies all of it three times per request, and accessors slowly. */
function createOptions(): { headers: RawHeaders; path: string } {
  const prototype = Object.fromEntries(UNUSED.map((name) => [name, { get: () => undefined, set: () => undefined }]));
  // The name of the server would else be looked for in the lines, for a certificate that there is not.
  return Object.assign(Object.create(Object.defineProperties({}, prototype)) as object, { headers: [], path: '/', servername: '', host: '', port: '', method: '', agent: undefined });
}
