import { isActive, isPull, type Build } from '../domain/build.js';
import { AppError, isPassing, toAppError } from '../domain/errors.js';
import type { BuildId, BuildKey, ProjectName } from '../domain/ids.js';
import type { ContainerEngine } from '../engine/port.js';
import type { Logger } from '../kernel/log.js';
import type { Part } from '../kernel/part.js';
import { createTopic, type Topic } from '../kernel/topic.js';
import { createTurns } from '../kernel/turns.js';
import type { BuildChange, BuildStore } from '../state/builds.js';
import type { ImageStore } from '../state/images.js';
import { attemptBuild, type AttemptDeps } from './attempt.js';
import { createEstimate, type QueuePlace } from './estimate.js';
import type { BuildLogs } from './log.js';
import { createBuildQueue, type BuildLimits } from './queue.js';
import { createReuse } from './reuse.js';
import type { BuildWanted, BuiltImage, OpenContext } from './wanted.js';

export interface BuildsDeps extends AttemptDeps {
  readonly engine: Pick<ContainerEngine, 'build' | 'pull' | 'image' | 'images' | 'tagImage'>;
  readonly store: BuildStore;
  readonly images: ImageStore;
  readonly logs: BuildLogs;
  readonly limits: BuildLimits & AttemptDeps['limits'];
  readonly log: Logger;
}

export interface EnsureOptions {
  /** Build without cache, or pull, although an image may be there. */
  readonly anew?: boolean;
  /** Try again although the last build of the key failed. */
  readonly retry?: boolean;
}

/** One build or pull per key however many ask; an image that is there is neither built nor pulled again. */
export interface Builds extends Part {
  /** Finds the key's image, or joins or begins its build. @throws AppError of an earlier build that failed, `queue_full` */
  begin(wanted: BuildWanted, options?: EnsureOptions): Promise<BegunBuild>;
  /** Takes up a build that a stopped server left behind; what was interrupted twice fails. */
  resume(build: Build, openContext: OpenContext): Promise<void>;
  /** Ends a build that a stopped server left behind and that may not go on, for that reason. */
  giveUp(build: Build, reason: AppError): Promise<void>;
  /** Ends a waiting or running build. @throws AppError `unknown_build`, `build_not_active` */
  cancel(id: BuildId): Promise<void>;
  /** Runs work while nobody finds the key's image or begins its build: who wants it meanwhile waits. */
  alone<T>(project: ProjectName, key: BuildKey, work: () => Promise<T>): Promise<T>;
  /** The waiting or running build of a key. */
  activeOf(project: ProjectName, key: BuildKey): Build | undefined;
  /** Where a waiting or running build stands; undefined for any other. */
  place(id: BuildId): QueuePlace | undefined;
  size(): { readonly waiting: number; readonly building: number };
  /** Called with every change of a build. */
  readonly onChange: Topic<Build>['subscribe'];
}

export interface BegunBuild {
  readonly build: Build;
  /** Rejects with the AppError of the build. */
  readonly result: Promise<BuiltImage>;
}

interface ActiveBuild {
  build: Build;
  readonly cancelling: AbortController;
  result: Promise<BuiltImage>;
}

const MAX_ATTEMPTS = 2;
/** A registry may have the image, or answer, a moment later; whoever reloads all the time is still not a reason to ask it all the time. */
const PULL_FAILURE_HOLDS_MS = 10_000;
const ENDED_BY_US: ReadonlySet<string> = new Set(['build_cancelled', 'build_replaced', 'project_removed']);

const slotOf = ({ project, key }: Pick<Build, 'project' | 'key'>) => `${project}:${key}`;

