import type { ContainerId, ProjectName } from '../domain/ids.js';
import type { Release } from '../domain/release.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { startLoop, type Loop } from '../kernel/loop.js';
import type { LoopBook } from '../kernel/loop-book.js';
import type { Part } from '../kernel/part.js';
import type { Instances, RunningInstance } from './instances.js';

/** What goes through to containers, as the data plane counts it. */
export interface Traffic {
  /** Milliseconds since the last exchange ended; null while one is in flight. */
  idleMs(container: ContainerId): number | null;
  /** Takes the container's routes out of the table, unless something is in flight. @returns whether it did */
  withdraw(container: ContainerId): boolean;
  /** Ends when nothing is in flight or the signal aborts. */
  drained(container: ContainerId, signal: AbortSignal): Promise<void>;
}

export interface IdleDeps {
  readonly instances: Instances;
  readonly traffic: Traffic;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds with nothing in flight after which a project's containers stop; null for never. */
  readonly stopAfterMs: ReadonlyMap<ProjectName, number | null>;
  /** Whether an instance may be stopped when nobody uses it; default: any. */
  readonly mayStop?: (release: Release) => Promise<boolean>;
  /** Where its loop is entered. */
  readonly loops?: LoopBook;
}

const LONGEST_PERIOD_MS = 10_000;
const CHECKS_PER_LIMIT = 10;

/** Stops instances that nobody uses: no new request can reach them before they are told to end. */
export function createIdle({ instances, traffic, clock, log, stopAfterMs, mayStop = () => Promise.resolve(true), loops }: IdleDeps): Part {
  let loop: Loop | undefined;
  const stopIfIdle = async ({ release, container }: RunningInstance) => {
    const idle = traffic.idleMs(container);
    const limit = stopAfterMs.get(release.project) ?? Infinity;
    if (idle === null || idle < limit || !await mayStop(release) || !traffic.withdraw(container)) return;
    log.info('idle instance stops', { project: release.project, release: release.number, idleSeconds: Math.round(idle / 1000) });
    await instances.stop(release);
  };
  const pass = async () => {
    const results = await Promise.allSettled(instances.running().map(stopIfIdle));
    for (const result of results) if (result.status === 'rejected') log.error('idle instance not stopped', { error: result.reason });
  };
  return {
    start: () => {
      const shortest = Math.min(...[...stopAfterMs.values()].map((limit) => limit ?? Infinity));
      loop = startLoop(Math.min(LONGEST_PERIOD_MS, shortest / CHECKS_PER_LIMIT), pass, { clock, log, noted: loops && { book: loops, name: 'idle instances' } });
      return Promise.resolve();
    },
    stop: async () => { await loop?.stop(); },
  };
}

/** Stops an instance that another one has replaced, once what it still serves is over or `drainMs` have passed. */
export async function retireInstance({ release, container }: RunningInstance, { instances, traffic, clock }: Pick<IdleDeps, 'instances' | 'traffic' | 'clock'>, drainMs: number): Promise<void> {
  const over = new AbortController();
  await Promise.race([traffic.drained(container, over.signal), clock.sleep(drainMs, over.signal)]);
  over.abort();
  await instances.stop(release);
}
