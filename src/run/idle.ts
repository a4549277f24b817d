import type { ContainerId, ProjectName } from '../domain/ids.js';
import type { IdleTimes } from '../domain/project.js';
import type { Release } from '../domain/release.js';
import { createBackground } from '../kernel/background.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { startLoop, type Loop } from '../kernel/loop.js';
import type { LoopBook } from '../kernel/loop-book.js';
import type { Part } from '../kernel/part.js';
import type { Instances, RunningInstance } from './instances.js';
import { planRest, type RestPlan } from './rest-plan.js';

/** What goes through to containers, as the data plane counts it. */
export interface Traffic {
  /** Milliseconds since the last exchange ended; null while one is in flight. */
  idleMs(container: ContainerId): number | null;
  /** Takes the container's routes out of the table, unless something is in flight. @returns whether it did */
  withdraw(container: ContainerId): boolean;
  /** Keeps what comes for the container until `wake` has ended, unless something is in flight. @returns whether it does */
  suspend(container: ContainerId, wake: () => Promise<void>): boolean;
  /** Lets it through again. */
  resume(container: ContainerId): void;
  /** Ends when nothing is in flight or the signal aborts. */
  drained(container: ContainerId, signal: AbortSignal): Promise<void>;
}

export interface IdleDeps {
  readonly instances: Instances;
  readonly traffic: Traffic;
  readonly clock: Clock;
  readonly log: Logger;
  readonly times: ReadonlyMap<ProjectName, IdleTimes>;
  /** Why a release runs whoever uses it; null for nothing, which is the default. */
  readonly pinned?: (release: Release) => Promise<string | null>;
  /** Where its loop is entered. */
  readonly loops?: LoopBook;
}

/** Lets instances that nobody uses sleep, and then stops them: no new request can reach them before they are told to. */
export interface Idle extends Part {
  /** What becomes of an instance that runs or sleeps, if nobody uses it from now on. */
  plan(instance: RunningInstance): Promise<RestPlan>;
}

const LONGEST_PERIOD_MS = 10_000;
const CHECKS_PER_LIMIT = 10;
const NEVER: IdleTimes = { sleepMs: null, stopMs: null };

export function createIdle({ instances, traffic, clock, log, times, pinned = () => Promise.resolve(null), loops }: IdleDeps): Idle {
  const background = createBackground();
  const resting = new Set<ContainerId>();
  let loop: Loop | undefined;
  /** When what the engine could not freeze was used last: it is not tried again before it was used. */
  const refused = new Map<ContainerId, number>();

  const plan: Idle['plan'] = async ({ release, container }) => {
    const why = await pinned(release);
    // Asked last, since the answer above took its time.
    return planRest({ state: instances.state(release) ?? 'stopping', idleMs: traffic.idleMs(container), times: times.get(release.project) ?? NEVER, pinned: why });
  };

  const noteFailure = (error: unknown) => { log.error('idle instance not laid to rest', { error }); };

  const lastUse = (container: ContainerId): number => Math.round(clock.monotonic() - (traffic.idleMs(container) ?? 0));

  const sleep = async ({ release, container }: RunningInstance) => {
    if (!traffic.suspend(container, async () => { await instances.wake(release); })) return;
    try {
      await instances.sleep(release);
      refused.delete(container);
    } catch (error) {
      refused.set(container, lastUse(container));
      throw error;
    } finally {
      // One that is told to stop meanwhile must not be reached again.
      if (instances.state(release) === 'running') traffic.resume(container);
    }
  };

  const stop = async ({ release, container }: RunningInstance) => {
    if (traffic.withdraw(container)) await instances.stop(release);
  };

  /** One that ends slowly, or an engine that hangs, holds up nobody else. */
  const begin = (instance: RunningInstance, lay: (instance: RunningInstance) => Promise<void>) => {
    resting.add(instance.container);
    void background.begin(lay(instance).finally(() => { resting.delete(instance.container); }), noteFailure);
  };

  const look = async (instance: RunningInstance) => {
    if (resting.has(instance.container)) return;
    const { next, ...planned } = await plan(instance);
    if (next === null || !('inMs' in planned) || planned.inMs > 0) return;
    if (next === 'sleep' && refused.get(instance.container) === lastUse(instance.container)) return;
    const { project, number } = instance.release;
    const idleMs = traffic.idleMs(instance.container);
    log[next === 'sleep' ? 'debug' : 'info'](`idle instance ${next}s`, { project, release: number, idleSeconds: Math.round((idleMs ?? 0) / 1000) });
    begin(instance, next === 'sleep' ? sleep : stop);
  };

  const pass = async () => {
    const results = await Promise.allSettled(instances.living().map(look));
    for (const result of results) if (result.status === 'rejected') noteFailure(result.reason);
  };

  return {
    plan,
    start: () => {
      const shortest = Math.min(...[...times.values()].flatMap(({ sleepMs, stopMs }) => [sleepMs ?? Infinity, stopMs ?? Infinity]));
      loop = startLoop(Math.min(LONGEST_PERIOD_MS, shortest / CHECKS_PER_LIMIT), pass, { clock, log, noted: loops && { book: loops, name: 'idle instances' } });
      return Promise.resolve();
    },
    stop: async () => {
      await loop?.stop();
      await background.settled();
    },
  };
}

/** Stops an instance that another one has replaced, once what it still serves is over or `drainMs` have passed. */
export async function retireInstance({ release, container }: RunningInstance, { instances, traffic, clock }: Pick<IdleDeps, 'instances' | 'traffic' | 'clock'>, drainMs: number): Promise<void> {
  const over = new AbortController();
  await Promise.race([traffic.drained(container, over.signal), clock.sleep(drainMs, over.signal)]);
  over.abort();
  await instances.stop(release);
}
