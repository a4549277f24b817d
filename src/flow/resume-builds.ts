import type { Builds } from '../build/builds.js';
import { isPull, type Build } from '../domain/build.js';
import { AppError } from '../domain/errors.js';
import { parseImageReference } from '../domain/image-reference.js';
import type { Project } from '../domain/project.js';
import { canonicalJson } from '../domain/release.js';
import type { Logger } from '../kernel/log.js';
import type { BuildStore } from '../state/builds.js';
import type { FindImage } from './find-image.js';

export interface ResumeBuildsDeps {
  readonly projects: readonly Project[];
  readonly buildStore: Pick<BuildStore, 'active'>;
  readonly builds: Pick<Builds, 'resume' | 'giveUp'>;
  readonly findImage: Pick<FindImage, 'contextOf'>;
  readonly log: Logger;
}

/** Takes up, in their old order, the builds that a stopped server left waiting or running; ends those that may not go on. */
export async function resumeBuilds({ projects, buildStore, builds, findImage, log }: ResumeBuildsDeps): Promise<void> {
  for (const build of await buildStore.active()) {
    const refusal = refusalOf(build, projects.find(({ name }) => name === build.project));
    if (refusal) { await builds.giveUp(build, refusal); continue; }
    log.info('build taken up again', { build: build.id, was: build.status });
    await builds.resume(build, findImage.contextOf(build));
  }
}

/** Why the configuration of today does not let the build go on; undefined when it does. */
function refusalOf({ project: name, recipe }: Build, project: Project | undefined): AppError | undefined {
  if (!project) return new AppError('project_removed', `The project ${name} is not configured any more.`);
  if (!isPull(recipe)) return undefined;
  const { registries, labels } = project.images;
  const { registry, text } = parseImageReference(recipe.image);
  if (!registries.includes(registry)) return new AppError('image_not_allowed', `${text} may not run here any more: the configuration does not name its registry now.`);
  if (canonicalJson(recipe.labels) === canonicalJson(labels)) return undefined;
  return new AppError('image_not_allowed', `${text} may not run here as it was asked for: the configuration wants other labels now.`);
}
