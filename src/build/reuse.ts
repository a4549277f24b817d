import { hasImage, isPull } from '../domain/build.js';
import { carriesLabels } from '../domain/image-policy.js';
import type { ContainerEngine, EngineImage } from '../engine/port.js';
import type { BuildStore } from '../state/builds.js';
import type { ImageRecord, ImageStore } from '../state/images.js';
import { tagsOf } from './attempt.js';
import type { BuildLogs } from './log.js';
import type { BuildWanted, BuiltImage } from './wanted.js';

export interface ReuseDeps {
  readonly engine: Pick<ContainerEngine, 'image' | 'images' | 'tagImage'>;
  readonly store: BuildStore;
  readonly images: ImageStore;
  readonly logs: Pick<BuildLogs, 'open'>;
}

type NamedImage = ImageRecord & { readonly tags: readonly string[] };

/**
 * Finds the key's image: by its record, or by its label when the records were lost, and only if the engine has it. One
 * that was pulled must carry the labels that are wanted now.
 * A commit that meets the key for the first time gets a record and a log that say what was reused.
 */
export function createReuse(deps: ReuseDeps): (wanted: BuildWanted) => Promise<BuiltImage | undefined> {
  const { engine, store, images, logs } = deps;

  const recorded = async ({ project, key, recipe }: BuildWanted): Promise<NamedImage | undefined> => {
    for (let known = await images.ofKey(project, key); known; known = await images.ofKey(project, key)) {
      const there = await engine.image(known.id);
      if (there) return suits(there, recipe) ? { ...known, tags: there.tags } : undefined;
      await images.forget(known.id);
    }
    return undefined;
  };

  /**
   * A label says anything its author likes: an image of a registry or a step of a build that failed could claim any key.
   * The name that we gave the image when its build succeeded is what no Dockerfile can give.
   */
  const labelled = async (wanted: BuildWanted): Promise<NamedImage | undefined> => {
    const { project, key, recipe } = wanted;
    const names = tagsOf(wanted);
    const found = (await engine.images(project)).find((image) =>
      image.key === key && !image.inRegistry && suits(image, recipe) && names.some((name) => image.tags.includes(name)));
    if (found) await images.put(found);
    return found;
  };

  /** Also a commit that has its record: its tag may have been taken off, or the engine was lost before it was put on. */
  const name = async ({ id, tags }: NamedImage, of: BuildWanted) => {
    for (const tag of tagsOf(of)) if (!tags.includes(tag)) await engine.tagImage(id, tag);
  };

  return async (wanted) => {
    const { project, commit, key, recipe, trigger } = wanted;
    const known = await recorded(wanted) ?? await labelled(wanted);
    if (!known) return undefined;
    await images.used(known.id);
    await name(known, wanted);
    const latest = commit === null ? await store.latestOfKey(project, key) : await store.latestOfCommit(project, commit);
    if (latest?.key === key && hasImage(latest) && latest.image === known.id) return { image: known.id, build: latest };
    const build = await store.add({
      project, commit, key, recipe, trigger, noCache: false, attempt: 1, status: 'reused', image: known.id, reusedFrom: known.build,
    });
    const log = logs.open(build.id);
    log.write(`reused build ${known.build ?? 'of another server'} (build key ${key.slice(0, 12)})`);
    log.close();
    return { image: known.id, build };
  };
}

const suits = (image: EngineImage, recipe: BuildWanted['recipe']): boolean => !isPull(recipe) || carriesLabels(image.labels, recipe.labels);
