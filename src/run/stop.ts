import { AppError } from '../domain/errors.js';
import type { Release } from '../domain/release.js';
import type { ContainerEngine } from '../engine/port.js';
import { settleAll } from '../kernel/settle-all.js';
import type { ProcessContainer } from './instance.js';
import type { RunLogs } from './logs.js';
import { describeExit } from './reasons.js';

export interface StopDeps {
  readonly engine: Pick<ContainerEngine, 'stop' | 'inspect' | 'remove'>;
  readonly logs: Pick<RunLogs, 'keep' | 'last'>;
}

interface Stopping { readonly release: Release; readonly members: readonly ProcessContainer[] }

/** Ends containers of a release with SIGTERM, all at once, keeps what they printed, and removes them: nothing written inside survives. */
export async function stopContainers({ release, members }: Stopping, { engine, logs }: { engine: Pick<ContainerEngine, 'stop' | 'remove'>; logs: Pick<RunLogs, 'keep'> }): Promise<void> {
  await settleAll(members.map(({ container }) => engine.stop(container, release.config.stopTimeoutMs)));
  await clearAway({ release, members }, { engine, logs });
}

/** Keeps what containers of a release printed and removes them, whatever they do. */
export async function clearAway({ release, members }: Stopping, { engine, logs }: { engine: Pick<ContainerEngine, 'remove'>; logs: Pick<RunLogs, 'keep'> }): Promise<void> {
  const { project, number } = release;
  await settleAll(members.map(async (member) => {
    await logs.keep({ project, number, process: member.process }, member.container);
    await engine.remove(member.container);
  }));
}

/** Why an application ended by itself; undefined when its container did not end, is gone, or nobody can tell. */
export async function findCrash({ release, member }: { release: Release; member: ProcessContainer }, { engine, logs }: StopDeps): Promise<AppError | undefined> {
  const found = await engine.inspect(member.container).catch(() => undefined);
  if (!found?.exit) return undefined;
  return new AppError('crashed', describeExit(found.exit, release, { of: member.process }), { details: { lastLines: await logs.last(release, member.container) } });
}
