import { AppError, toAppError } from '../domain/errors.js';
import type { ContainerId } from '../domain/ids.js';
import type { Release } from '../domain/release.js';
import type { InstanceState } from '../domain/state.js';
import type { Target } from '../domain/target.js';
import type { ContainerEngine, ContainerExit, EngineContainer } from '../engine/port.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { createTopic, type Topic } from '../kernel/topic.js';
import type { ReleaseName } from './logs.js';
import { createStartBudget } from './start-budget.js';
import { describeExit, startRelease, type Placement, type StartDeps } from './start.js';
import { stopContainer } from './stop.js';

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
  /** It serves no more: stopped by us (no error) or by itself. */
  | { readonly kind: 'gone'; readonly release: Release; readonly container: ContainerId | undefined; readonly error: AppError | undefined }
  /** `cleared`: what was left of one that ended by itself is gone too. */
  | { readonly kind: 'starting' | 'stopping' | 'cleared'; readonly release: Release };

export interface InstancesDeps extends StartDeps {
  readonly engine: StartDeps['engine'] & Parameters<typeof stopContainer>[1]['engine'] & Pick<ContainerEngine, 'inspect'>;
  readonly log: Logger;
  readonly clock: Clock;
}

/** One instance per release: started when wanted, watched while it runs, stopped when told. */
export interface Instances {
  /** The running instance; joined by all who want it meanwhile. @throws AppError why it cannot be started */
  ensure(release: Release, placement: Placement): Promise<RunningInstance>;
  /** Takes over a container that an earlier run of this server started. */
  adopt(release: Release, container: EngineContainer & { readonly target: Target }): RunningInstance;
  /** Stops it, its log kept; waits for a start that is under way. Nothing happens when it does not run. */
  stop(release: ReleaseName): Promise<void>;
  state(release: ReleaseName): InstanceState | undefined;
  container(release: ReleaseName): ContainerId | undefined;
  running(): readonly RunningInstance[];
  /** Why it last ended or did not start; undefined after a good start. */
  lastFailure(release: ReleaseName): AppError | undefined;
  /** Lets a failed release be started again at once. */
  forgive(release: ReleaseName): void;
  readonly onChange: Topic<InstanceChange>['subscribe'];
  /** Ends what is starting and watches no more; what runs goes on running. */
  close(): Promise<void>;
}

interface Entry {
  readonly release: Release;
  state: InstanceState;
  instance: RunningInstance | undefined;
  starting: Promise<RunningInstance> | undefined;
  stopping: Promise<void> | undefined;
  readonly watching: AbortController;
}

const WATCH_AGAIN_MS = 1_000;

/** Whether it was told to stop, or nobody watches it any more. */
const isLeaving = ({ watching, stopping }: Entry): boolean => watching.signal.aborted || stopping !== undefined;
const nameOf = ({ project, number }: ReleaseName) => `${project}/${number}`;

