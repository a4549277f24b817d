import type { Readable } from 'node:stream';
import type { Build, BuildTrigger, PullRecipe, Recipe } from '../domain/build.js';
import type { BuildKey, CommitHash, ImageId, ProjectName } from '../domain/ids.js';

/** What Docker receives, opened only once the build's turn has come. */
export interface BuildContext {
  readonly stream: Readable;
  /** Sentences for the log, such as that submodules are not fetched. */
  readonly notes: readonly string[];
}
export type OpenContext = () => Promise<BuildContext>;

/** A key whose image is wanted, with all that making or pulling it would need. */
export interface BuildWanted {
  readonly project: ProjectName;
  /** Null for a pull. */
  readonly commit: CommitHash | null;
  readonly key: BuildKey;
  readonly recipe: Recipe | PullRecipe;
  readonly trigger: BuildTrigger;
  /** False lets no layer come from the cache; default true. */
  readonly cache?: boolean;
  /** Not asked for a pull. */
  readonly openContext: OpenContext;
}

export interface BuiltImage {
  readonly image: ImageId;
  /** The build that made it or says that it was reused. */
  readonly build: Build;
}
