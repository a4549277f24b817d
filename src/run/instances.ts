import { AppError, toAppError } from '../domain/errors.js';
import type { ContainerId, ImageId } from '../domain/ids.js';
import type { Release } from '../domain/release.js';
import type { InstanceState } from '../domain/state.js';
import { isSamePlace, type Target } from '../domain/target.js';
import type { EngineContainer, StartedContainer } from '../engine/port.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { createTopic, type Topic } from '../kernel/topic.js';
import type { ReleaseName } from './logs.js';
import { createStartBudget } from './start-budget.js';
import { startRelease, type Placement, type StartDeps } from './start.js';
import { clearAway, findCrash, stopContainer, type StopDeps } from './stop.js';

/** A release that serves. */
export interface RunningInstance {
  readonly release: Release;
  readonly container: ContainerId;
  readonly target: Target;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

export type InstanceChange =
  | { readonly kind: 'running'; readonly instance: RunningInstance }
  /** Its container cannot be reached any more: nobody may dial its address. Why is looked into; `gone` follows. */
  | { readonly kind: 'lost'; readonly release: Release; readonly container: ContainerId }
  /** It serves no more: stopped by us, ended by somebody (no error), or by itself. */
  | { readonly kind: 'gone'; readonly release: Release; readonly container: ContainerId | undefined; readonly error: AppError | undefined }
  /** `cleared`: what was left of one that was lost is gone too. */
  | { readonly kind: 'starting' | 'stopping' | 'cleared'; readonly release: Release };

export interface InstancesDeps extends StartDeps {
  readonly engine: StartDeps['engine'] & StopDeps['engine'];
  readonly log: Logger;
  readonly clock: Clock;
}

/** One instance per release: started when wanted, given up when the engine says that it is lost, stopped when told. */
export interface Instances {
  /** The running instance; joined by all who want it meanwhile. @throws AppError why it cannot be started */
  ensure(release: Release, placement: Placement): Promise<RunningInstance>;
  /** Takes over a container that an earlier run of this server started. */
  adopt(release: Release, container: EngineContainer & { readonly target: Target }): RunningInstance;
  /** Stops it, its log kept; waits for a start that is under way. Nothing happens when it does not run. */
  stop(release: ReleaseName): Promise<void>;
  /**
   * The engine says that a container ended, was removed or lost its address. Nobody reaches it from this moment on; ends once
   * it is cleared away. `byHand`: somebody did it, so that it is no crash. Nothing happens when it runs no release.
   */
  lost(container: ContainerId, byHand: boolean): Promise<void>;
  state(release: ReleaseName): InstanceState | undefined;
  container(release: ReleaseName): ContainerId | undefined;
  running(): readonly RunningInstance[];
  /** The releases with the image of which an instance runs, starts or stops. */
  using(image: ImageId): readonly Release[];
  /** Why it last ended or did not start; undefined after a good start. */
  lastFailure(release: ReleaseName): AppError | undefined;
  /** Lets a failed release be started again at once. */
  forgive(release: ReleaseName): void;
  readonly onChange: Topic<InstanceChange>['subscribe'];
  /** Ends what is starting and hears of no end any more; what runs goes on running. */
  close(): Promise<void>;
}

interface Entry {
  readonly release: Release;
  state: InstanceState;
  instance: RunningInstance | undefined;
  starting: Promise<RunningInstance> | undefined;
  stopping: Promise<void> | undefined;
  /** It was told to stop: its end is no crash. */
  told: boolean;
  readonly givingUp: AbortController;
}

/** Ends are heard of containers that are not known yet, or not any more; so many are kept in mind. */
const MOST_ENDED = 1_000;

const nameOf = ({ project, number }: ReleaseName) => `${project}/${number}`;

export function createInstances(deps: InstancesDeps): Instances {
  const { clock } = deps;
  const entries = new Map<string, Entry>();
  /** Which ended of those that run no release, and whether by hand. */
  const ended = new Map<ContainerId, boolean>();
  const budget = createStartBudget({ clock });
  const changes = createTopic<InstanceChange>((error) => { deps.log.error('listener failed', { error }); });
  const closing = new AbortController();
  const running = () => [...entries.values()].flatMap(({ instance, state }) => (instance && state === 'running' ? [instance] : []));
  const logOf = (release: ReleaseName) => deps.log.child({ project: release.project, release: release.number });

  const leave = (entry: Entry) => { if (entries.get(nameOf(entry.release)) === entry) entries.delete(nameOf(entry.release)); };

  const forget = (entry: Entry, error?: AppError) => {
    entry.givingUp.abort();
    if (entries.get(nameOf(entry.release)) !== entry) return;
    leave(entry);
    changes.publish({ kind: 'gone', release: entry.release, container: entry.instance?.container, error });
  };

  /** A new container would take its name, so that one waits until this one's log is kept. */
  const settle = async (entry: Entry, { release, container }: RunningInstance, byHand: boolean) => {
    const crash = byHand ? undefined : await findCrash({ release, container }, deps);
    const error = entry.told ? undefined : crash;
    if (error) budget.ended(nameOf(release), error);
    logOf(release).warn('instance lost', { container, reason: error?.message ?? 'somebody stopped, removed or cut off its container' });
    changes.publish({ kind: 'gone', release, container, error });
    await clearAway({ release, container }, deps)
      .catch((failed: unknown) => { logOf(release).error('lost instance not cleared away', { container, error: failed }); });
    leave(entry);
    changes.publish({ kind: 'cleared', release });
  };

  /** Out of everybody's reach before anything is waited for. */
  const lose = (entry: Entry, instance: RunningInstance, byHand: boolean): Promise<void> => {
    const { release, container } = instance;
    entry.state = 'stopping';
    entry.instance = undefined;
    const stopping = entry.stopping = Promise.resolve().then(() => settle(entry, instance, byHand));
    changes.publish({ kind: 'lost', release, container });
    return stopping;
  };

  const lost = async (container: ContainerId, byHand: boolean): Promise<void> => {
    if (closing.signal.aborted) return;
    for (const entry of entries.values()) {
      if (entry.instance?.container !== container) continue;
      if (!entry.stopping) await lose(entry, entry.instance, byHand);
      return;
    }
    if (!ended.has(container)) ended.set(container, byHand);
    const [oldest] = ended.keys();
    if (ended.size > MOST_ENDED && oldest !== undefined) ended.delete(oldest);
  };

  /** An address has one container: whoever had it before is gone, though the engine may not have said so yet (INV3). */
  const claim = ({ id, target }: StartedContainer) => {
    for (const { container, target: other } of running()) if (container !== id && isSamePlace(other, target)) void lost(container, false);
  };

  const serve = (entry: Entry, instance: RunningInstance): RunningInstance => {
    claim({ id: instance.container, target: instance.target });
    entry.state = 'running';
    entry.instance = instance;
    changes.publish({ kind: 'running', instance });
    // It may have ended between its last probe and now.
    const byHand = ended.get(instance.container);
    if (byHand !== undefined) void lose(entry, instance, byHand);
    return instance;
  };

  /** Somebody removed the image just before the start: the next visit builds it, and is not held to this failure (faults K20). */
  const isWithoutImage = async ({ code }: AppError, { image }: Release) =>
    code === 'start_failed' && await deps.engine.image(image).catch(() => undefined) === undefined;

  const start = async (entry: Entry, placement: Placement): Promise<RunningInstance> => {
    const { release } = entry;
    const name = nameOf(release);
    budget.started(name);
    changes.publish({ kind: 'starting', release });
    const startedAt = clock.monotonic();
    try {
      const { id, target } = await startRelease(release, placement, { ...deps, onStarted: claim, signal: AbortSignal.any([closing.signal, entry.givingUp.signal]) });
      budget.succeeded(name);
      logOf(release).info('instance runs', { ms: Math.round(clock.monotonic() - startedAt) });
      return serve(entry, { release, container: id, target, since: clock.now() });
    } catch (thrown) {
      const error = toAppError(thrown);
      if (STICKY.has(error.code) && !await isWithoutImage(error, release)) budget.failed(name, error);
      logOf(release).warn('instance not started', { code: error.code, reason: error.message, ...(error.code === 'internal' ? { error } : {}) });
      forget(entry, error);
      throw error;
    }
  };

  const begin = (release: Release, state: InstanceState): Entry => {
    const entry: Entry = { release, state, instance: undefined, starting: undefined, stopping: undefined, told: false, givingUp: new AbortController() };
    entries.set(nameOf(release), entry);
    return entry;
  };

  const ensure = async (release: Release, placement: Placement): Promise<RunningInstance> => {
    const known = entries.get(nameOf(release));
    if (known?.stopping) { await known.stopping.catch(() => undefined); return ensure(release, placement); }
    if (known?.instance) return known.instance;
    if (known?.starting) return known.starting;
    if (closing.signal.aborted) throw new AppError('shutting_down', 'No container is started any more.');
    const refusal = budget.refusal(nameOf(release));
    if (refusal) throw refusal;
    const entry = begin(release, 'starting');
    entry.starting = start(entry, placement);
    return entry.starting;
  };

  const end = async (entry: Entry) => {
    const { release, instance } = entry;
    entry.state = 'stopping';
    changes.publish({ kind: 'stopping', release });
    entry.givingUp.abort(new AppError('preview_unavailable', 'It was stopped.'));
    if (entry.starting) await entry.starting.catch(() => undefined);
    const container = instance?.container ?? entry.instance?.container;
    if (container) await stopContainer({ release, container }, deps);
    forget(entry);
  };

  const stop = async (name: ReleaseName) => {
    const entry = entries.get(nameOf(name));
    if (!entry) return;
    entry.told = true;
    entry.stopping ??= end(entry).finally(() => { leave(entry); });
    await entry.stopping;
  };

  return {
    ensure, stop, lost,
    adopt: (release, { id, target, startedAt }) => serve(begin(release, 'running'), { release, container: id, target, since: startedAt }),
    state: (name) => entries.get(nameOf(name))?.state,
    container: (name) => entries.get(nameOf(name))?.instance?.container,
    running,
    using: (image) => [...entries.values()].map(({ release }) => release).filter((release) => release.image === image),
    lastFailure: (name) => budget.lastFailure(nameOf(name))?.error,
    forgive: (name) => { budget.forgive(nameOf(name)); },
    onChange: changes.subscribe,
    close: async () => {
      closing.abort(new AppError('shutting_down', 'The server stops.'));
      const all = [...entries.values()];
      await Promise.allSettled(all.flatMap(({ starting }) => starting ?? []));
      for (const { givingUp } of all) givingUp.abort();
    },
  };
}

/** These say something about the application; the others about the surroundings, which may be better in a moment. */
const STICKY: ReadonlySet<string> = new Set(['crashed', 'start_timeout', 'start_failed']);
