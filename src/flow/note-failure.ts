import { isPassing, toAppError } from '../domain/errors.js';
import type { ReleaseNumber, RouteId } from '../domain/ids.js';
import type { Clock } from '../kernel/clock.js';
import type { RouteStore } from '../state/routes.js';

/** Why a route does not serve what it was to, and which release that was; null before there was one. */
export interface Failure {
  readonly thrown: unknown;
  readonly release: ReleaseNumber | null;
}

/** Writes a failure down as the route's `lastError`; what passes by itself is left out. */
export type NoteFailure = (route: RouteId, failure: Failure) => Promise<void>;

export function createNoteFailure({ routes, clock }: { readonly routes: Pick<RouteStore, 'setLastError'>; readonly clock: Clock }): NoteFailure {
  return async (route, { thrown, release }) => {
    const { code, message } = toAppError(thrown);
    if (!isPassing(code)) await routes.setLastError(route, { code, message, at: clock.now(), release });
  };
}
