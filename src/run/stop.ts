import { AppError } from '../domain/errors.js';
import type { ContainerId } from '../domain/ids.js';
import type { Release } from '../domain/release.js';
import type { ContainerEngine } from '../engine/port.js';
import type { RunLogs } from './logs.js';
import { describeExit } from './start.js';

export interface StopDeps {
  readonly engine: Pick<ContainerEngine, 'stop' | 'inspect' | 'remove'>;
  readonly logs: Pick<RunLogs, 'keep' | 'last'>;
}

interface Stopping { readonly release: Release; readonly container: ContainerId }

/** Ends a container with SIGTERM, keeps what it printed, and removes it: nothing written inside survives. */
export async function stopContainer({ release, container }: Stopping, { engine, logs }: Pick<StopDeps, 'logs'> & { engine: Pick<ContainerEngine, 'stop' | 'remove'> }): Promise<void> {
  await engine.stop(container, release.config.stopTimeoutMs);
  await clearAway({ release, container }, { engine, logs });
}

/** Keeps what a container printed and removes it, whatever it does. */
export async function clearAway({ release, container }: Stopping, { engine, logs }: { engine: Pick<ContainerEngine, 'remove'>; logs: Pick<RunLogs, 'keep'> }): Promise<void> {
  await logs.keep(release, container);
  await engine.remove(container);
}

/** Why an application ended by itself; undefined when its container did not end, is gone, or nobody can tell. */
export async function findCrash({ release, container }: Stopping, { engine, logs }: StopDeps): Promise<AppError | undefined> {
  const found = await engine.inspect(container).catch(() => undefined);
  if (!found?.exit) return undefined;
  return new AppError('crashed', describeExit(found.exit, release), { details: { lastLines: await logs.last(container) } });
}
