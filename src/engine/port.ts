import type { Readable } from 'node:stream';
import type { BuildId, BuildKey, CommitHash, ContainerId, EnvironmentName, ImageId, ProjectName, ReleaseNumber } from '../domain/ids.js';
import type { Target } from '../domain/target.js';

/**
 * The port to containers, in product verbs. One suite in `test/contract` holds for every implementation.
 *
 * All verbs have a deadline of their own. @throws AppError `engine_unavailable` when nothing answers,
 * `engine_timeout` when an answer takes too long. Only what carries this server's label is ever changed.
 */
export interface ContainerEngine {
  /** Asks the engine who it is. */
  describe(): Promise<EngineDescription>;

  /**
   * Makes an image and gives it its tags once it is confirmed.
   *
   * @returns the image's id, only after the engine reported it and an inspection showed our labels
   * @throws AppError `build_failed` with the engine's own message; `signal.reason` after an abort
   */
  build(request: BuildRequest, signal: AbortSignal): Promise<ImageId>;
  /** Images that carry `slipway.key` for the project, newest first; by label alone, so that a lost state directory loses none. */
  images(project: ProjectName): Promise<readonly EngineImage[]>;
  /** @returns undefined when there is no such image (any more). */
  image(id: ImageId): Promise<EngineImage | undefined>;
  tagImage(id: ImageId, tag: string): Promise<void>;
  /** Removes an image of ours with its tags. Nothing happens when it is gone already. */
  removeImage(id: ImageId): Promise<void>;

  /** Creates the project's network once; containers on it reach neither each other nor other projects. */
  ensureNetwork(project: ProjectName): Promise<string>;
  /**
   * Creates and starts a container with the safe defaults; a container of the same name that is ours is replaced.
   *
   * @throws AppError `start_failed` with the engine's own message, after removing what was created
   */
  start(spec: ContainerSpec): Promise<StartedContainer>;
  /** @returns undefined when there is no such container (any more). */
  inspect(id: ContainerId): Promise<EngineContainer | undefined>;
  /** This server's containers, in any state. */
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
}

export interface EngineDescription {
  readonly version: string;
  readonly apiVersion: string;
  readonly builder: 'buildkit' | 'classic';
  /** Where it was found, for people. */
  readonly address: string;
  /** Sentences about what the engine does not protect against. */
  readonly warnings: readonly string[];
}

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
}

/** Who a container runs for; written as labels, so that they say what exists. */
export interface ContainerOwner {
  readonly project: ProjectName;
  readonly release: ReleaseNumber;
  readonly commit: CommitHash;
  readonly build: BuildId | null;
  readonly environment: EnvironmentName | null;
}

export interface ContainerSpec extends ContainerOwner {
  readonly image: ImageId;
  readonly env: Readonly<Record<string, string>>;
  /** The port to dial; also published on 127.0.0.1 where container addresses are unreachable. */
  readonly port: number;
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly pids: number;
  readonly profile: 'compat' | 'strict';
  readonly stopTimeoutMs: number;
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
