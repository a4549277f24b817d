import type { ErrorCode } from './errors.js';
import type { BuildId, BuildKey, CommitHash, ImageId, ProjectName } from './ids.js';

/** How an image is made from a context; part of the build key. Paths are relative and use `/`. */
export interface Recipe {
  /** The folder of the repository that Docker receives; `.` for all of it. */
  readonly context: string;
  /** The Dockerfile, relative to `context`. */
  readonly dockerfile: string;
  readonly target: string | null;
  /** Build arguments; `{commit}` in a value stands for the commit and makes it part of the key. */
  readonly args: Readonly<Record<string, string>>;
  /** `os/arch`, or null for the engine's own. */
  readonly platform: string | null;
  /** Image ids of dependencies by build argument name. */
  readonly dependencies: Readonly<Record<string, ImageId>>;
}

/** An image that is fetched from its registry instead of made. */
export interface PullRecipe {
  /** The reference, as `parseImageReference` writes it. */
  readonly image: string;
  /** Labels that it must carry. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Whether the image comes from a registry. */
export const isPull = (recipe: Recipe | PullRecipe): recipe is PullRecipe => 'image' in recipe;

/** The build arguments with the commit in its place. */
export function resolveArgs({ args }: Pick<Recipe, 'args'>, commit: CommitHash | null): Record<string, string> {
  return Object.fromEntries(Object.entries(args).map(([name, value]) => [name, value.replaceAll('{commit}', commit ?? '')]));
}

export type BuildStatus = 'queued' | 'building' | 'succeeded' | 'reused' | 'failed' | 'cancelled' | 'interrupted';
export type BuildTrigger = 'open' | 'reset' | 'follow' | 'resume' | 'api';

/** One attempt to make an image, or to pull it. Times are milliseconds since the epoch. */
export interface Build {
  readonly id: BuildId;
  readonly project: ProjectName;
  /** Null for a pull. */
  readonly commit: CommitHash | null;
  readonly key: BuildKey;
  readonly recipe: Recipe | PullRecipe;
  readonly status: BuildStatus;
  readonly trigger: BuildTrigger;
  /** True when no layer may come from the cache. */
  readonly noCache: boolean;
  /** 1 for the first try; one more after each interruption. */
  readonly attempt: number;
  readonly queuedAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly image: ImageId | null;
  readonly reusedFrom: BuildId | null;
  readonly error: BuildError | null;
}

export interface BuildError {
  readonly code: ErrorCode;
  readonly message: string;
}

const ACTIVE: readonly BuildStatus[] = ['queued', 'building'];

/** Whether the build still waits or runs. */
export const isActive = (build: Pick<Build, 'status'>): boolean => ACTIVE.includes(build.status);

/** Whether the build's image can be used. */
export const hasImage = (build: Pick<Build, 'status'>): boolean => build.status === 'succeeded' || build.status === 'reused';
