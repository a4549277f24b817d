/**
 * Lets everybody who asks for the same thing at the same time share one answer that is not older than their question:
 * whoever asks while one is made gets the next. So at most one is under way and one waits, however many ask; a failure
 * goes to those who shared it, and is not kept.
 */
export interface Coalesce<Key, Result> {
  run(key: Key, work: () => Promise<Result>): Promise<Result>;
}

interface Answer<Result> {
  /** Whether it is begun, so that nobody may join any more. */
  begun: boolean;
  result: Promise<Result>;
}

/** `turn` ends once those who ask at the same time have asked; by default a few turns of the event loop later. */
export function createCoalesce<Key, Result>(turn: () => Promise<void> = untilRead): Coalesce<Key, Result> {
  const newest = new Map<Key, Answer<Result>>();
  return {
    run: (key, work) => {
      const last = newest.get(key);
      if (last?.begun === false) return last.result;
      const make = async (): Promise<Result> => {
        await last?.result.catch(() => undefined);
        await turn();
        answer.begun = true;
        try {
          return await work();
        } finally {
          if (newest.get(key) === answer) newest.delete(key);
        }
      };
      const answer: Answer<Result> = { begun: false, result: Promise.resolve().then(make) };
      newest.set(key, answer);
      return answer.result;
    },
  };
}

/** A loop that has nothing to do turns that often in less than a tenth of a millisecond. */
const TURNS = 16;

/**
 * Reads from SQLite end within one turn of the event loop, and it takes one new connection in each: without waiting for
 * some turns, no two requests on connections of their own would ever share a read.
 */
async function untilRead(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn += 1) await new Promise<void>((resolve) => { setImmediate(resolve); });
}
