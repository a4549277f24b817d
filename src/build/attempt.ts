import { AppError, toAppError } from '../domain/errors.js';
import { resolveArgs, type Build } from '../domain/build.js';
import type { ImageId } from '../domain/ids.js';
import type { ContainerEngine } from '../engine/port.js';
import type { Clock } from '../kernel/clock.js';
import type { BuildLogs, BuildLogWriter } from './log.js';
import type { BuildContext, OpenContext } from './wanted.js';

export interface AttemptDeps {
  readonly engine: Pick<ContainerEngine, 'build'>;
  readonly logs: Pick<BuildLogs, 'open'>;
  readonly clock: Clock;
  readonly limits: { readonly timeoutMs: number; readonly silenceMs: number };
}

/**
 * Makes the image of one build and writes its log from the first line to the verdict.
 *
 * @throws AppError why there is no image: `build_failed`, `build_timeout`, or the abort's own reason
 */
export async function attemptBuild(build: Build, openContext: OpenContext, deps: AttemptDeps & { signal: AbortSignal }): Promise<ImageId> {
  const log = deps.logs.open(build.id);
  const startedAt = deps.clock.monotonic();
  const seconds = () => ((deps.clock.monotonic() - startedAt) / 1000).toFixed(1);
  try {
    log.write(`build ${build.id} of commit ${build.commit} (build key ${build.key.slice(0, 12)})${build.noCache ? ', without cache' : ''}`);
    const image = await withinLimits(deps, (signal, onLine) => make(build, { openContext, log, onLine, signal, engine: deps.engine }));
    log.write(`built ${image} in ${seconds()} s`);
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

interface Making {
  readonly openContext: OpenContext;
  readonly log: BuildLogWriter;
  readonly onLine: () => void;
  readonly signal: AbortSignal;
  readonly engine: Pick<ContainerEngine, 'build'>;
}

async function make(build: Build, { openContext, log, onLine, signal, engine }: Making): Promise<ImageId> {
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

/** One tag for people, by commit, and one by key that a dependent's `FROM` can name. */
export function tagsOf({ project, commit, key }: Pick<Build, 'project' | 'commit' | 'key'>): readonly string[] {
  return [`slipway/${project}:${commit}`, `slipway/${project}:${key.slice(0, 32)}`];
}

/** Aborts work that takes too long or prints nothing for too long; the slot is free once the work has ended. */
async function withinLimits<T>(deps: AttemptDeps & { signal: AbortSignal }, work: (signal: AbortSignal, onLine: () => void) => Promise<T>): Promise<T> {
  const { clock, limits } = deps;
  const over = new AbortController();
  const done = new AbortController();
  let lastLineAt = clock.monotonic();
  const give = (message: string) => { over.abort(new AppError('build_timeout', message)); };
  const watchWhole = async () => {
    await clock.sleep(limits.timeoutMs, done.signal);
    if (!done.signal.aborted) give(`The build took longer than ${limits.timeoutMs / 1000} s.`);
  };
  const watchSilence = async () => {
    for (let left = limits.silenceMs; left > 0 && !done.signal.aborted; left = lastLineAt + limits.silenceMs - clock.monotonic()) {
      await clock.sleep(left, done.signal);
    }
    if (!done.signal.aborted) give(`The build printed nothing for ${limits.silenceMs / 1000} s.`);
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
