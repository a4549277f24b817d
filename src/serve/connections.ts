import { Agent } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ContainerId } from '../domain/ids.js';

/** Every connection of this server to one container. */
export interface Connections {
  /** Kept open between requests until the container closes them; for what may be sent again when the container closes just then. */
  readonly pooled: Agent;
  /** One connection per request, so that what must not be sent twice never meets one that is about to close. */
  readonly single: Agent;
  /** False once the container is gone: its address may already be another one's. */
  readonly current: boolean;
  /** Counts a socket that left its agent by an upgrade. */
  adopt(socket: Duplex): void;
}

export interface ConnectionTable {
  of(container: ContainerId): Connections;
  /** Closes all connections to a container. */
  forget(container: ContainerId): void;
  /** Closes all connections to all containers. */
  close(): void;
}

/** Keeps the connections per container id and not per address, which the engine gives to the next container (faults K21). */
export function createConnectionTable(): ConnectionTable {
  const table = new Map<ContainerId, { connections: Connections; destroy: () => void }>();
  const forget = (container: ContainerId) => {
    table.get(container)?.destroy();
    table.delete(container);
  };
  return {
    of: (container) => {
      let entry = table.get(container);
      if (entry === undefined) table.set(container, entry = createConnections());
      return entry.connections;
    },
    forget,
    close: () => { for (const container of [...table.keys()]) forget(container); },
  };
}

function createConnections(): { connections: Connections; destroy: () => void } {
  const pooled = new Agent({ keepAlive: true });
  const single = new Agent({ keepAlive: false });
  const upgraded = new Set<Duplex>();
  let current = true;
  return {
    connections: {
      pooled, single,
      get current() { return current; },
      adopt: (socket) => {
        upgraded.add(socket);
        socket.once('close', () => { upgraded.delete(socket); });
      },
    },
    destroy: () => {
      current = false;
      pooled.destroy();
      single.destroy();
      for (const socket of upgraded) socket.destroy();
    },
  };
}
