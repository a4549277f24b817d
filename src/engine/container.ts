import type { BuildId, CommitHash, ContainerId, EnvironmentName, ImageId, ProjectName, ReleaseNumber } from '../domain/ids.js';
import type { Target } from '../domain/target.js';

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
  /** Whether what it runs is frozen: it runs, accepts connections and answers none. */
  readonly paused: boolean;
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
