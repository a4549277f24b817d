import type { CommitHash, ContainerId, ProjectName, ReleaseNumber, RouteId } from '../domain/ids.js';
import { normalizeHost } from '../domain/hosts.js';
import type { Target } from '../domain/target.js';
import type { Clock } from '../kernel/clock.js';

/** A running release as the data plane sees it. */
export interface Serving {
  readonly project: ProjectName;
  readonly route: RouteId;
  /** Null when its image was pulled. */
  readonly commit: CommitHash | null;
  readonly release: ReleaseNumber;
  readonly container: ContainerId;
  readonly target: Target;
}

export interface RoutingEntry extends Serving {
  /** Notes an exchange that keeps the instance awake; the returned function ends it, once. */
  begin(): () => void;
  /** Lets a sleeping instance go on; undefined while it is awake. Nothing may be sent to it before that has ended. */
  readonly wake: Wake | undefined;
}

/** Ends when it is awake. @throws AppError of the engine */
export type Wake = () => Promise<void>;

/** Host → running release, in memory only: what a request needs on the fast path. */
export interface RoutingTable {
  /** Reads a raw `Host` header. */
  find(header: string | undefined): RoutingEntry | undefined;
  /** Lets hosts (lower case, no port) serve a release from now on; what is in flight goes on where it began. */
  put(hosts: readonly string[], serving: Serving, idleMs?: number): void;
  /** Takes all hosts of a container out; what is in flight goes on. */
  unroute(container: ContainerId): void;
  /** The same, and forgets what was counted: the container is gone. */
  remove(container: ContainerId): void;
  /** The same, unless something is in flight. @returns whether it did */
  withdraw(container: ContainerId): boolean;
  /** Keeps all that comes for a container until `wake` ended, unless something is in flight. @returns whether it does */
  suspend(container: ContainerId, wake: Wake): boolean;
  /** Lets it through again. */
  resume(container: ContainerId): void;
  /** Counts as used just now. */
  touch(container: ContainerId): void;
  /** Milliseconds since the last exchange ended; null while one is in flight, 0 for a container never put. */
  idleMs(container: ContainerId): number | null;
  /** Ends when nothing is in flight or the signal aborts. */
  drained(container: ContainerId, signal: AbortSignal): Promise<void>;
  /** How many exchanges are in flight to all containers. */
  readonly inFlight: number;
  /** When routes were used since the last call, those in use now included: wall-clock milliseconds. */
  takeAccesses(): Map<RouteId, number>;
}

interface Counter { inFlight: number; idleSince: number; readonly waiting: Set<() => void>; wake: Wake | undefined }

export function createRoutingTable({ clock }: { clock: Clock }): RoutingTable {
  const byHost = new Map<string, RoutingEntry>();
  const counters = new Map<ContainerId, Counter>();
  let accesses = new Map<RouteId, number>();

  const counterOf = (container: ContainerId, idleMs = 0): Counter => {
    const known = counters.get(container);
    if (known) return known;
    const counter: Counter = { inFlight: 0, idleSince: clock.monotonic() - idleMs, waiting: new Set(), wake: undefined };
    counters.set(container, counter);
    return counter;
  };

  const beginOn = (counter: Counter, route: RouteId) => () => {
    let open = true;
    counter.inFlight += 1;
    return () => {
      if (!open) return;
      open = false;
      counter.inFlight -= 1;
      counter.idleSince = clock.monotonic();
      accesses.set(route, clock.now());
      if (counter.inFlight === 0) for (const done of counter.waiting) done();
    };
  };

  const takeOut = (container: ContainerId) => {
    for (const [host, entry] of byHost) if (entry.container === container) byHost.delete(host);
  };

  return {
    find: (header) => (header === undefined ? undefined : byHost.get(header) ?? byHost.get(normalizeHost(header) ?? '')),
    put: (hosts, serving, idleMs) => {
      const counter = counterOf(serving.container, idleMs);
      const entry: RoutingEntry = { ...serving, begin: beginOn(counter, serving.route), get wake() { return counter.wake; } };
      for (const host of hosts) byHost.set(host, entry);
    },
    unroute: takeOut,
    remove: (container) => { takeOut(container); counters.delete(container); },
    withdraw: (container) => {
      if ((counters.get(container)?.inFlight ?? 0) > 0) return false;
      takeOut(container);
      return true;
    },
    suspend: (container, wake) => {
      const counter = counterOf(container);
      if (counter.inFlight > 0) return false;
      counter.wake = wake;
      return true;
    },
    resume: (container) => {
      const counter = counters.get(container);
      if (counter) counter.wake = undefined;
    },
    touch: (container) => {
      const counter = counters.get(container);
      if (counter) counter.idleSince = clock.monotonic();
    },
    idleMs: (container) => {
      const { inFlight, idleSince } = counterOf(container);
      return inFlight > 0 ? null : clock.monotonic() - idleSince;
    },
    drained: (container, signal) => new Promise((resolve) => {
      const counter = counterOf(container);
      const done = () => { counter.waiting.delete(done); resolve(); };
      if (counter.inFlight === 0 || signal.aborted) { done(); return; }
      counter.waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
    }),
    get inFlight() { return [...counters.values()].reduce((sum, { inFlight }) => sum + inFlight, 0); },
    takeAccesses: () => {
      for (const { container, route } of byHost.values()) if ((counters.get(container)?.inFlight ?? 0) > 0) accesses.set(route, clock.now());
      const taken = accesses;
      accesses = new Map();
      return taken;
    },
  };
}
