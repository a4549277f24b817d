import type { Project } from '../domain/project.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import type { LoopBook } from '../kernel/loop-book.js';
import { createIdle, type Idle, type Traffic } from '../run/idle.js';
import type { Instances } from '../run/instances.js';
import { createRoom, type Room } from '../run/room.js';
import type { RouteStore } from '../state/routes.js';
import { createPinned, type Pinned } from './pinned.js';

export interface RestDeps {
  readonly projects: readonly Project[];
  readonly routes: Pick<RouteStore, 'find'>;
  readonly instances: Instances;
  readonly traffic: Traffic;
  /** How many containers may be there. */
  readonly most: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly loops: LoopBook;
}

/** Who goes when nobody uses it, or when others need the room, and who does not. */
export interface Rest {
  readonly pinned: Pinned;
  readonly idle: Idle;
  readonly room: Room;
}

export function createRest({ projects, routes, instances, traffic, most, clock, log, loops }: RestDeps): Rest {
  const pinned = createPinned({ projects, routes });
  return {
    pinned,
    idle: createIdle({ instances, traffic, pinned, times: new Map(projects.map(({ name, idle }) => [name, idle])), clock, log, loops }),
    room: createRoom({ instances, traffic, pinned, most, log }),
  };
}
