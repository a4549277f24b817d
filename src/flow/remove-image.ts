import type { Builds } from '../build/builds.js';
import { AppError } from '../domain/errors.js';
import type { ImageId } from '../domain/ids.js';
import type { Project } from '../domain/project.js';
import type { ContainerEngine, EngineImage } from '../engine/port.js';
import type { Logger } from '../kernel/log.js';
import { createSingleFlight } from '../kernel/single-flight.js';
import type { Instances } from '../run/instances.js';
import type { RoutingTable } from '../serve/routing.js';
import type { Source } from '../source/source.js';
import type { ImageStore } from '../state/images.js';
import { whyKept } from './list-images.js';

export interface RemoveImageDeps {
  readonly engine: Pick<ContainerEngine, 'image' | 'images' | 'removeImage'>;
  readonly images: ImageStore;
  readonly builds: Pick<Builds, 'alone' | 'activeOf'>;
  readonly instances: Pick<Instances, 'present' | 'container' | 'stop'>;
  readonly routing: Pick<RoutingTable, 'unroute'>;
  readonly sources: ReadonlyMap<Project['name'], Source>;
  readonly log: Logger;
}

export interface RemovedImage {
  readonly id: ImageId;
  readonly project: Project['name'];
  /** How many containers of it were stopped. */
  readonly containers: number;
}

/**
 * Takes an image of one of the projects away, with the older ones that it replaced: its containers stop, and the next
 * visit of its URLs builds again. Everybody who asks at the same time shares the removal.
 *
 * @throws AppError `unknown_image`; `image_in_use` with the reason
 */
export type RemoveImage = (projects: readonly Project[], id: ImageId, options?: RemoveImageOptions) => Promise<RemovedImage>;

export interface RemoveImageOptions {
  /** Default: true. */
  readonly withOlder?: boolean;
  /** For who removes it unasked: why it stays by now, looked at right before it goes. Nothing stops for it then. */
  readonly keep?: () => Promise<string | null>;
}

const ATTEMPTS = 3;

export function createRemoveImage({ engine, images, builds, instances, routing, sources, log }: RemoveImageDeps): RemoveImage {
  const flights = createSingleFlight<ImageId, RemovedImage>();

  const assertNotNeeded = async ({ id, project, key }: EngineImage) => {
    const kept = whyKept(await images.usesOf(project, [id]), sources.get(project)?.refs());
    if (kept !== null) throw new AppError('image_in_use', kept);
    const build = builds.activeOf(project, key);
    if (build) throw new AppError('image_in_use', `It is built anew just now (${build.id}).`);
  };

  /** Nothing new reaches its containers before they are told to end. */
  const stopAll = async (id: ImageId): Promise<number> => {
    const releases = instances.present().filter(({ image }) => image === id);
    for (const release of releases) {
      const container = instances.container(release);
      if (container) routing.unroute(container);
    }
    await Promise.all(releases.map((release) => instances.stop(release)));
    return releases.length;
  };

  /** Whoever looked before the record went may start one more container: then it is stopped as well. */
  const takeAway = async ({ id }: EngineImage): Promise<number> => {
    await images.forget(id);
    let stopped = 0;
    for (let attempt = 1; ; attempt += 1) {
      stopped += await stopAll(id);
      try {
        await engine.removeImage(id);
        return stopped;
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'too_busy') throw error;
        if (attempt === ATTEMPTS) throw new AppError('image_in_use', `Containers that are not this server’s use it. ${error.message}`, { cause: error });
      }
    }
  };

  /** The engine refuses while it has a container; the record goes last, so that an image that stays is still found by its key. */
  const takeUnused = async ({ id, project }: EngineImage, keep: () => Promise<string | null>): Promise<RemovedImage> => {
    if (await engine.image(id) === undefined) throw noSuchImage(id);
    const kept = await keep();
    if (kept !== null) throw new AppError('image_in_use', kept);
    try {
      await engine.removeImage(id);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'too_busy') throw error;
      throw new AppError('image_in_use', error.message, { cause: error });
    }
    await images.forget(id);
    return { id, project, containers: 0 };
  };

  /** Left in place, an older image of the same key would be found by the next visit instead of a build. */
  const takeOlder = async (image: EngineImage) => {
    const older = (await engine.images(image.project)).filter(({ key, id, createdAt }) => key === image.key && id !== image.id && createdAt <= image.createdAt);
    for (const each of older) {
      if (whyKept(await images.usesOf(each.project, [each.id]), sources.get(each.project)?.refs()) !== null) continue;
      await takeAway(each).catch((error: unknown) => { log.warn('older image stays', { project: each.project, image: each.id, error }); });
    }
  };

  const remove = (image: EngineImage, withOlder: boolean): Promise<RemovedImage> => builds.alone(image.project, image.key, async () => {
    await assertNotNeeded(image);
    if (withOlder) await takeOlder(image);
    const containers = await takeAway(image);
    log.info('image deleted', { project: image.project, image: image.id, containers });
    return { id: image.id, project: image.project, containers };
  });

  /** Shared with nobody: who removes it by hand is not content with a reason of ours. */
  const removeUnused = (image: EngineImage, keep: () => Promise<string | null>): Promise<RemovedImage> => builds.alone(image.project, image.key, async () => {
    await assertNotNeeded(image);
    return takeUnused(image, keep);
  });

  return async (projects, id, { withOlder = true, keep } = {}) => {
    const image = await engine.image(id);
    if (!image || !projects.some(({ name }) => name === image.project)) throw noSuchImage(id);
    return keep ? removeUnused(image, keep) : flights.run(id, () => remove(image, withOlder));
  };
}

const noSuchImage = (id: ImageId): AppError => new AppError('unknown_image', `There is no image ${id}.`);
