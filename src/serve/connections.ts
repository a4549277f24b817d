import { Agent } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ContainerId } from '../domain/ids.js';
import { createKeptAgent, createPromisedConnections, type PromisedConnections } from './kept-agents.js';

/** Every connection of this server to one container. */
export interface Connections {
  /** Kept open between requests until the container closes them; for what may be sent again when the container closes just then. */
  readonly pooled: Agent;
  /** For what must not be sent twice: kept as long as they are surely not about to close. */
  readonly promised: PromisedConnections;
  /** A new connection for each request, which closes behind it. */
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
export function createConnectionTable(monotonic: () => number): ConnectionTable {
  const table = new Map<ContainerId, { connections: Connections; destroy: () => void }>();
  const forget = (container: ContainerId) => {
    table.get(container)?.destroy();
    table.delete(container);
  };
  return {
    of: (container) => {
      let entry = table.get(container);
      if (entry === undefined) table.set(container, entry = createConnections(monotonic));
      return entry.connections;
    },
    forget,
    close: () => { for (const container of [...table.keys()]) forget(container); },
  };
}

function createConnections(monotonic: () => number): { connections: Connections; destroy: () => void } {
  const pooled = createKeptAgent();
  const promised = createPromisedConnections(monotonic);
  const single = new Agent({ keepAlive: false });
  const upgraded = new Set<Duplex>();
  let current = true;
  return {
    connections: {
      pooled, promised, single,
      get current() { return current; },
      adopt: (socket) => {
        upgraded.add(socket);
        socket.once('close', () => { upgraded.delete(socket); });
      },
    },
    destroy: () => {
      current = false;
      for (const agent of [pooled, promised.agent, single]) agent.destroy();
      for (const socket of upgraded) socket.destroy();
    },
  };
}
