import type { Build } from '../domain/build.js';
import type { QueuePlace } from '../build/estimate.js';
import type { BuildKey, CommitHash, EnvironmentName, RefName } from '../domain/ids.js';
import type { ImageReference } from '../domain/image-reference.js';
import type { PreviewName } from '../domain/preview-name.js';
import type { Project } from '../domain/project.js';
import type { LastError, Release, Route } from '../domain/release.js';
import type { PreviewState } from '../domain/state.js';

/** A preview as its host names it. */
export interface PreviewRef {
  readonly project: Project;
  readonly name: PreviewName;
}

/** A preview whose host was resolved: the route it is, and what it wants now. */
export type FoundPreview = CommitPreview | ImagePreview;

interface AnyPreview {
  readonly project: Project;
  /** The canonical label: a commit's has all 40 digits. */
  readonly label: string;
  readonly environment: EnvironmentName | null;
}

export interface CommitPreview extends AnyPreview {
  readonly kind: 'commit' | 'branch' | 'stage';
  /** The commit, the name of the branch it follows, or the stage. */
  readonly subject: string;
  readonly commit: CommitHash;
  /** A branch of that commit, for people. */
  readonly branch: RefName | null;
}

export interface ImagePreview extends AnyPreview {
  readonly kind: 'image';
  /** The reference as text. */
  readonly subject: string;
  readonly commit: null;
  readonly branch: null;
  readonly image: ImageReference;
}

/** What an image comes from: a commit by the project's recipe, or a registry. */
export type PreviewSource = Pick<CommitPreview, 'project' | 'commit'> | Pick<ImagePreview, 'project' | 'commit' | 'image'>;

/** Under which one preview, as it was found, is looked up: a branch that moved is another one. */
export const keyOfPreview = ({ project, label, commit, branch }: FoundPreview): string => JSON.stringify([project.name, label, commit, branch]);

/** What is known of a preview at one moment. */
export interface PreviewStatus {
  readonly preview: FoundPreview;
  readonly state: PreviewState;
  readonly route: Route | undefined;
  /** What the route serves, or served last. */
  readonly release: Release | undefined;
  /** The route's newest release, even if it never became ready. */
  readonly tried: Release | undefined;
  /** The key of what is wanted; undefined before it was first computed. */
  readonly key: BuildKey | undefined;
  /** The build of the wanted commit, or the pull of the wanted image. */
  readonly build: Build | undefined;
  readonly place: QueuePlace | undefined;
  readonly lastError: LastError | null;
  /** How often what it serves was started again after an end of its own, since this server started. */
  readonly restarts: number;
}
