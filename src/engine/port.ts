import type { Readable } from 'node:stream';
import type { BuildId, BuildKey, ContainerId, ImageId, ProjectName } from '../domain/ids.js';
import type { ImageReference } from '../domain/image-reference.js';
import type { ContainerExit, ContainerSpec, EngineContainer, ListeningPort, OnceOptions, OnceSpec, OutputLine, OutputOptions, StartedContainer } from './container.js';
import type { EngineDescription, Protection } from './description.js';

export type { EngineDescription, Protection };
export type { ContainerExit, ContainerOwner, ContainerSpec, EngineContainer, ListeningPort, OnceOptions, OnceOutput, OnceSpec, OutputLine, OutputOptions, StartedContainer } from './container.js';

/**
 * The port to containers, in product verbs. One suite in `test/contract` holds for every implementation.
 *
 * All verbs have a deadline of their own. @throws AppError `engine_unavailable` when nothing answers,
 * `engine_timeout` when an answer takes too long. Only what carries this server's label is ever changed.
 */
export interface ContainerEngine {
  /** Asks the engine who it is. */
  describe(): Promise<EngineDescription>;
  /** Looks what keeps previews from harming others: the engine's own protections, our networks, and what our containers publish. */
  protections(): Promise<readonly Protection[]>;

  /**
   * Makes an image and gives it its tags once it is confirmed.
   *
   * @returns the image's id, only after the engine reported it and an inspection showed our labels
   * @throws AppError `build_failed` with the engine's own message, `registry_refused` when a base image's registry wants other
   * credentials; `signal.reason` after an abort
   */
  build(request: BuildRequest, signal: AbortSignal): Promise<ImageId>;
  /**
   * Fetches an image from its registry and makes one of ours of it: the same image with our labels, under our tags. What
   * the engine called by the reference before, it calls so afterwards: those names are not ours. An image that was pulled
   * for the key before and did not change since is given back instead of another one.
   *
   * @returns the image's id, only after the engine reported the end of the pull and an inspection showed our labels
   * @throws AppError `image_not_found`, `image_not_allowed` when it lacks a wanted label, `registry_unreachable`, `registry_refused`,
   * `pull_failed` with the engine's own message; `signal.reason` after an abort
   */
  pull(request: PullRequest, signal: AbortSignal): Promise<ImageId>;
  /** Images that carry `slipway.key` for the project, newest first; by label alone, so that a lost state directory loses none. */
  images(project: ProjectName): Promise<readonly EngineImage[]>;
  /** @returns undefined when there is no such image (any more). */
  image(id: ImageId): Promise<EngineImage | undefined>;
  tagImage(id: ImageId, tag: string): Promise<void>;
  /** Removes an image of ours with its tags. Nothing happens when it is gone already. */
  removeImage(id: ImageId): Promise<void>;
  /**
   * The files of an image as a container of it would find them, in an order of the engine's own; streamed, since an image
   * may have some GB. What the engine itself puts into every container is left out.
   *
   * @throws AppError `unknown_image`; `signal.reason` after an abort
   */
  files(image: ImageId, signal: AbortSignal): AsyncIterable<ImageFile>;

