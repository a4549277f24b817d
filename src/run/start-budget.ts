import { AppError } from '../domain/errors.js';
import type { Clock } from '../kernel/clock.js';

/** Keeps an application that fails again and again from being started for ever. */
export interface StartBudget {
  /**
   * The failure to answer with instead of another start; undefined when it may be started. `mostRestarts`: so many starts after
   * ends soon after a start, and then one every ten minutes.
   */
  refusal(name: string, mostRestarts?: number): AppError | undefined;
  started(name: string): void;
  /** It became ready; the start still counts, since it may end by itself at once. */
  succeeded(name: string): void;
  /** It did not become ready: the next minute's visitors get the same answer. */
  failed(name: string, error: AppError): void;
  /** It became ready and ended by itself, or had to be ended: it may start again at once, within the budget. */
  ended(name: string, error: AppError): void;
  lastFailure(name: string): { readonly error: AppError; readonly at: number } | undefined;
  /** How often it became ready again after such an end. */
  restarts(name: string): number;
  /** Somebody asked for another try. */
  forgive(name: string): void;
}

const WINDOW_MS = 10 * 60_000;
const MOST_STARTS = 10;
const FAILURE_HOLDS_MS = 60_000;
/** What ran for longer than this before it ended is not going round in circles. */
const SOON_MS = 60_000;

interface Account {
  starts: number[];
  failure: { error: AppError; at: number; holdsMs: number } | undefined;
  /** How often in a row it ended soon after its start. */
  soonEnds: number;
  /** When it became ready; undefined once its end is noted. */
  readyAt: number | undefined;
  /** It ended and is not ready again yet. */
  isDown: boolean;
  restarts: number;
}

export function createStartBudget({ clock }: { clock: Clock }): StartBudget {
  const accounts = new Map<string, Account>();
  const accountOf = (name: string): Account => {
    const account = accounts.get(name) ?? { starts: [], failure: undefined, soonEnds: 0, readyAt: undefined, isDown: false, restarts: 0 };
    accounts.set(name, account);
    const since = clock.monotonic() - WINDOW_MS;
    account.starts = account.starts.filter((at) => at > since);
    return account;
  };
  return {
    refusal: (name, mostRestarts = Infinity) => {
      const { starts, failure, soonEnds } = accountOf(name);
      if (!failure) return undefined;
      const sinceMs = clock.monotonic() - failure.at;
      if (soonEnds > mostRestarts && sinceMs < WINDOW_MS) return inCircles(failure.error, mostRestarts);
      return sinceMs < failure.holdsMs || starts.length >= MOST_STARTS ? failure.error : undefined;
    },
    started: (name) => {
      const account = accountOf(name);
      const at = clock.monotonic();
      // It ran well until something else than itself ended it, which nobody notes here.
      if (account.readyAt !== undefined && at - account.readyAt >= SOON_MS) account.soonEnds = 0;
      account.readyAt = undefined;
      account.starts.push(at);
    },
    succeeded: (name) => {
      const account = accountOf(name);
      account.failure = undefined;
      account.readyAt = clock.monotonic();
      if (account.isDown) account.restarts += 1;
      account.isDown = false;
    },
    failed: (name, error) => { accountOf(name).failure = { error, at: clock.monotonic(), holdsMs: FAILURE_HOLDS_MS }; },
    ended: (name, error) => {
      const account = accountOf(name);
      const at = clock.monotonic();
      const isSoon = at - (account.starts.at(-1) ?? -Infinity) < SOON_MS;
      Object.assign(account, { failure: { error, at, holdsMs: 0 }, soonEnds: isSoon ? account.soonEnds + 1 : 0, readyAt: undefined, isDown: true });
    },
    lastFailure: (name) => accounts.get(name)?.failure,
    restarts: (name) => accounts.get(name)?.restarts ?? 0,
    forgive: (name) => { Object.assign(accountOf(name), { starts: [], failure: undefined, soonEnds: 0 }); },
  };
}

const inCircles = ({ code, message, details }: AppError, restarts: number): AppError =>
  new AppError(code, `${message} It was started again ${restarts} times, and ended again each time: the next try is ten minutes after the last one.`, { details });
