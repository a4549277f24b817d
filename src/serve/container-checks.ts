import type { ContainerId } from '../domain/ids.js';

/** What the data plane asks about a container that a connection could not be made to, or was lost; the flows give it. */
export interface ContainerChecks {
  /**
   * Looks whether the container still is there with its address; whoever asks meanwhile shares the answer.
   *
   * @returns whether it is gone: nothing leads to it any more then
   */
  isGone(container: ContainerId): Promise<boolean>;
  /** Ends when it is known whether the container still has its address; until then nobody dials it. Undefined when there is no doubt. */
  doubt(container: ContainerId): Promise<void> | undefined;
}
