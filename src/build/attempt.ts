import { AppError, toAppError } from '../domain/errors.js';
import { isPull, resolveArgs, type Build, type PullRecipe, type Recipe } from '../domain/build.js';
import type { ImageId } from '../domain/ids.js';
import { nameOfReference, parseImageReference } from '../domain/image-reference.js';
import type { ContainerEngine } from '../engine/port.js';
import type { Clock } from '../kernel/clock.js';
import type { BuildStore } from '../state/builds.js';
import type { BuildLogs, BuildLogWriter } from './log.js';
import type { BuildContext, OpenContext } from './wanted.js';

export interface AttemptDeps {
  readonly engine: Pick<ContainerEngine, 'build' | 'pull'>;
  readonly logs: Pick<BuildLogs, 'open'>;
  readonly store: Pick<BuildStore, 'earlierOfKey'>;
  readonly clock: Clock;
  readonly limits: { readonly timeoutMs: number; readonly silenceMs: number };
}

/**
 * Makes or pulls the image of one build and writes its log from the first line to the verdict.
 *
 * @throws AppError why there is no image: `build_failed`, `build_timeout`, those of a pull, or the abort's own reason
 */
export async function attemptBuild(build: Build, openContext: OpenContext, deps: AttemptDeps & { signal: AbortSignal }): Promise<ImageId> {
  const log = deps.logs.open(build.id);
  const startedAt = deps.clock.monotonic();
  const seconds = () => ((deps.clock.monotonic() - startedAt) / 1000).toFixed(1);
  try {
    log.write(titleOf(build));
    const before = build.noCache ? (await deps.store.earlierOfKey(build, 1))[0] : undefined;
    if (before) log.write(`Built again without cache; build ${before.id} made the same key before. To see which files differ: slipway view ${build.id} --diff`);
    const image = await withinLimits(build, deps, (signal, onLine) => make(build, { openContext, log, onLine, signal, engine: deps.engine }));
    log.write(`${isPull(build.recipe) ? 'pulled as' : 'built'} ${image} in ${seconds()} s`);
    return image;
  } catch (thrown) {
    const error = toAppError(thrown);
    log.write(`${VERDICT[error.code] ?? 'failed'} after ${seconds()} s: ${error.message}`);
    throw error;
  } finally {
    log.close();
  }
}

const VERDICT: Readonly<Record<string, string>> = { build_timeout: 'timed out', build_cancelled: 'cancelled', build_replaced: 'cancelled', shutting_down: 'interrupted' };

const titleOf = ({ id, commit, key, recipe, noCache }: Build): string => (isPull(recipe)
  ? `pull ${id} of ${recipe.image}`
  : `build ${id} of commit ${commit ?? 'none'} (build key ${key.slice(0, 12)})${noCache ? ', without cache' : ''}`);

interface Making {
  readonly openContext: OpenContext;
  readonly log: BuildLogWriter;
  readonly onLine: () => void;
  readonly signal: AbortSignal;
  readonly engine: Pick<ContainerEngine, 'build' | 'pull'>;
}

function make(build: Build, making: Making): Promise<ImageId> {
  const { recipe } = build;
  return isPull(recipe) ? pullImage({ ...build, recipe }, making) : buildImage({ ...build, recipe }, making);
}

function pullImage(build: Build & { readonly recipe: PullRecipe }, { log, onLine, signal, engine }: Making): Promise<ImageId> {
  const { project, id, key, recipe: { image, labels } } = build;
  return engine.pull({
    project, build: id, key, reference: parseImageReference(image), labels, tags: tagsOf(build), onLine: (line) => { log.write(line); onLine(); },
  }, signal);
}

async function buildImage(build: Build & { readonly recipe: Recipe }, { openContext, log, onLine, signal, engine }: Making): Promise<ImageId> {
  const { stream, notes } = await unlessAborted(openContext, signal);
  for (const note of notes) log.write(note);
  try {
    signal.throwIfAborted();
    return await engine.build({
      project: build.project, build: build.id, key: build.key, context: stream, dockerfile: build.recipe.dockerfile,
      target: build.recipe.target, args: resolveArgs(build.recipe, build.commit), platform: build.recipe.platform, noCache: build.noCache,
      tags: tagsOf(build), onLine: (line) => { log.write(line); onLine(); },
    }, signal);
  } finally {
    stream.destroy();
  }
}

/** A context that never comes must not hold the slot; one that comes too late is thrown away. */
async function unlessAborted(openContext: OpenContext, signal: AbortSignal): Promise<BuildContext> {
  signal.throwIfAborted();
  const opening = openContext();
  const aborted = new Promise<never>((_resolve, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error); }, { once: true }); });
  return Promise.race([opening, aborted]).catch((error: unknown) => {
    opening.then(({ stream }) => { stream.destroy(); }, () => undefined);
    throw error;
  });
}

/** One tag for people, by commit or by the image's own name, and one by key that a dependent's `FROM` can name. */
export function tagsOf({ project, commit, key, recipe }: Pick<Build, 'project' | 'commit' | 'key' | 'recipe'>): readonly string[] {
  const name = isPull(recipe) ? nameOfReference(parseImageReference(recipe.image), null) : commit;
  return [...(name === null ? [] : [`slipway/${project}:${name}`]), `slipway/${project}:${key.slice(0, 32)}`];
}

/** Aborts work that takes too long or prints nothing for too long; the slot is free once the work has ended. */
async function withinLimits<T>({ recipe }: Build, deps: AttemptDeps & { signal: AbortSignal }, work: (signal: AbortSignal, onLine: () => void) => Promise<T>): Promise<T> {
  const { clock, limits } = deps;
  const over = new AbortController();
  const done = new AbortController();
  let lastLineAt = clock.monotonic();
  const [code, what] = isPull(recipe) ? ['pull_failed', 'pull'] as const : ['build_timeout', 'build'] as const;
  const give = (message: string) => { over.abort(new AppError(code, message)); };
  const watchWhole = async () => {
    await clock.sleep(limits.timeoutMs, done.signal);
    if (!done.signal.aborted) give(`The ${what} took longer than ${limits.timeoutMs / 1000} s.`);
  };
  const watchSilence = async () => {
    for (let left = limits.silenceMs; left > 0 && !done.signal.aborted; left = lastLineAt + limits.silenceMs - clock.monotonic()) {
      await clock.sleep(left, done.signal);
    }
    if (!done.signal.aborted) give(`The ${what} printed nothing for ${limits.silenceMs / 1000} s.`);
  };
  void watchWhole();
  void watchSilence();
  const signal = AbortSignal.any([deps.signal, over.signal]);
  try {
    return await work(signal, () => { lastLineAt = clock.monotonic(); });
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    done.abort();
  }
}
