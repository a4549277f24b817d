import type { IncomingMessage } from 'node:http';
import type { AppError } from '../domain/errors.js';
import type { ContainerId } from '../domain/ids.js';
import { errorCode } from '../kernel/error-code.js';
import type { ContainerChecks } from './container-checks.js';
import { isRepeatable } from './proxy-guards.js';
import { isConnectionLoss } from './upstream-failure.js';

/** What failed on the way to a container, and the two ways on. */
export interface Chance {
  readonly req: IncomingMessage;
  readonly container: ContainerId;
  /** Handles the request as if it had come just now. */
  readonly again: () => void;
  readonly answer: () => void;
}

const UNREACHED = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH', 'ETIMEDOUT', 'EADDRNOTAVAIL']);

/**
 * What a lost container did not answer goes, once, to the one that takes its place, when nothing is changed by sending it
 * twice. Every connection that fails has the container looked at, so that nobody dials an address that is not its own any
 * more (INV3).
 */
export function createSecondChance({ checks }: { checks: ContainerChecks }): (error: AppError, chance: Chance) => void {
  const had = new WeakSet<IncomingMessage>();
  return (error, { req, container, again, answer }) => {
    if (!isOfTheConnection(error)) { answer(); return; }
    const gone = checks.isGone(container);
    if (!isRepeatable(req) || had.has(req)) { answer(); return; }
    had.add(req);
    // Looking never fails; whatever it does, the client gets its answer.
    gone.then((isGone) => { if (isGone) again(); else answer(); }, answer);
  };
}

/** Whether the container could not be reached or went silent, as opposed to having said something that cannot be passed on. */
function isOfTheConnection({ code, cause }: AppError): boolean {
  return code === 'upstream_timeout' || isConnectionLoss(cause) || UNREACHED.has(errorCode(cause));
}
