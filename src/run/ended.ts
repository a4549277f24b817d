import type { ContainerId } from '../domain/ids.js';
import type { ProcessContainer } from './instance.js';

/** Ends that were heard of containers that run no release yet, or not any more. */
export interface Ended {
  /** `byHand`: somebody did it. What was heard first counts. */
  note(container: ContainerId, byHand: boolean): void;
  /** The first of the containers that ended; undefined when none did. */
  among(members: readonly ProcessContainer[]): { readonly member: ProcessContainer; readonly byHand: boolean } | undefined;
}

const MOST_ENDED = 1_000;

export function createEnded(): Ended {
  const ended = new Map<ContainerId, boolean>();
  return {
    note: (container, byHand) => {
      if (!ended.has(container)) ended.set(container, byHand);
      const [oldest] = ended.keys();
      if (ended.size > MOST_ENDED && oldest !== undefined) ended.delete(oldest);
    },
    among: (members) => {
      const member = members.find(({ container }) => ended.has(container));
      return member && { member, byHand: ended.get(member.container) === true };
    },
  };
}
