/** Lets everybody who wants the same thing at the same time share one piece of work; a failure is never kept. */
export interface SingleFlight<Key, Result> {
  run(key: Key, work: () => Promise<Result>): Promise<Result>;
  get(key: Key): Promise<Result> | undefined;
  readonly size: number;
}

export function createSingleFlight<Key, Result>(): SingleFlight<Key, Result> {
  const flights = new Map<Key, Promise<Result>>();
  return {
    run: (key, work) => {
      const under = flights.get(key);
      if (under) return under;
      const flight = Promise.resolve().then(work).finally(() => flights.delete(key));
      flights.set(key, flight);
      return flight;
    },
    get: (key) => flights.get(key),
    get size() { return flights.size; },
  };
}
