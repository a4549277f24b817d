import type { ProjectName } from '../domain/ids.js';
import type { Clock } from './clock.js';
import type { Logger } from './log.js';
import type { LoopBook } from './loop-book.js';

/** One pass of a loop; the signal aborts when the loop is stopped. */
export type Step = (signal: AbortSignal) => Promise<void>;

export interface Loop {
  /** Aborts the current step and waits for it to end. Safe twice. */
  stop(): Promise<void>;
}

export interface LoopDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** Where its passes are noted, under its name; a project's own with that. */
  readonly noted?: { readonly book: LoopBook; readonly name: string; readonly project?: ProjectName } | undefined;
}

/** Repeats a step with a pause of `periodMs` after each; a step that throws is logged and the loop goes on. */
export function startLoop(periodMs: number, step: Step, { clock, log, noted }: LoopDeps): Loop {
  const stopping = new AbortController();
  const entry = noted?.book.enter({ name: noted.name, project: noted.project ?? null, periodMs });
  const { signal } = stopping;
  // A step that throws before its first await must not end the loop either.
  const pass = async () => { await step(signal); };
  const run = async () => {
    while (!signal.aborted) {
      entry?.began();
      await pass().then(entry?.ended, (error: unknown) => {
        if (signal.aborted) return;
        entry?.failed(error);
        log.error('loop step failed', { ...(noted ? { loop: noted.name } : {}), error });
      });
      await clock.sleep(periodMs, signal);
    }
    entry?.left();
  };
  const finished = run();
  return { stop: async () => { stopping.abort(); await finished; } };
}
