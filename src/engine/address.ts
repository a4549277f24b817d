import { createConnection } from 'node:net';
import { join } from 'node:path';
import { AppError } from '../domain/errors.js';

/** Where a container engine listens. */
export type EngineAddress =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** Where to look for an engine. */
export interface EngineSearch {
  /** The value of `DOCKER_HOST`; when it is set, nothing else is tried. */
  readonly dockerHost: string | undefined;
  /** The user's home folder, where Docker Desktop keeps its socket. */
  readonly home: string;
  /** The engine’s socket for all users; default `/var/run/docker.sock`. */
  readonly systemSocket?: string;
}

const CONNECT_MS = 3_000;
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such socket',
  ENOTSOCK: 'not a socket',
  ECONNREFUSED: 'nobody listens',
  EACCES: 'no permission: add this user to the group “docker”',
  ENOTFOUND: 'unknown host',
};

/**
 * Finds the first address at which something accepts connections: `DOCKER_HOST`, or else the two usual sockets.
 *
 * @throws AppError `engine_unavailable` that names everything tried, and why each failed
 */
export async function findEngineAddress({ dockerHost, home, systemSocket = '/var/run/docker.sock' }: EngineSearch): Promise<EngineAddress> {
  const given = dockerHost !== undefined && dockerHost !== '';
  const candidates = given ? [parseDockerHost(dockerHost)] : usualSockets(systemSocket, home);
  const tried: string[] = [];
  for (const address of candidates) {
    const fault = await tryToConnect(address);
    if (fault === undefined) return address;
    tried.push(`${given ? 'DOCKER_HOST=' : ''}${formatAddress(address)} (${fault})`);
  }
  throw new AppError('engine_unavailable', `No container engine answers. Tried ${tried.join(', ')}. Start Docker, or set DOCKER_HOST to where it listens.`);
}

/**
 * Reads `unix:///path`, `tcp://host[:port]` or `http://host[:port]`; the port is 2375 when there is none.
 *
 * @throws AppError `engine_unavailable` for everything else
 */
export function parseDockerHost(text: string): EngineAddress {
  const unix = /^unix:\/\/(\/.+)$/.exec(text);
  if (unix?.[1] !== undefined) return { kind: 'socket', path: unix[1] };
  const tcp = /^(?:tcp|http):\/\/(\[[0-9a-fA-F:]+\]|[^:/[\]]+)(?::(\d{1,5}))?\/?$/.exec(text);
  if (tcp?.[1] !== undefined) return { kind: 'tcp', host: tcp[1], port: Number(tcp[2] ?? 2375) };
  throw new AppError('engine_unavailable', `DOCKER_HOST=${text} cannot be used: give unix:///path/to/docker.sock or tcp://host:port.`);
}

/** The address as people write it in `DOCKER_HOST`. */
export function formatAddress(address: EngineAddress): string {
  return address.kind === 'socket' ? `unix://${address.path}` : `tcp://${address.host}:${address.port}`;
}

function usualSockets(systemSocket: string, home: string): readonly EngineAddress[] {
  return [{ kind: 'socket', path: systemSocket }, { kind: 'socket', path: join(home, '.docker/run/docker.sock') }];
}

/** @returns why it failed; undefined when it did not */
function tryToConnect(address: EngineAddress): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = address.kind === 'socket'
      ? createConnection({ path: address.path })
      : createConnection({ host: address.host.replace(/^\[|\]$/g, ''), port: address.port });
    const finish = (fault: string | undefined) => { socket.destroy(); resolve(fault); };
    socket.setTimeout(CONNECT_MS, () => { finish('no answer'); });
    socket.once('connect', () => { finish(undefined); });
    socket.once('error', (error: NodeJS.ErrnoException) => { finish(REASONS[error.code ?? ''] ?? error.code ?? error.message); });
  });
}
