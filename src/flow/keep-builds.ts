import { AppError } from '../domain/errors.js';
import type { ImageId, RouteId } from '../domain/ids.js';
import type { Project } from '../domain/project.js';
import type { Logger } from '../kernel/log.js';
import type { Part } from '../kernel/part.js';
import type { Instances } from '../run/instances.js';
import type { ImageStore } from '../state/images.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';
import type { RemoveImage } from './remove-image.js';
import type { ServeRelease } from './serve-release.js';

export interface KeepBuildsDeps {
  readonly projects: readonly Project[];
  readonly routes: Pick<RouteStore, 'find'>;
  readonly releases: Pick<ReleaseStore, 'imagesServed' | 'routesOfImage'>;
  readonly images: Pick<ImageStore, 'list'>;
  readonly instances: Pick<Instances, 'using' | 'onChange'>;
  readonly serveRelease: Pick<ServeRelease, 'onMove'>;
  readonly removeImage: RemoveImage;
  readonly log: Logger;
}

/**
 * Removes images that a branch served before its last `keepBuilds` ones, once nothing needs them: no stage was ever given them,
 * no other route has them among its own last ones, and no container runs them. It begins after a release took over, never
 * before (P6).
 */
export function createKeepBuilds({ projects, routes, releases, images, instances, serveRelease, removeImage, log }: KeepBuildsDeps): Part {
  const under = new Set<Promise<void>>();
  const endings: (() => void)[] = [];

  const isNeeded = async (project: Project, image: ImageId): Promise<boolean> => {
    if (instances.using(image).length > 0) return true;
    for (const route of await releases.routesOfImage(project.name, image)) {
      // Everything that a stage was given is a rollback's to choose.
      if ((await routes.find(route))?.kind === 'stage') return true;
      if ((await releases.imagesServed(route, project.keepBuilds)).includes(image)) return true;
    }
    return false;
  };

  const prune = async (project: Project, id: RouteId) => {
    const route = await routes.find(id);
    if (route?.kind !== 'branch') return;
    const served = await releases.imagesServed(id);
    const kept = served.slice(0, project.keepBuilds);
    const there = new Set((await images.list(project.name)).map((image) => image.id));
    for (const image of served) {
      if (!there.has(image) || kept.includes(image) || await isNeeded(project, image)) continue;
      await removeImage([project], image, { withOlder: false }).then(
        () => { log.info('older image removed', { project: project.name, route: route.label, image }); },
        // Somebody else removed it, or needs it after all.
        (error: unknown) => { if (!(error instanceof AppError) || (error.code !== 'unknown_image' && error.code !== 'image_in_use')) throw error; },
      );
    }
  };

  const begin = (name: Project['name'], route: RouteId) => {
    const project = projects.find((each) => each.name === name);
    if (!project) return;
    const pruning = prune(project, route).catch((error: unknown) => { log.warn('older images stay', { project: name, error }); });
    under.add(pruning);
    void pruning.finally(() => under.delete(pruning));
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
      await Promise.all(under);
    },
  };
}
