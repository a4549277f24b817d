import type { Builds } from '../build/builds.js';
import { AppError } from '../domain/errors.js';
import { keyOfReference } from '../domain/image-reference.js';
import type { ContainerEngine } from '../engine/port.js';
import type { Logger } from '../kernel/log.js';
import type { Instances } from '../run/instances.js';
import type { RoutingTable } from '../serve/routing.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';
import type { ImagePreview } from './preview.js';
import type { RemoveImage } from './remove-image.js';

export interface DeleteImagePreviewDeps {
  readonly routes: RouteStore;
  readonly releases: Pick<ReleaseStore, 'find' | 'latestOfRoute'>;
  readonly builds: Pick<Builds, 'activeOf' | 'cancel'>;
  readonly instances: Pick<Instances, 'container' | 'stop'>;
  readonly routing: Pick<RoutingTable, 'unroute'>;
  readonly engine: Pick<ContainerEngine, 'images'>;
  readonly removeImage: RemoveImage;
  readonly log: Logger;
}

/**
 * Stops an image's preview and lets its route serve nothing; the image goes when no other environment serves it. The
 * preview's URL stays good: the next visit pulls again.
 *
 * @throws AppError `unknown_preview` when it was never opened, `image_in_use` when containers of others use the image
 */
export type DeleteImagePreview = (preview: ImagePreview) => Promise<void>;

export function createDeleteImagePreview({ routes, releases, builds, instances, routing, engine, removeImage, log }: DeleteImagePreviewDeps): DeleteImagePreview {
  return async ({ project, label, subject, image }) => {
    const route = await routes.findLabel(project.name, label);
    if (!route) throw new AppError('unknown_preview', `There is no preview ${label}.`);
    const others = (await routes.ofSubject(route)).filter(({ id, current: served }) => id !== route.id && served !== null);
    const key = keyOfReference(image);
    const pull = builds.activeOf(project.name, key);
    if (pull && others.length === 0) await builds.cancel(pull.id);
    const current = route.current === null ? undefined : await releases.find(project.name, route.current);
    for (const release of [current, await releases.latestOfRoute(route.id)].filter((each) => each !== undefined)) {
      const container = instances.container(release);
      if (container) routing.unroute(container);
      await instances.stop(release);
    }
    await routes.clear(route.id);
    if (others.length === 0) for (const pulled of (await engine.images(project.name)).filter((each) => each.key === key)) await removeImage([project], pulled.id);
    log.info('image preview deleted', { project: project.name, image: subject, kept: others.length });
  };
}
