import type { Clock } from '../../src/kernel/clock.js';

/** A clock that stands until a test moves it. */
export interface FakeClock extends Clock {
  /** Moves time on, waking sleepers in order and letting what they do settle in between. */
  advance(ms: number): Promise<void>;
  /** How many sleep now. */
  readonly sleepers: number;
}

interface Sleeper { readonly until: number; readonly wake: () => void }

export function createFakeClock(startedAt = Date.UTC(2026, 0, 1)): FakeClock {
  let elapsed = 0;
  const sleepers = new Set<Sleeper>();
  const settle = async () => { for (let turn = 0; turn < 20; turn += 1) await new Promise<void>((resolve) => { setImmediate(resolve); }); };
  return {
    now: () => startedAt + elapsed,
    monotonic: () => elapsed,
    sleep: (ms, signal) => new Promise((resolve) => {
      if (signal?.aborted) { resolve(); return; }
      const sleeper: Sleeper = { until: elapsed + Math.max(0, ms), wake: () => { sleepers.delete(sleeper); resolve(); } };
      sleepers.add(sleeper);
      signal?.addEventListener('abort', sleeper.wake, { once: true });
    }),
    advance: async (ms) => {
      const end = elapsed + ms;
      await settle();
      for (;;) {
        const [next] = [...sleepers].filter(({ until }) => until <= end).sort((a, b) => a.until - b.until);
        if (!next) break;
        elapsed = Math.max(elapsed, next.until);
        next.wake();
        await settle();
      }
      elapsed = end;
      await settle();
    },
    get sleepers() { return sleepers.size; },
  };
}
