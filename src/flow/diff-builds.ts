import type { Build } from '../domain/build.js';
import { AppError } from '../domain/errors.js';
import type { BuildId, ImageId } from '../domain/ids.js';
import type { ContainerEngine } from '../engine/port.js';
import type { Clock } from '../kernel/clock.js';
import { withDeadline } from '../kernel/deadline.js';
import { createSingleFlight } from '../kernel/single-flight.js';
import type { BuildStore } from '../state/builds.js';

/** Which files of two images differ. Paths are sorted, and 10,000 of each kind at most are named; `counts` has them all. */
export interface BuildDiff {
  /** The build that made the same key before. */
  readonly against: BuildId;
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  readonly counts: { readonly added: number; readonly removed: number; readonly changed: number };
}

/**
 * Compares a build's image with that of the newest build of the same key before it whose image is still there. Times do not
 * count, only type, mode, owner, content and the targets of links. Everybody who asks for the same at the same time shares the work.
 *
 * @throws AppError `nothing_to_compare`, `build_image_gone`, `too_busy`, those of the engine
 */
export type DiffBuilds = (build: Build) => Promise<BuildDiff>;

export interface DiffBuildsDeps {
  readonly engine: Pick<ContainerEngine, 'image' | 'files'>;
  readonly buildStore: Pick<BuildStore, 'earlierOfKey'>;
  readonly clock: Clock;
}

const MOST_NAMED = 10_000;
/** How far back an image is looked for. */
const MOST_EARLIER = 50;
/** Each reads two whole images. */
const MOST_AT_ONCE = 2;
const LONGEST_MS = 10 * 60_000;

export function createDiffBuilds({ engine, buildStore, clock }: DiffBuildsDeps): DiffBuilds {
  const flights = createSingleFlight<BuildId, BuildDiff>();

  const isThere = async (image: ImageId | null): Promise<boolean> => image !== null && await engine.image(image) !== undefined;

  const findEarlier = async (build: Build): Promise<Build> => {
    const earlier = await buildStore.earlierOfKey(build, MOST_EARLIER);
    for (const each of earlier) if (await isThere(each.image)) return each;
    const [newest] = earlier;
    if (newest) throw new AppError('build_image_gone', `The image of ${newest.id}, which made the same key before ${build.id}, is gone.`);
    throw new AppError('nothing_to_compare', `No other build made the key of ${build.id} before it.`);
  };

  const read = async (build: Build): Promise<BuildDiff> => {
    if (build.status === 'reused') throw new AppError('nothing_to_compare', `${build.id} made no image: it reused that of ${build.reusedFrom ?? 'another server'}.`);
    if (build.status !== 'succeeded' || build.image === null) throw new AppError('nothing_to_compare', `${build.id} made no image: it is ${build.status}.`);
    const earlier = await findEarlier(build);
    if (!await isThere(build.image)) throw new AppError('build_image_gone', `The image of ${build.id} is gone.`);
    const [before, after] = [earlier.image ?? build.image, build.image];
    const compared = await withDeadline((signal) => compare({ before, after }, { engine, signal }), {
      ms: LONGEST_MS, clock, error: () => new AppError('engine_timeout', `The images were not compared within ${LONGEST_MS / 60_000} minutes.`),
    });
    return { against: earlier.id, ...compared };
  };

  return (build) => {
    if (!flights.get(build.id) && flights.size >= MOST_AT_ONCE) return Promise.reject(new AppError('too_busy', `${MOST_AT_ONCE} comparisons are under way already.`));
    return flights.run(build.id, () => read(build));
  };
}

interface Comparing {
  readonly engine: Pick<ContainerEngine, 'files'>;
  readonly signal: AbortSignal;
}

/** Keeps of one image a digest for each path, and of the other one nothing but what differs. */
async function compare({ before, after }: { readonly before: ImageId; readonly after: ImageId }, { engine, signal }: Comparing): Promise<Omit<BuildDiff, 'against'>> {
  const left = new Map<string, string>();
  const [added, changed]: [string[], string[]] = [[], []];
  // A pull that brought nothing new has the image that was there.
  if (before !== after) {
    for await (const { path, digest } of engine.files(before, signal)) left.set(path, digest);
    for await (const { path, digest } of engine.files(after, signal)) {
      const known = left.get(path);
      left.delete(path);
      if (known === undefined) added.push(path);
      else if (known !== digest) changed.push(path);
    }
  }
  const removed = [...left.keys()];
  return {
    added: named(added), removed: named(removed), changed: named(changed),
    counts: { added: added.length, removed: removed.length, changed: changed.length },
  };
}

const named = (paths: readonly string[]): readonly string[] => [...paths].sort().slice(0, MOST_NAMED);
