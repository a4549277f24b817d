import { AppError } from '../domain/errors.js';
import type { RouteId } from '../domain/ids.js';
import type { Project } from '../domain/project.js';
import { createBackground } from '../kernel/background.js';
import type { Logger } from '../kernel/log.js';
import type { Part } from '../kernel/part.js';
import type { Instances } from '../run/instances.js';
import type { ImageStore } from '../state/images.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';
import type { NeededImages } from './needed-images.js';
import type { RemoveImage } from './remove-image.js';
import type { ServeRelease } from './serve-release.js';

export interface KeepBuildsDeps {
  readonly projects: readonly Project[];
  readonly routes: Pick<RouteStore, 'find'>;
  readonly releases: Pick<ReleaseStore, 'imagesServed'>;
  readonly neededImages: Pick<NeededImages, 'withRoom'>;
  readonly images: Pick<ImageStore, 'list'>;
  readonly instances: Pick<Instances, 'onChange'>;
  readonly serveRelease: Pick<ServeRelease, 'onMove'>;
  readonly removeImage: RemoveImage;
  readonly log: Logger;
}

/**
 * Removes images that a branch served before its last `keepBuilds` ones, once nothing needs them: no stage was ever given them,
 * no other route has them among its own last ones, and no container runs them. It begins after a release took over, never
 * before (P6).
 */
export function createKeepBuilds({ projects, routes, releases, neededImages, images, instances, serveRelease, removeImage, log }: KeepBuildsDeps): Part {
  const background = createBackground();
  const endings: (() => void)[] = [];

  const prune = async (project: Project, id: RouteId) => {
    const route = await routes.find(id);
    if (route?.kind !== 'branch') return;
    const there = new Set((await images.list(project.name)).map((image) => image.id));
    const served = (await releases.imagesServed(id)).filter((image) => there.has(image));
    for (const image of served.slice(project.keepBuilds)) {
      const keep = () => neededImages.withRoom(project, { image, there });
      if (await keep() !== null) continue;
      await removeImage([project], image, { keep }).then(
        () => { log.info('older image removed', { project: project.name, route: route.label, image }); },
        // Somebody else removed it, or needs it after all.
        (error: unknown) => { if (!(error instanceof AppError) || (error.code !== 'unknown_image' && error.code !== 'image_in_use')) throw error; },
      );
    }
  };

  const begin = (name: Project['name'], route: RouteId) => {
    const project = projects.find((each) => each.name === name);
    if (project) void background.begin(prune(project, route), (error) => { log.warn('older images stay', { project: name, error }); });
  };

  return {
    start: () => {
      endings.push(serveRelease.onMove(({ project, route }) => { begin(project, route); }));
      // What a replaced instance still served by then goes with it.
      endings.push(instances.onChange((change) => { if (change.kind === 'gone') begin(change.release.project, change.release.route); }));
      return Promise.resolve();
    },
    stop: async () => {
      for (const end of endings.splice(0)) end();
      await background.settled();
    },
  };
}
