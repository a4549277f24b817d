import type { AppError } from '../domain/errors.js';
import type { ContainerId } from '../domain/ids.js';
import type { Release } from '../domain/release.js';
import type { Target } from '../domain/target.js';
import type { EngineContainer } from '../engine/port.js';

/** One container of a release's set. */
export interface ProcessContainer {
  /** Null for `web`, the only one that is dialled. */
  readonly process: string | null;
  readonly container: ContainerId;
}

/** A release that serves. */
export interface RunningInstance {
  readonly release: Release;
  /** `web`'s, the only one that is dialled. */
  readonly container: ContainerId;
  /** What runs beside it, one for each other process of the release. */
  readonly beside: readonly ProcessContainer[];
  readonly target: Target;
  /** The preview's host with its port, for probes. */
  readonly host: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/** All containers of an instance, `web` first. */
export const membersOf = ({ container, beside }: Pick<RunningInstance, 'container' | 'beside'>): readonly ProcessContainer[] => [{ process: null, container }, ...beside];

/** A whole set that an earlier run of this server started. */
export interface FoundSet {
  readonly web: EngineContainer & { readonly target: Target };
  readonly beside: readonly EngineContainer[];
  readonly host: string;
}

export type InstanceChange =
  /** `woken`: somebody wants what slept. */
  | { readonly kind: 'running'; readonly instance: RunningInstance; readonly woken?: boolean }
  /** One of its containers cannot be reached any more: nobody may dial its address. Why is looked into; `gone` follows. */
  | { readonly kind: 'lost'; readonly release: Release; readonly container: ContainerId }
  /** It serves no more: stopped by us (no error unless it was unhealthy), ended by somebody (no error), or by itself. */
  | { readonly kind: 'gone'; readonly release: Release; readonly container: ContainerId | undefined; readonly error: AppError | undefined }
  /** `cleared`: what was left of one that was lost is gone too. `sleeping`: from now on nothing it is asked is answered; `running` follows when it wakes. */
  | { readonly kind: 'starting' | 'stopping' | 'sleeping' | 'cleared'; readonly release: Release };
