import PQueue from 'p-queue';
import { AppError } from '../domain/errors.js';
import type { BuildId } from '../domain/ids.js';

export interface BuildLimits {
  readonly concurrency: number;
  /** Builds started in any minute. */
  readonly perMinute: number;
  /** Builds that may wait. */
  readonly queue: number;
}

/** First in, first out, within the limits; whoever is cancelled while waiting never runs. */
export interface BuildQueue {
  /** @throws AppError `queue_full`; rejects with the signal's reason when it aborts while waiting */
  add<T>(id: BuildId, work: () => Promise<T>, signal: AbortSignal): Promise<T>;
  /** 1 is next; undefined when it does not wait. */
  position(id: BuildId): number | undefined;
  readonly waiting: number;
  readonly running: number;
  /** Whether another build may wait; to be asked before anything is recorded. */
  assertRoom(): void;
}

const RETRY_SECONDS = 30;
const MINUTE_MS = 60_000;

export function createBuildQueue({ concurrency, perMinute, queue: most }: BuildLimits): BuildQueue {
  const queue = new PQueue({ concurrency, intervalCap: perMinute, interval: MINUTE_MS, strict: true });
  const waiting = new Set<BuildId>();
  return {
    add: (id, work, signal) => {
      waiting.add(id);
      const gate = leaveable(signal);
      const started = () => { waiting.delete(id); gate.close(); return work(); };
      return queue.add(started, { signal: gate.signal }).finally(() => { waiting.delete(id); gate.close(); });
    },
    position: (id) => {
      const index = [...waiting].indexOf(id);
      return index < 0 ? undefined : index + 1;
    },
    get waiting() { return waiting.size; },
    get running() { return queue.pending; },
    assertRoom: () => {
      if (waiting.size < most) return;
      throw new AppError('queue_full', `${waiting.size} builds wait already.`, { details: { retryAfterSeconds: RETRY_SECONDS } });
    },
  };
}

/** Once work began, its slot is taken until it has really ended, so the signal reaches p-queue only before. */
function leaveable(signal: AbortSignal): { signal: AbortSignal; close: () => void } {
  const gate = new AbortController();
  const leave = () => { gate.abort(signal.reason); };
  if (signal.aborted) leave();
  signal.addEventListener('abort', leave, { once: true });
  return { signal: gate.signal, close: () => { signal.removeEventListener('abort', leave); } };
}
