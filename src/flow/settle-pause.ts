import type { ContainerEngine } from '../engine/port.js';
import { membersOf, type RunningInstance } from '../run/instance.js';
import type { Instances } from '../run/instances.js';

export interface SettlePauseDeps {
  readonly engine: Pick<ContainerEngine, 'inspect' | 'resume'>;
  readonly instances: Pick<Instances, 'settled' | 'state' | 'wake'>;
}

/** Somebody else froze what is to run, or let go on what sleeps: the first goes on, the second runs from now on. */
export async function settlePause(instance: RunningInstance, { engine, instances }: SettlePauseDeps): Promise<void> {
  const { release } = instance;
  for (const { container } of membersOf(instance)) {
    // What this server itself does at this moment is no sign of anybody else.
    await instances.settled(release);
    const found = await engine.inspect(container);
    const state = instances.state(release);
    if (found?.running !== true) continue;
    if (found.paused && state === 'running') await engine.resume(container);
    if (!found.paused && state === 'sleeping') await instances.wake(release);
  }
}
