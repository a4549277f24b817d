import type { Readable } from 'node:stream';
import type { BuildId, BuildKey, CommitHash, ContainerId, EnvironmentName, ImageId, ProjectName, ReleaseNumber } from '../domain/ids.js';
import type { ImageReference } from '../domain/image-reference.js';
import type { Target } from '../domain/target.js';
import type { EngineDescription, Protection } from './description.js';

export type { EngineDescription, Protection };

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

/** Who a container runs for; written as labels, so that they say what exists. */
export interface ContainerOwner {
  readonly project: ProjectName;
  readonly release: ReleaseNumber;
  /** Null when the image was pulled. */
  readonly commit: CommitHash | null;
  readonly build: BuildId | null;
  readonly environment: EnvironmentName | null;
  /** Which process of the release's set; null for `web`, the only one that is dialled. */
  readonly process: string | null;
}

export interface ContainerSpec extends ContainerOwner {
  readonly image: ImageId;
  /** What is run instead of the image's own command, given to its entrypoint where it has one; null for its own. */
  readonly command: readonly string[] | null;
  readonly env: Readonly<Record<string, string>>;
  /** The port to dial; also published on 127.0.0.1 where container addresses are unreachable, for `web` alone. */
  readonly port: number;
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly pids: number;
  readonly profile: 'compat' | 'strict';
  readonly stopTimeoutMs: number;
}

/** A command that is run once, of whose container nobody may dial a port. */
export type OnceSpec = Omit<ContainerSpec, 'process' | 'command'>;

export interface OnceOptions {
  /** Given to the image's entrypoint where it has one. */
  readonly command: readonly string[];
  /** Takes what is printed, as it comes; the command waits while the promise does. */
  readonly onOutput: (output: OnceOutput) => Promise<void>;
  readonly signal: AbortSignal;
}

export interface OnceOutput {
  readonly stream: OutputLine['stream'];
  /** A piece of it, cut anywhere but within a character, with the line ends it came with. */
  readonly text: string;
}

export interface StartedContainer {
  readonly id: ContainerId;
  readonly target: Target;
}

export interface EngineContainer extends ContainerOwner {
  readonly id: ContainerId;
  readonly image: ImageId;
  readonly running: boolean;
  /** Null unless it runs. */
  readonly target: Target | null;
  /** Null while it runs or before it started. */
  readonly exit: ContainerExit | null;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

export interface ContainerExit {
  readonly code: number;
  readonly outOfMemory: boolean;
  /** The engine's own words, when it has any. */
  readonly message: string | null;
}

export interface ListeningPort {
  readonly port: number;
  /** True when only the container itself can reach it. */
  readonly loopbackOnly: boolean;
}

export interface OutputOptions {
  readonly tail: number;
  readonly follow: boolean;
  readonly signal?: AbortSignal;
}

export interface OutputLine {
  /** RFC 3339, from the engine. */
  readonly at: string;
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}
