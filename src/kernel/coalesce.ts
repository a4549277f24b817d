/**
 * Lets everybody who asks for the same thing at the same time share one answer that is not older than their question:
 * whoever asks while one is made gets the next. So at most one is under way and one waits, however many ask; a failure
 * goes to those who shared it, and is not kept.
 */
export interface Coalesce<Key, Result> {
  run(key: Key, work: () => Promise<Result>): Promise<Result>;
}

interface Making<Result> {
  /** False as long as it has not begun, so that others may still join. */
  begun: boolean;
  readonly result: Promise<Result>;
}

/** `turn` ends when those who ask at the same time have done so; by default when the event loop has read what arrived. */
export function createCoalesce<Key, Result>(turn: () => Promise<void> = untilRead): Coalesce<Key, Result> {
  const newest = new Map<Key, Making<Result>>();

  const make = async (mine: Pick<Making<Result>, 'begun'>, before: Promise<Result> | undefined, work: () => Promise<Result>): Promise<Result> => {
    await before?.catch(() => undefined);
    await turn();
    mine.begun = true;
    return work();
  };

  return {
    run: (key, work) => {
      const last = newest.get(key);
      if (last && !last.begun) return last.result;
      const state = { begun: false };
      const result = make(state, last?.result, work).finally(() => { if (newest.get(key)?.result === result) newest.delete(key); });
      newest.set(key, { get begun() { return state.begun; }, result });
      return result;
    },
  };
}

/** Reads from SQLite end within one turn of the event loop: without this no two requests would ever share one. */
const untilRead = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });
