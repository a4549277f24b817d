import { setTimeout as wait } from 'node:timers/promises';

/** Time as every part sees it, so that tests can hold it. */
export interface Clock {
  /** Milliseconds since the epoch, for records; may jump. */
  now(): number;
  /** Milliseconds that only ever grow, for durations. */
  monotonic(): number;
  /** Ends after `ms`, or early and without throwing when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async (ms, signal) => {
    await wait(ms, undefined, signal ? { signal } : {}).catch((error: unknown) => {
      if (signal?.aborted !== true) throw error;
    });
  },
};
