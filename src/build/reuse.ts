import { hasImage } from '../domain/build.js';
import type { BuildKey, ProjectName } from '../domain/ids.js';
import type { ContainerEngine } from '../engine/port.js';
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

/**
 * Finds the key's image: by its record, or by its label when the records were lost, and only if the engine has it.
 * A commit that meets the key for the first time gets a record and a log that say what was reused.
 */
export function createReuse(deps: ReuseDeps): (wanted: BuildWanted) => Promise<BuiltImage | undefined> {
  const { engine, store, images, logs } = deps;

  const recorded = async (project: ProjectName, key: BuildKey): Promise<ImageRecord | undefined> => {
    for (let known = await images.ofKey(project, key); known; known = await images.ofKey(project, key)) {
      if (await engine.image(known.id)) return known;
      await images.forget(known.id);
    }
    return undefined;
  };

  const labelled = async (project: ProjectName, key: BuildKey): Promise<ImageRecord | undefined> => {
    const found = (await engine.images(project)).find((image) => image.key === key);
    if (found) await images.put(found);
    return found;
  };

  return async (wanted) => {
    const { project, commit, key, recipe, trigger } = wanted;
    const known = await recorded(project, key) ?? await labelled(project, key);
    if (!known) return undefined;
    await images.used(known.id);
    const latest = await store.latestOfCommit(project, commit);
    if (latest?.key === key && hasImage(latest) && latest.image === known.id) return { image: known.id, build: latest };
    const build = await store.add({
      project, commit, key, recipe, trigger, noCache: false, attempt: 1, status: 'reused', image: known.id, reusedFrom: known.build,
    });
    const log = logs.open(build.id);
    log.write(`reused build ${known.build ?? 'of another server'} (build key ${key.slice(0, 12)})`);
    log.close();
    for (const tag of tagsOf(build)) await engine.tagImage(known.id, tag);
    return { image: known.id, build };
  };
}
