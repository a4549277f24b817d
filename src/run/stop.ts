import type { ContainerId } from '../domain/ids.js';
import type { Release } from '../domain/release.js';
import type { ContainerEngine } from '../engine/port.js';
import type { RunLogs } from './logs.js';

export interface StopDeps {
  readonly engine: Pick<ContainerEngine, 'stop' | 'remove'>;
  readonly logs: Pick<RunLogs, 'keep'>;
}

/** Ends a container with SIGTERM, keeps what it printed, and removes it: nothing written inside survives. */
export async function stopContainer({ release, container }: { release: Release; container: ContainerId }, { engine, logs }: StopDeps): Promise<void> {
  await engine.stop(container, release.config.stopTimeoutMs);
  await logs.keep(release, container);
  await engine.remove(container);
}