export function createBuilds(deps: BuildsDeps): Builds {
  const { store, images, clock, log, limits } = deps;
  const queue = createBuildQueue(limits);
  const estimate = createEstimate({ clock, concurrency: limits.concurrency });
  const findImage = createReuse(deps);
  const active = new Map<string, ActiveBuild>();
  const turns = createTurns<string>();
  const recording = createTurns<'one'>();
  const changes = createTopic<Build>((error) => { log.error('listener failed', { error }); });
  let stopping = false;

  const change = async (entry: ActiveBuild, fields: BuildChange) => {
    entry.build = await store.change(entry.build.id, fields);
    changes.publish(entry.build);
    return entry.build;
  };

  const run = async (entry: ActiveBuild, openContext: OpenContext): Promise<BuiltImage> => {
    const startedAt = clock.now();
    await change(entry, { status: 'building', startedAt });
    const image = await attemptBuild(entry.build, openContext, { ...deps, signal: entry.cancelling.signal });
    await images.put({ id: image, project: entry.build.project, key: entry.build.key, build: entry.build.id });
    const finishedAt = clock.now();
    if (!isPull(entry.build.recipe)) estimate.took(entry.build.project, finishedAt - startedAt);
    return { image, build: await change(entry, { status: 'succeeded', finishedAt, image }) };
  };

  const fail = async (entry: ActiveBuild, thrown: unknown): Promise<never> => {
    const error = toAppError(thrown);
    const { code, message } = error;
    log.warn('build failed', { build: entry.build.id, code, reason: message, ...(code === 'internal' ? { error } : {}) });
    if (code === 'shutting_down') await change(entry, { status: 'queued', startedAt: null });
    else await change(entry, { status: ENDED_BY_US.has(code) ? 'cancelled' : 'failed', finishedAt: clock.now(), error: { code, message } });
    throw error;
  };

  const enqueue = (build: Build, openContext: OpenContext): ActiveBuild => {
    const cancelling = new AbortController();
    const entry: ActiveBuild = { build, cancelling, result: new Promise(() => undefined) };
    const slot = slotOf(build);
    entry.result = queue.add(build.id, () => run(entry, openContext), cancelling.signal)
      .catch((thrown: unknown) => fail(entry, thrown))
      .finally(() => { if (active.get(slot) === entry) active.delete(slot); });
    entry.result.catch(() => undefined);
    active.set(slot, entry);
    changes.publish(build);
    return entry;
  };

  const learnDurations = async (project: ProjectName) => {
    if (estimate.knows(project)) return;
    for (const ms of (await store.durations(project)).toReversed()) estimate.took(project, ms);
  };

  const admit = async (wanted: BuildWanted, { anew = false, retry = false }: EnsureOptions): Promise<BegunBuild> => {
    const current = active.get(slotOf(wanted));
    // A pull that waits or runs brings what the registry has now.
    if (current && (!anew || current.build.noCache || isPull(wanted.recipe))) return current;
    if (current) await end(current, new AppError('build_replaced', 'A build without cache takes its place.'));
    if (!anew) {
      const built = await findImage(wanted);
      if (built) return { build: built.build, result: Promise.resolve(built) };
      if (!retry) await assertNotFailed(wanted);
    }
    return recording.take('one', () => record(wanted, anew));
  };

  /** One after the other, since whether there is room counts those recorded before. */
  const record = async (wanted: BuildWanted, noCache: boolean): Promise<BegunBuild> => {
    if (stopping) throw new AppError('shutting_down', 'No new build begins.');
    queue.assertRoom();
    await learnDurations(wanted.project);
    const { project, commit, key, recipe, trigger } = wanted;
    return enqueue(await store.add({ project, commit, key, recipe, trigger, noCache: (noCache || wanted.cache === false) && !isPull(recipe), attempt: 1 }), wanted.openContext);
  };

  const assertNotFailed = async ({ project, key, recipe }: BuildWanted) => {
    const latest = await store.latestOfKey(project, key);
    if (!latest?.error || isActive(latest)) return;
    const { code, message } = latest.error;
    const leftMs = PULL_FAILURE_HOLDS_MS - Math.abs(clock.now() - (latest.finishedAt ?? 0));
    // A registry's password may be put right at any time, without a new commit.
    const ofRegistry = isPull(recipe) || code === 'registry_refused';
    if (ofRegistry ? leftMs <= 0 : isPassing(code)) return;
    throw new AppError(code, message, ofRegistry ? { details: { retryAfterSeconds: Math.ceil(leftMs / 1_000) } } : {});
  };

  const end = async (entry: ActiveBuild, reason: AppError) => {
    entry.cancelling.abort(reason);
    await entry.result.catch(() => undefined);
  };

  /** Ends one that nobody works on, in its log and in its record. */
  const close = async ({ id }: Build, status: 'interrupted' | 'cancelled' | 'failed', { code, message }: AppError) => {
    const writer = deps.logs.open(id);
    writer.write(`${status}: ${message}`);
    writer.close();
    await store.change(id, { status, finishedAt: clock.now(), error: { code, message } });
  };

  return {
    begin: (wanted, options = {}) => turns.take(slotOf(wanted), () => admit(wanted, options)),
    resume: async (build, openContext) => {
      if (build.status === 'queued') { enqueue(build, openContext); return; }
      await close(build, 'interrupted', new AppError('build_interrupted', 'The server stopped while it ran.'));
      if (build.attempt >= MAX_ATTEMPTS) return;
      const { project, commit, key, recipe, noCache, attempt } = build;
      enqueue(await store.add({ project, commit, key, recipe, noCache, trigger: 'resume', attempt: attempt + 1 }), openContext);
    },
    giveUp: async (build, reason) => {
      log.warn('build given up', { build: build.id, code: reason.code, reason: reason.message });
      await close(build, ENDED_BY_US.has(reason.code) ? 'cancelled' : 'failed', reason);
    },
    cancel: async (id) => {
      const entry = [...active.values()].find(({ build }) => build.id === id);
      if (entry) { await end(entry, new AppError('build_cancelled', 'It was cancelled.')); return; }
      const known = await store.find(id);
      throw known ? new AppError('build_not_active', `The build ${id} is ${known.status}.`) : new AppError('unknown_build', `There is no build ${id}.`);
    },
    alone: (project, key, work) => turns.take(slotOf({ project, key }), work),
    activeOf: (project, key) => active.get(slotOf({ project, key }))?.build,
    place: (id) => {
      const entry = [...active.values()].find(({ build }) => build.id === id);
      return entry && estimate.place(entry.build, queue.position(id) ?? 0);
    },
    size: () => ({ waiting: queue.waiting, building: queue.running }),
    onChange: changes.subscribe,
    start: () => Promise.resolve(),
    stop: async () => {
      stopping = true;
      await recording.take('one', () => Promise.resolve());
      await Promise.all([...active.values()].map((entry) => end(entry, new AppError('shutting_down', 'The server stopped.'))));
    },
  };
}