export function createInstances(deps: InstancesDeps): Instances {
  const { engine, clock, logs } = deps;
  const entries = new Map<string, Entry>();
  const budget = createStartBudget({ clock });
  const changes = createTopic<InstanceChange>((error) => { deps.log.error('listener failed', { error }); });
  const closing = new AbortController();
  const logOf = (release: ReleaseName) => deps.log.child({ project: release.project, release: release.number });

  const forget = (entry: Entry, error?: AppError) => {
    entry.watching.abort();
    if (entries.get(nameOf(entry.release)) !== entry) return;
    entries.delete(nameOf(entry.release));
    changes.publish({ kind: 'gone', release: entry.release, container: entry.instance?.container, error });
  };

  /** Nobody reaches it any more; a new container would take its name, so that one waits until its log is kept. */
  const clearAway = async (entry: Entry, { release, container }: RunningInstance) => {
    entry.state = 'stopping';
    entry.instance = undefined;
    try {
      await logs.keep(release, container);
      await engine.remove(container);
    } finally {
      if (entries.get(nameOf(release)) === entry) entries.delete(nameOf(release));
    }
  };

  /** A wait that breaks proves nothing: what ran goes on running, as far as anybody knows, until the engine says otherwise. */
  const awaitExit = async (container: ContainerId, signal: AbortSignal): Promise<ContainerExit | undefined> => {
    while (!signal.aborted) {
      const exit = await engine.waitForExit(container, signal).catch(() => undefined);
      if (exit) return exit;
      const found = await engine.inspect(container).catch(() => 'unknown' as const);
      if (found === undefined) return undefined;
      if (found !== 'unknown' && found.exit) return found.exit;
      await clock.sleep(WATCH_AGAIN_MS, signal);
    }
    return undefined;
  };

  const watch = async (entry: Entry, instance: RunningInstance) => {
    const { release, container } = instance;
    const exit = await awaitExit(container, entry.watching.signal);
    if (isLeaving(entry)) return;
    const lastLines = exit ? await logs.last(container) : [];
    if (isLeaving(entry)) return;
    const error = new AppError('crashed', exit ? describeExit(exit, release) : 'Its container was removed.', { details: { lastLines } });
    budget.ended(nameOf(release), error);
    logOf(release).warn('instance ended by itself', { reason: error.message });
    if (!exit) { forget(entry, error); return; }
    entry.stopping = clearAway(entry, instance);
    changes.publish({ kind: 'gone', release, container, error });
    await entry.stopping;
    changes.publish({ kind: 'cleared', release });
  };

  const serve = (entry: Entry, instance: RunningInstance): RunningInstance => {
    entry.state = 'running';
    entry.instance = instance;
    watch(entry, instance).catch((error: unknown) => { logOf(instance.release).error('watching failed', { error }); });
    changes.publish({ kind: 'running', instance });
    return instance;
  };

  const start = async (entry: Entry, placement: Placement): Promise<RunningInstance> => {
    const { release } = entry;
    const name = nameOf(release);
    budget.started(name);
    changes.publish({ kind: 'starting', release });
    const startedAt = clock.monotonic();
    try {
      const { id, target } = await startRelease(release, placement, { ...deps, signal: AbortSignal.any([closing.signal, entry.watching.signal]) });
      budget.succeeded(name);
      logOf(release).info('instance runs', { ms: Math.round(clock.monotonic() - startedAt) });
      return serve(entry, { release, container: id, target, since: clock.now() });
    } catch (thrown) {
      const error = toAppError(thrown);
      if (STICKY.has(error.code)) budget.failed(name, error);
      logOf(release).warn('instance not started', { code: error.code, reason: error.message, ...(error.code === 'internal' ? { error } : {}) });
      forget(entry, error);
      throw error;
    }
  };

  const begin = (release: Release, state: InstanceState): Entry => {
    const entry: Entry = { release, state, instance: undefined, starting: undefined, stopping: undefined, watching: new AbortController() };
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
    entry.watching.abort(new AppError('preview_unavailable', 'It was stopped.'));
    if (entry.starting) await entry.starting.catch(() => undefined);
    const container = instance?.container ?? entry.instance?.container;
    if (container) await stopContainer({ release, container }, deps);
    forget(entry);
  };

  const stop = async (name: ReleaseName) => {
    const entry = entries.get(nameOf(name));
    if (!entry) return;
    entry.stopping ??= end(entry).finally(() => { if (entries.get(nameOf(name)) === entry) entries.delete(nameOf(name)); });
    await entry.stopping;
  };

  return {
    ensure, stop,
    adopt: (release, { id, target, startedAt }) => serve(begin(release, 'running'), { release, container: id, target, since: startedAt }),
    state: (name) => entries.get(nameOf(name))?.state,
    container: (name) => entries.get(nameOf(name))?.instance?.container,
    running: () => [...entries.values()].flatMap(({ instance, state }) => (instance && state === 'running' ? [instance] : [])),
    lastFailure: (name) => budget.lastFailure(nameOf(name))?.error,
    forgive: (name) => { budget.forgive(nameOf(name)); },
    onChange: changes.subscribe,
    close: async () => {
      closing.abort(new AppError('shutting_down', 'The server stops.'));
      const all = [...entries.values()];
      await Promise.allSettled(all.flatMap(({ starting }) => starting ?? []));
      for (const { watching } of all) watching.abort();
    },
  };
}

/** These say something about the application; the others about the surroundings, which may be better in a moment. */
const STICKY: ReadonlySet<string> = new Set(['crashed', 'start_timeout', 'start_failed']);
