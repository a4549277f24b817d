import type { ContainerId, ProjectName } from '../../src/domain/ids.js';
import type { IdleTimes } from '../../src/domain/project.js';
import { createIdle, type Traffic } from '../../src/run/idle.js';
import { PROJECT, startInstances, type StartedInstances } from './started-instances.js';

export const MINUTE = 60_000;

/** Traffic as a test sets it: who is idle since when, and who has something in flight. */
export function createTraffic({ clock }: Pick<StartedInstances, 'clock'>) {
  const lastUsed = new Map<ContainerId, number>();
  const inFlight = new Map<ContainerId, number>();
  const withdrawn = new Set<ContainerId>();
  const suspended = new Map<ContainerId, () => Promise<void>>();
  let wake: () => void = () => undefined;
  const busy = (id: ContainerId) => (inFlight.get(id) ?? 0) > 0;
  const traffic: Traffic = {
    idleMs: (id) => (busy(id) ? null : clock.monotonic() - (lastUsed.get(id) ?? 0)),
    withdraw: (id) => {
      if (busy(id)) return false;
      withdrawn.add(id);
      return true;
    },
    suspend: (id, letGoOn) => {
      if (busy(id)) return false;
      suspended.set(id, letGoOn);
      return true;
    },
    resume: (id) => { suspended.delete(id); },
    drained: async (id, signal) => {
      signal.addEventListener('abort', () => { wake(); }, { once: true });
      while (busy(id) && !signal.aborted) await new Promise<void>((resolve) => { wake = resolve; });
    },
  };
  return {
    traffic, withdrawn, suspended,
    begin: (id: ContainerId) => { inFlight.set(id, (inFlight.get(id) ?? 0) + 1); },
    end: (id: ContainerId) => { inFlight.set(id, (inFlight.get(id) ?? 0) - 1); lastUsed.set(id, clock.monotonic()); wake(); },
  };
}

export const limit = (stopMs: number | null, sleepMs: number | null = null): ReadonlyMap<ProjectName, IdleTimes> => new Map([[PROJECT, { sleepMs, stopMs }]]);

export async function startIdle(stopMs: number | null = 30 * MINUTE, sleepMs: number | null = null) {
  const house = await startInstances({ program: () => ({ lines: ['up'] }) });
  const use = createTraffic(house);
  const idle = createIdle({ instances: house.instances, traffic: use.traffic, clock: house.clock, log: house.log, times: limit(stopMs, sleepMs) });
  // As housekeeping does.
  house.instances.onChange((change) => { if (change.kind === 'running') use.traffic.resume(change.instance.container); });
  await idle.start();
  return { ...house, ...use, idle, [Symbol.asyncDispose]: async () => { await idle.stop(); await house[Symbol.asyncDispose](); } };
}
