import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { AppError } from '../domain/errors.js';
import type { ContainerId } from '../domain/ids.js';
import type { Target } from '../domain/target.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import type { AnswerRules, RequestRules } from './proxy-guards.js';

/** Where one request goes, and what both sides are told about it. */
export interface ForwardTo extends AnswerRules, RequestRules {
  /** Connections are kept per container, never per address. */
  readonly container: ContainerId;
  /** An IP literal: nothing is looked up. */
  readonly target: Target;
}

/** All in milliseconds. */
export interface ForwardTimeouts {
  /** Until the container accepts a connection. */
  readonly connectMs: number;
  /** Without a byte in either direction before the answer begins. */
  readonly responseMs: number;
  /** Without a byte in either direction once it has begun. */
  readonly idleMs: number;
  /** Without a byte in either direction on an upgraded connection. */
  readonly upgradedIdleMs: number;
}

/** What is usual: long polls of 90 s begin in time, and no stream is cut that says something every ten minutes. */
export const TIMEOUTS: ForwardTimeouts = { connectMs: 3_000, responseMs: 120_000, idleMs: 600_000, upgradedIdleMs: 3_600_000 };

export interface ForwardDeps {
  readonly log: Logger;
  /** Answers for an exchange that failed before its response began, or passes it on anew; must see to the response's end. */
  readonly onFailure: (error: AppError, failed: FailedExchange) => void;
  /** Answers on the raw socket for an upgrade that failed before anything was written, or passes it on anew; must see to the socket's end. */
  readonly onUpgradeFailure: (error: AppError, failed: FailedUpgrade) => void;
  readonly timeouts: ForwardTimeouts;
  /** The bearer of this server's own API, which no application gets to see. */
  readonly token?: string;
  readonly clock?: Pick<Clock, 'monotonic'>;
}

export interface FailedExchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly to: ForwardTo;
  readonly requestId: string;
}

export interface FailedUpgrade extends UpgradeClient {
  readonly req: IncomingMessage;
  readonly to: ForwardTo;
  readonly requestId: string;
}

/** The client's side of an upgrade, as node:http hands it over. */
export interface UpgradeClient {
  readonly socket: Duplex;
  /** What the client sent right behind its request. */
  readonly head: Buffer;
}

/** The way from a client to a container, whatever either of them sends. */
export interface Forward {
  /**
   * Relays one request; ends, and never throws, when both sides are done with it. Errors: `onFailure`.
   * Listen for `checkContinue` too and pass its requests on here: the application then says whether it wants the body.
   */
  request(req: IncomingMessage, res: ServerResponse, to: ForwardTo): Promise<void>;
  /** Relays one upgrade; ends, and never throws, when both sockets are closed. Errors: `onUpgradeFailure`. */
  upgrade(req: IncomingMessage, client: UpgradeClient, to: ForwardTo): Promise<void>;
  /** Closes every connection to a container that is gone, so that a reused address never gets its requests. */
  forget(container: ContainerId): void;
  /** Closes every connection to every container. */
  close(): void;
}