  /** Creates the project's network once; containers on it reach neither each other nor other projects. */
  ensureNetwork(project: ProjectName): Promise<string>;
  /** Removes this server's networks of all other projects; one that a running container is on stays. @returns whose were removed */
  removeOtherNetworks(projects: readonly ProjectName[]): Promise<readonly ProjectName[]>;
  /**
   * Creates and starts a container with the safe defaults; ours for the same release and process is replaced.
   *
   * @throws AppError `start_failed` with the engine's own message, after removing what was created
   */
  start(spec: ContainerSpec): Promise<StartedContainer>;
  /**
   * Runs one command in a container of its own, with the same safe defaults and no port, and removes the container whatever
   * happens. It is no container of the release: it is neither listed nor told of.
   *
   * @throws AppError `start_failed` with the engine's own message, `crashed` when somebody removed the container;
   * `signal.reason` after an abort, which kills the command
   */
  runOnce(spec: OnceSpec, once: OnceOptions): Promise<ContainerExit>;
  /** Removes what a server that was killed left of its one-offs. @returns how many there were */
  removeLeftOnce(): Promise<number>;
  /** @returns undefined when there is no such container (any more). */
  inspect(id: ContainerId): Promise<EngineContainer | undefined>;
  /** This server's containers, in any state; those of one-offs are not among them. */
  list(): Promise<readonly EngineContainer[]>;
  /** Ends when the container does. @returns undefined when it was removed or the signal aborted. */
  waitForExit(id: ContainerId, signal: AbortSignal): Promise<ContainerExit | undefined>;
  /** Ports on which the container listens, as far as the host lets us see; undefined when it does not. */
  listeningPorts(id: ContainerId): Promise<readonly ListeningPort[] | undefined>;
  /** The container's output, oldest first. `tail` lines at most; `follow` goes on until the container or the signal ends. */
  output(id: ContainerId, options: OutputOptions): AsyncIterable<OutputLine>;
  /** SIGTERM, then SIGKILL after `graceMs`. Nothing happens when it is stopped or gone. */
  stop(id: ContainerId, graceMs: number): Promise<void>;
  /** Freezes all that the container runs. @returns whether it is frozen now; false for one that does not run or is not ours */
  pause(id: ContainerId): Promise<boolean>;
  /** Lets what is frozen go on. @returns whether it runs now */
  resume(id: ContainerId): Promise<boolean>;
  /** Removes the container with its anonymous volumes, running or not. Nothing happens when it is gone. */
  remove(id: ContainerId): Promise<void>;
  /**
   * What happens to this server's containers and networks and to all images, whoever does it, until the signal aborts.
   * Never throws: while the engine is away it waits for it, and says `gap` when it hears again.
   */
  watch(signal: AbortSignal): AsyncIterable<EngineEvent>;
}

export type EngineEvent =
  /** First of all, after every break and for what could not be read: something may have been missed, so look what there is now. */
  | { readonly kind: 'gap' }
  /** It ended, was removed, or lost its address; said more than once. `byHand`: somebody told it to end, or removed it. */
  | { readonly kind: 'container-lost'; readonly container: ContainerId; readonly byHand: boolean }
  /** It was frozen or goes on, whoever did that; by the time this is heard it may be otherwise again. */
  | { readonly kind: 'container-paused' | 'container-resumed'; readonly container: ContainerId }
  /** The image or one of its names was removed; anybody's, since the engine no longer knows whose it was. */
  | { readonly kind: 'image-removed'; readonly image: ImageId }
  | { readonly kind: 'network-removed'; readonly project: ProjectName };

export interface BuildRequest {
  readonly project: ProjectName;
  readonly build: BuildId;
  readonly key: BuildKey;
  /** A tar stream; consumed once, destroyed when the build ends early. */
  readonly context: Readable;
  /** Path in the context. */
  readonly dockerfile: string;
  readonly target: string | null;
  readonly args: Readonly<Record<string, string>>;
  readonly platform: string | null;
  readonly noCache: boolean;
  /** Tags given after success, such as `slipway/shop:<40-hex commit>`. */
  readonly tags: readonly string[];
  /** One call a line of output, without its line end. */
  readonly onLine: (line: string) => void;
}

export interface PullRequest {
  readonly project: ProjectName;
  readonly build: BuildId;
  readonly key: BuildKey;
  readonly reference: ImageReference;
  /** Labels that the image must carry with these values. */
  readonly labels: Readonly<Record<string, string>>;
  /** Tags given after success. */
  readonly tags: readonly string[];
  /** One call a line of progress; while much is fetched, one every few seconds. */
  readonly onLine: (line: string) => void;
}

export interface EngineImage {
  readonly id: ImageId;
  readonly project: ProjectName;
  readonly key: BuildKey;
  readonly build: BuildId | null;
  readonly tags: readonly string[];
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Ports the image declares, ascending. */
  readonly exposedPorts: readonly number[];
  /** All that it carries, ours and others'. */
  readonly labels: Readonly<Record<string, string>>;
  /** Whether a registry knows it: what it says of project and key may then be anybody's words. */
  readonly inRegistry: boolean;
}

/** A file, a folder or a link of an image. */
export interface ImageFile {
  /** Relative to the root, without a slash at either end. */
  readonly path: string;
  /** Equal for two that agree in type, mode, owner and content, or in the target of the link; times do not count. */
  readonly digest: string;
}
