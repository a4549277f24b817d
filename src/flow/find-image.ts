import { createHash } from 'node:crypto';
import type { BegunBuild, Builds, EnsureOptions } from '../build/builds.js';
import type { BuiltImage, OpenContext } from '../build/wanted.js';
import { isPull, type Build, type BuildTrigger, type PullRecipe, type Recipe } from '../domain/build.js';
import { AppError } from '../domain/errors.js';
import { assertRegistry } from '../domain/image-policy.js';
import { keyOfReference } from '../domain/image-reference.js';
import type { BuildKey, CommitHash, ProjectName } from '../domain/ids.js';
import type { Project } from '../domain/project.js';
import { canonicalJson } from '../domain/release.js';
import type { Logger } from '../kernel/log.js';
import type { Source } from '../source/source.js';
import type { SourceKeyStore } from '../state/source-keys.js';
import type { ImagePreview, PreviewSource } from './preview.js';

export interface FindImageDeps {
  readonly sources: ReadonlyMap<ProjectName, Source>;
  readonly keys: SourceKeyStore;
  readonly builds: Pick<Builds, 'begin'>;
  readonly log: Logger;
}

export interface FindImageOptions extends EnsureOptions {
  readonly trigger: BuildTrigger;
}

/** commit → build key → image, or reference → registry → image. */
export interface FindImage {
  /** The image, at once or from a build or a pull. @throws AppError of the source and build stages, `image_not_allowed` */
  begin(source: PreviewSource, options: FindImageOptions): Promise<BegunBuild>;
  /** The same, waited for. A build that a newer one replaced says nothing: whoever waited for it waits for that one. */
  wait(source: PreviewSource, options: FindImageOptions): Promise<BuiltImage>;
  /** The key: a reference has one, a commit if it was ever computed with the project's recipe. */
  knownKey(source: PreviewSource): Promise<BuildKey | undefined>;
  /** What a recorded build would receive, for taking it up again. */
  contextOf(build: Pick<Build, 'project' | 'commit' | 'recipe'>): OpenContext;
}

export function createFindImage({ sources, keys, builds, log }: FindImageDeps): FindImage {
  const sourceOf = (name: ProjectName): Source => {
    const source = sources.get(name);
    if (!source) throw new AppError('not_found', `There is no project ${name}.`);
    return source;
  };
  const contextOf: FindImage['contextOf'] = ({ project, commit, recipe }) => async () => {
    if (commit === null || isPull(recipe)) throw new AppError('internal', 'What is pulled has no context.');
    return sourceOf(project).context(commit, recipe);
  };
  const entryOf = (project: Project, commit: CommitHash) => ({ project: project.name, commit, recipeHash: hashRecipe(project.recipe) });

  const keyOf = async (project: Project, commit: CommitHash): Promise<BuildKey> => {
    const of = entryOf(project, commit);
    const known = await keys.find(of);
    if (known) return known;
    const key = await sourceOf(project.name).buildKey(commit, project.recipe);
    await keys.put(of, key);
    return key;
  };

  const beginBuild = async (project: Project, commit: CommitHash, { trigger, ...options }: FindImageOptions) => {
    const { name, recipe } = project;
    const key = await keyOf(project, commit);
    // Without git a known key is enough, as long as nothing has to be built.
    await sourceOf(name).pin(commit).catch((error: unknown) => { log.warn('commit not pinned', { project: name, commit, error }); });
    return builds.begin({ project: name, commit, key, recipe, trigger, cache: project.cache, openContext: contextOf({ project: name, commit, recipe }) }, options);
  };

  const beginPull = async ({ project, image }: Pick<ImagePreview, 'project' | 'image'>, { trigger, ...options }: FindImageOptions) => {
    assertRegistry(project.images, image);
    const recipe: PullRecipe = { image: image.text, labels: project.images.labels };
    const of = { project: project.name, commit: null, recipe };
    return builds.begin({ ...of, key: keyOfReference(image), trigger, openContext: contextOf(of) }, options);
  };

  const begin: FindImage['begin'] = (source, options) => (source.commit === null ? beginPull(source, options) : beginBuild(source.project, source.commit, options));

  const wait: FindImage['wait'] = async (source, options) => {
    const { result } = await begin(source, options);
    return result.catch((error: unknown) => {
      if (error instanceof AppError && error.code === 'build_replaced') return wait(source, options);
      throw error;
    });
  };

  return {
    begin,
    wait,
    contextOf,
    knownKey: async (source) => (source.commit === null ? keyOfReference(source.image) : keys.find(entryOf(source.project, source.commit))),
  };
}

const hashRecipe = (recipe: Recipe): string => createHash('sha256').update(canonicalJson(recipe)).digest('hex');
