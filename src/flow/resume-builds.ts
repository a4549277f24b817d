import type { Builds } from '../build/builds.js';
import type { Project } from '../domain/project.js';
import type { Logger } from '../kernel/log.js';
import type { BuildStore } from '../state/builds.js';
import type { FindImage } from './find-image.js';

export interface ResumeBuildsDeps {
  readonly projects: readonly Project[];
  readonly buildStore: Pick<BuildStore, 'active'>;
  readonly builds: Pick<Builds, 'resume'>;
  readonly findImage: Pick<FindImage, 'contextOf'>;
  readonly log: Logger;
}

/** Takes up, in their old order, the builds that a stopped server left waiting or running. */
export async function resumeBuilds({ projects, buildStore, builds, findImage, log }: ResumeBuildsDeps): Promise<void> {
  for (const build of await buildStore.active()) {
    if (!projects.some(({ name }) => name === build.project)) continue;
    log.info('build taken up again', { build: build.id, was: build.status });
    await builds.resume(build, findImage.contextOf(build));
  }
}
