import { readFile } from 'node:fs/promises';
import type { ListeningPort } from './port.js';

const LISTEN = '0A';
/** The engine's name server, which listens inside every container on a network of its own. */
const ENGINE_RESOLVER = '0B00007F';

/**
 * Ports on which the process's network listens, ascending; read from the kernel, nothing runs in the container.
 *
 * @returns undefined when this machine does not show it: another host, another process namespace, no permission
 */
export async function readListeningPorts(pid: number, containerId: string): Promise<readonly ListeningPort[] | undefined> {
  try {
    // From another process namespace the number means somebody else: the control group's name tells.
    const groups = await readFile(`/proc/${pid}/cgroup`, 'utf8');
    if (!groups.includes(containerId)) return undefined;
    const [v4, v6] = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8').catch(() => '')));
    return parseListeningPorts(`${v4 ?? ''}\n${v6 ?? ''}`);
  } catch {
    return undefined;
  }
}

/** Reads the kernel's tables of TCP sockets, both families joined; a port is `loopbackOnly` when each of its sockets is. */
export function parseListeningPorts(table: string): readonly ListeningPort[] {
  const loopbackOnly = new Map<number, boolean>();
  for (const line of table.split('\n')) {
    const match = /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) \S+ ([0-9A-F]{2}) /.exec(line);
    if (!match) continue;
    const [, address = '', port = '', state = ''] = match;
    if (state !== LISTEN || address === ENGINE_RESOLVER) continue;
    const number = parseInt(port, 16);
    loopbackOnly.set(number, (loopbackOnly.get(number) ?? true) && isLoopback(address));
  }
  return [...loopbackOnly].map(([port, only]) => ({ port, loopbackOnly: only })).sort((a, b) => a.port - b.port);
}

/** Addresses are in the host's byte order by groups of four bytes: 127.0.0.1 is `0100007F` on little-endian machines. */
function isLoopback(address: string): boolean {
  if (address.length === 8) return address.endsWith('7F') || address.startsWith('7F');
  return /^0{24}(01000000|00000001)$/.test(address) || /^0{16}(FFFF0000|0000FFFF)......7F$/.test(address);
}
