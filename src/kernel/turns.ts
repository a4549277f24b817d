/** Lets work on the same key happen one after the other, in the order it was asked for. */
export interface Turns<Key> {
  take<T>(key: Key, work: () => Promise<T>): Promise<T>;
}

export function createTurns<Key>(): Turns<Key> {
  const last = new Map<Key, Promise<unknown>>();
  return {
    take: (key, work) => {
      const before = last.get(key) ?? Promise.resolve();
      const mine = before.then(work, work);
      last.set(key, mine);
      const leave = () => { if (last.get(key) === mine) last.delete(key); };
      mine.then(leave, leave);
      return mine;
    },
  };
}
