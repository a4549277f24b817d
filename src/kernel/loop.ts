import type { Clock } from './clock.js';
import type { Logger } from './log.js';

/** One pass of a loop; the signal aborts when the loop is stopped. */
export type Step = (signal: AbortSignal) => Promise<void>;

export interface Loop {
  /** Aborts the current step and waits for it to end. Safe twice. */
  stop(): Promise<void>;
}

/** Repeats a step with a pause of `periodMs` after each; a step that throws is logged and the loop goes on. */
export function startLoop(periodMs: number, step: Step, { clock, log }: { clock: Clock; log: Logger }): Loop {
  const stopping = new AbortController();
  const { signal } = stopping;
  // A step that throws before its first await must not end the loop either.
  const pass = async () => { await step(signal); };
  const run = async () => {
    while (!signal.aborted) {
      await pass().catch((error: unknown) => {
        if (!signal.aborted) log.error('loop step failed', { error });
      });
      await clock.sleep(periodMs, signal);
    }
  };
  const finished = run();
  return { stop: async () => { stopping.abort(); await finished; } };
}
