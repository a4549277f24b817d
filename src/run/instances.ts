import { AppError, toAppError } from '../domain/errors.js';
import type { ContainerId } from '../domain/ids.js';
import type { Release } from '../domain/release.js';
import type { InstanceState } from '../domain/state.js';
import { isSamePlace } from '../domain/target.js';
import type { ContainerEngine, StartedContainer } from '../engine/port.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { settleAll } from '../kernel/settle-all.js';
import { createTopic, type Topic } from '../kernel/topic.js';
import { createEnded } from './ended.js';
import { membersOf, type FoundSet, type InstanceChange, type ProcessContainer, type RunningInstance } from './instance.js';
import type { ReleaseName } from './logs.js';
import { createSleep, type Sleep } from './sleep.js';
import { createStartBudget } from './start-budget.js';
import { startRelease, type Placement, type StartDeps } from './start.js';
import { clearAway, findCrash, stopContainers, type StopDeps } from './stop.js';

export type { InstanceChange, RunningInstance } from './instance.js';

export interface InstancesDeps extends StartDeps {
  readonly engine: StartDeps['engine'] & StopDeps['engine'] & Pick<ContainerEngine, 'pause' | 'resume'>;
  readonly log: Logger;
  readonly clock: Clock;
}

/** One instance per release: started when wanted, given up when the engine says that it is lost, stopped when told. */
export interface Instances extends Sleep {
  /** The running instance, started or woken; joined by all who want it meanwhile. @throws AppError why it cannot be started */
  ensure(release: Release, placement: Placement): Promise<RunningInstance>;
  /** Takes over what an earlier run of this server started. */
  adopt(release: Release, found: FoundSet): RunningInstance;
  /**
   * Stops it, all its containers at once, their logs kept; waits for a start that is under way. `because`: it counts as an end
   * of its own, as a crash does. Nothing happens when it does not run.
   */
  stop(release: ReleaseName, because?: AppError): Promise<void>;
  /**
   * The engine says that a container ended, was removed or lost its address: whatever process it is, its whole set goes.
   * Nobody reaches it from this moment on; ends once it is cleared away. `byHand`: somebody did it, so that it is no crash.
   * Nothing happens when it runs no release.
   */
  lost(container: ContainerId, byHand: boolean): Promise<void>;
  state(release: ReleaseName): InstanceState | undefined;
  /** `web`'s, unless another process is named. */
  container(release: ReleaseName, named?: string | null): ContainerId | undefined;
  running(): readonly RunningInstance[];
  /** What runs or sleeps. */
  living(): readonly RunningInstance[];
  /** The releases of which an instance runs, sleeps, starts or stops. */
  present(): readonly Release[];
  /** Why it last ended or did not start; undefined after a good start. */
  lastFailure(release: ReleaseName): AppError | undefined;
  /** How often it became ready again after an end of its own, since this server started. */
  restarts(release: ReleaseName): number;
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

/** Which container of a set was lost first, and whether somebody did it. */
interface Loss { readonly member: ProcessContainer; readonly byHand: boolean }

const nameOf = ({ project, number }: ReleaseName) => `${project}/${number}`;

export function createInstances(deps: InstancesDeps): Instances {
  const { clock } = deps;
  const entries = new Map<string, Entry>();
  const ended = createEnded();
  const budget = createStartBudget({ clock });
  const changes = createTopic<InstanceChange>((error) => { deps.log.error('listener failed', { error }); });
  const closing = new AbortController();
  const withState = (...states: InstanceState[]) => [...entries.values()].flatMap(({ instance, state }) => (instance && states.includes(state) ? [instance] : []));
  const living = () => withState('running', 'sleeping');
  const logOf = (release: ReleaseName) => deps.log.child({ project: release.project, release: release.number });

  const leave = (entry: Entry) => { if (entries.get(nameOf(entry.release)) === entry) entries.delete(nameOf(entry.release)); };

  const forget = (entry: Entry, error?: AppError) => {
    entry.givingUp.abort();
    if (entries.get(nameOf(entry.release)) !== entry) return;
    leave(entry);
    changes.publish({ kind: 'gone', release: entry.release, container: entry.instance?.container, error });
  };

  /** A new container would take its name, so that one waits until this one's log is kept. */
  const settle = async (entry: Entry, instance: RunningInstance, { member, byHand }: Loss) => {
    const { release, container } = instance;
    const crash = byHand ? undefined : await findCrash({ release, member }, deps);
    const error = entry.told ? undefined : crash;
    if (error) budget.ended(nameOf(release), error);
    logOf(release).warn('instance lost', { container: member.container, reason: error?.message ?? 'somebody stopped, removed or cut off its container' });
    changes.publish({ kind: 'gone', release, container, error });
    // The rest of the set still runs, and may end in its own way.
    const rest = membersOf(instance).filter((other) => other.container !== member.container);
    await settleAll([clearAway({ release, members: [member] }, deps), stopContainers({ release, members: rest }, deps)])
      .catch((failed: unknown) => { logOf(release).error('lost instance not cleared away', { container, error: failed }); });
    leave(entry);
    changes.publish({ kind: 'cleared', release });
  };

  /** Out of everybody's reach before anything is waited for. */
  const lose = (entry: Entry, instance: RunningInstance, loss: Loss): Promise<void> => {
    const { release, container } = instance;
    entry.state = 'stopping';
    entry.instance = undefined;
    const stopping = entry.stopping = Promise.resolve().then(() => settle(entry, instance, loss));
    changes.publish({ kind: 'lost', release, container });
    return stopping;
  };

  const lost = async (container: ContainerId, byHand: boolean): Promise<void> => {
    if (closing.signal.aborted) return;
    for (const entry of entries.values()) {
      const member = entry.instance && membersOf(entry.instance).find((each) => each.container === container);
      if (!entry.instance || !member) continue;
      if (!entry.stopping) await lose(entry, entry.instance, { member, byHand });
      return;
    }
    ended.note(container, byHand);
  };

  const rest = createSleep({ engine: deps.engine, find: (name) => entries.get(nameOf(name)), lost, publish: changes.publish });

  /** An address has one container: whoever had it before is gone, though the engine may not have said so yet (INV3). */
  const claim = ({ id, target }: StartedContainer) => {
    for (const { container, target: other } of living()) if (container !== id && isSamePlace(other, target)) void lost(container, false);
  };

  const serve = (entry: Entry, instance: RunningInstance): RunningInstance => {
    claim({ id: instance.container, target: instance.target });
    entry.state = 'running';
    entry.instance = instance;
    changes.publish({ kind: 'running', instance });
    // It may have ended between its last probe and now.
    const loss = ended.among(membersOf(instance));
    if (loss) void lose(entry, instance, loss);
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
      const { id, target, beside } = await startRelease(release, placement, { ...deps, onStarted: claim, signal: AbortSignal.any([closing.signal, entry.givingUp.signal]) });
      budget.succeeded(name);
      logOf(release).info('instance runs', { ms: Math.round(clock.monotonic() - startedAt) });
      return serve(entry, { release, container: id, beside, target, host: placement.host, since: clock.now() });
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
    if (known?.state === 'running' && known.instance) return known.instance;
    if (known?.state === 'starting' && known.starting) return known.starting;
    if (closing.signal.aborted) throw new AppError('shutting_down', 'No container is started any more.');
    if (known?.state === 'sleeping') return await rest.wake(release) ?? ensure(release, placement);
    const refusal = budget.refusal(nameOf(release), placement.mostRestarts);
    if (refusal) throw refusal;
    const entry = begin(release, 'starting');
    entry.starting = start(entry, placement);
    return entry.starting;
  };

  const end = async (entry: Entry, because: AppError | undefined) => {
    const { release } = entry;
    const before = entry.instance;
    entry.state = 'stopping';
    changes.publish({ kind: 'stopping', release });
    entry.givingUp.abort(new AppError('preview_unavailable', 'It was stopped.'));
    if (entry.starting) await entry.starting.catch(() => undefined);
    // One that is frozen after it was told to end would not hear it.
    await rest.settled(release);
    const instance = before ?? entry.instance;
    if (instance) await stopContainers({ release, members: membersOf(instance) }, deps);
    if (because) budget.ended(nameOf(release), because);
    forget(entry, because);
  };

  const stop = async (name: ReleaseName, because?: AppError) => {
    const entry = entries.get(nameOf(name));
    if (!entry) return;
    entry.told = true;
    entry.stopping ??= end(entry, because).finally(() => { leave(entry); });
    await entry.stopping;
  };

  return {
    ensure, stop, lost, living,
    ...rest,
    adopt: (release, { web: { id, target, startedAt }, beside, host }) => serve(begin(release, 'running'), {
      release, container: id, beside: beside.map((each) => ({ process: each.process, container: each.id })), target, host, since: startedAt,
    }),
    state: (name) => entries.get(nameOf(name))?.state,
    container: (name, named = null) => {
      const instance = entries.get(nameOf(name))?.instance;
      return instance && membersOf(instance).find((each) => each.process === named)?.container;
    },
    running: () => withState('running'),
    present: () => [...entries.values()].map(({ release }) => release),
    lastFailure: (name) => budget.lastFailure(nameOf(name))?.error,
    restarts: (name) => budget.restarts(nameOf(name)),
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
