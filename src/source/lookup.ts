import { toAppError, type AppError } from '../domain/errors.js';
import type { Clock } from '../kernel/clock.js';
import { createSingleFlight } from '../kernel/single-flight.js';

/** Looks for what may have been pushed since the last fetch, without letting unknown names cause a flood of fetches. */
export interface Lookup {
  /** Whether the name was looked for in vain a moment ago. */
  isAbsent(key: string): boolean;
  /** Looks; if there is nothing, fetches and looks again. @throws what the fetch throws */
  find<T>(key: string, look: () => Promise<T | undefined>): Promise<T | undefined>;
  /** Whatever was missing may be there now: refs changed. */
  forget(): void;
}

export interface LookupDeps {
  readonly refresh: () => Promise<void>;
  readonly clock: Clock;
  /** Between two fetches for unknown names, and for how long an unknown name stays unknown; milliseconds. */
  readonly pauseMs?: number | undefined;
}

const PAUSE_MS = 2_000;
const ABSENT_MAX = 1_000;

export function createLookup({ refresh, clock, pauseMs = PAUSE_MS }: LookupDeps): Lookup {
  const absent = new Map<string, number>();
  const flights = createSingleFlight<string, void>();
  let last: { readonly at: number; readonly failure: AppError | null } | null = null;

  const pauseLeft = (): number => (last === null ? 0 : last.at + pauseMs - clock.monotonic());

  /** Everybody with an unknown name shares the next permitted fetch; while the remote fails nobody waits for it. */
  const fetchOnce = (): Promise<void> => {
    if (last?.failure && pauseLeft() > 0) return Promise.reject(last.failure);
    return flights.run('fetch', async () => {
      if (pauseLeft() > 0) await clock.sleep(pauseLeft());
      const failure = await refresh().then(() => null, toAppError);
      last = { at: clock.monotonic(), failure };
      if (failure) throw failure;
    });
  };

  const isAbsent = (key: string) => clock.monotonic() - (absent.get(key) ?? -Infinity) < pauseMs;

  return {
    isAbsent,
    forget: () => { absent.clear(); },
    find: async (key, look) => {
      const found = await look();
      if (found !== undefined) return found;
      if (isAbsent(key)) return undefined;
      await fetchOnce();
      const pushed = await look();
      if (pushed !== undefined) {
        absent.delete(key);
        return pushed;
      }
      if (absent.size >= ABSENT_MAX) absent.clear();
      absent.set(key, clock.monotonic());
      return undefined;
    },
  };
}
