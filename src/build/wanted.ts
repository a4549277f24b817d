import type { Readable } from 'node:stream';
import type { Build, BuildTrigger, Recipe } from '../domain/build.js';
import type { BuildKey, CommitHash, ImageId, ProjectName } from '../domain/ids.js';

/** What Docker receives, opened only once the build's turn has come. */
export interface BuildContext {
  readonly stream: Readable;
  /** Sentences for the log, such as that submodules are not fetched. */
  readonly notes: readonly string[];
}
export type OpenContext = () => Promise<BuildContext>;

/** A key whose image is wanted, with all that making it would need. */
export interface BuildWanted {
  readonly project: ProjectName;
  readonly commit: CommitHash;
  readonly key: BuildKey;
  readonly recipe: Recipe;
  readonly trigger: BuildTrigger;
  readonly openContext: OpenContext;
}

export interface BuiltImage {
  readonly image: ImageId;
  /** The build that made it or says that it was reused. */
  readonly build: Build;
}
