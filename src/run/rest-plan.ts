import type { IdleTimes } from '../domain/project.js';
import type { InstanceState } from '../domain/state.js';

/** What is known of an instance that might rest. */
export interface RestFacts {
  readonly state: InstanceState;
  /** Milliseconds since the last exchange ended; null while one is in flight. */
  readonly idleMs: number | null;
  readonly times: IdleTimes;
  /** Why it is to run whoever uses it, such as `stage`; null for nothing. */
  readonly pinned: string | null;
}

/** What becomes of an instance that nobody uses from now on, and in how many milliseconds; or why nothing does. */
export type RestPlan =
  | { readonly next: 'sleep' | 'stop'; readonly inMs: number }
  | { readonly next: null; readonly why: string };

/** Sleep first, then stop; one that is to stop before it would sleep does not sleep. */
export function planRest({ state, idleMs, times, pinned }: RestFacts): RestPlan {
  if (state === 'starting' || state === 'stopping') return { next: null, why: state };
  if (pinned !== null) return { next: null, why: pinned };
  if (idleMs === null) return { next: null, why: 'in use' };
  const sleepMs = state === 'sleeping' ? Infinity : times.sleepMs ?? Infinity;
  const stopMs = times.stopMs ?? Infinity;
  const soonest = Math.min(sleepMs, stopMs);
  if (soonest === Infinity) return { next: null, why: 'never, by its settings' };
  const isStop = stopMs <= sleepMs || idleMs >= stopMs;
  return { next: isStop ? 'stop' : 'sleep', inMs: Math.max(0, (isStop ? stopMs : sleepMs) - idleMs) };
}
