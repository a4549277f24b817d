import type { AppError } from '../domain/errors.js';
import type { Clock } from './clock.js';

export interface Deadline {
  readonly ms: number;
  readonly clock: Clock;
  readonly error: () => AppError;
  /** The caller's own reason to end. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs work that must end in time; the signal it gets aborts at the deadline or with the caller's own. */
export async function withDeadline<T>(work: (signal: AbortSignal) => Promise<T>, { ms, clock, error, signal }: Deadline): Promise<T> {
  const over = new AbortController();
  const done = new AbortController();
  const joined = signal ? AbortSignal.any([signal, over.signal]) : over.signal;
  const late = clock.sleep(ms, done.signal).then(() => {
    if (done.signal.aborted) return new Promise<never>(() => undefined);
    const reason = error();
    over.abort(reason);
    throw reason;
  });
  try {
    return await Promise.race([work(joined), late]);
  } finally {
    done.abort();
  }
}
