import { createCollect, type Collect, type CollectDeps } from './collect.js';
import { createKeepBuilds, type KeepBuildsDeps } from './keep-builds.js';
import { createListImages, type ListedImage, type ListImages, type ListImagesDeps } from './list-images.js';
import { createNeededImages, type NeededImagesDeps } from './needed-images.js';
import { createRemoveImage, type RemoveImage, type RemoveImageDeps } from './remove-image.js';
import { createCoalesce } from '../kernel/coalesce.js';
import type { Part } from '../kernel/part.js';

/** Everything about which images are there, who needs them, and which go. */
export interface ImageKeeping {
  readonly listImages: ListImages;
  readonly removeImage: RemoveImage;
  readonly keepBuilds: Part;
  readonly collect: Collect;
}

export type ImageKeepingDeps = ListImagesDeps & RemoveImageDeps & NeededImagesDeps & Omit<KeepBuildsDeps & CollectDeps, 'listImages' | 'removeImage' | 'neededImages'>;

export function createImageKeeping(deps: ImageKeepingDeps): ImageKeeping {
  const listImages = createListImages(deps);
  // For those who look: the answer inspects every image.
  const shared = createCoalesce<string, readonly ListedImage[]>();
  const removeImage = createRemoveImage(deps);
  const neededImages = createNeededImages(deps);
  return {
    listImages: (projects) => shared.run(projects.map(({ name }) => name).join('/'), () => listImages(projects)), removeImage,
    keepBuilds: createKeepBuilds({ ...deps, neededImages, removeImage }),
    collect: createCollect({ ...deps, listImages, neededImages, removeImage }),
  };
}
