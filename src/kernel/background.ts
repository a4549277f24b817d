/** Work that nobody waits for but the end of the part that began it. */
export interface Background {
  /** Ends when the work has, whether it failed or not; a failure is told to `onError`. */
  begin(work: Promise<unknown>, onError: (error: unknown) => void): Promise<void>;
  /** Ends once all that was begun has. */
  settled(): Promise<void>;
}

export function createBackground(): Background {
  const under = new Set<Promise<void>>();
  return {
    begin: (work, onError) => {
      const begun = work.then(() => undefined, onError);
      under.add(begun);
      void begun.finally(() => under.delete(begun));
      return begun;
    },
    settled: async () => { await Promise.all(under); },
  };
}
