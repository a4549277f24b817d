import { Agent } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Target } from '../domain/target.js';
import type { RawHeaders } from './proxy-guards.js';

const nameOf = ({ host, port }: { readonly host: string; readonly port: string | number }): string => `${host}:${port}`;

/** An agent for one container. Those of node:http ask each answer for more than is wanted here, and make a longer name of it all, thrice per request. */
export function createKeptAgent(mayKeep: (socket: Duplex) => boolean = () => true): Agent {
  const keepSocketAlive = (socket: Socket) => {
    if (!mayKeep(socket)) return false;
    socket.setKeepAlive(true, KEEP_ALIVE_PROBE_MS).unref();
    // The limits of the exchange that is over.
    if (socket.timeout) socket.setTimeout(0);
    return true;
  };
  return Object.assign(new Agent({ keepAlive: true }), { getName: nameOf, keepSocketAlive });
}

const KEEP_ALIVE_PROBE_MS = 1_000;

/** Connections that are kept as long as the container has promised not to close them. */
export interface PromisedConnections {
  readonly agent: Agent;
  /** Whether the agent's next request to the target gets a new connection or one of which that is still so; closes those of which it is not. */
  isSafe(target: Target): boolean;
  /** Reads the promise in an answer's lines. */
  note(socket: Duplex, answer: RawHeaders): void;
}

/**
 * With `Keep-Alive: timeout=5` a server says for how long an idle connection stays open (RFC 2068 section 19.7.1.1). It
 * cannot be idle before its last answer began; the second half of the time is left for delays on either side.
 */
export function createPromisedConnections(monotonic: () => number): PromisedConnections {
  const until = new WeakMap<Duplex, number>();
  const isKept = (socket: Duplex) => !socket.destroyed && (until.get(socket) ?? 0) > monotonic();
  const agent = createKeptAgent(isKept);
  return {
    agent,
    isSafe: ({ address, port }) => {
      const idle = agent.freeSockets[nameOf({ host: address, port })];
      // The agent takes the last one.
      const next = idle?.at(-1);
      if (next === undefined || isKept(next)) return true;
      for (const socket of idle ?? []) if (!isKept(socket)) socket.destroy();
      return false;
    },
    note: (socket, answer) => { until.set(socket, monotonic() + promisedMs(answer) / 2); },
  };
}

const KEEP_ALIVE = 'keep-alive';

function promisedMs(lines: RawHeaders): number {
  for (let at = 0; at < lines.length; at += 2) {
    if (lines[at]?.length !== KEEP_ALIVE.length || lines[at]?.toLowerCase() !== KEEP_ALIVE) continue;
    return Number(/(?:^|[,\s])timeout=(\d{1,5})/i.exec(lines[at + 1] ?? '')?.[1] ?? 0) * 1000;
  }
  return 0;
}
