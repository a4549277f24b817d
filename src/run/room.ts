import { AppError } from '../domain/errors.js';
import type { RouteId } from '../domain/ids.js';
import type { Release } from '../domain/release.js';
import type { Logger } from '../kernel/log.js';
import { createTurns } from '../kernel/turns.js';
import type { Traffic } from './idle.js';
import type { Instances, RunningInstance } from './instances.js';

export interface RoomDeps {
  readonly instances: Pick<Instances, 'present' | 'living' | 'stop'>;
  readonly traffic: Pick<Traffic, 'idleMs' | 'withdraw'>;
  /** Why a release runs whoever uses it; null for nothing. */
  readonly pinned: (release: Release) => Promise<string | null>;
  /** How many containers may be there, asleep or awake. */
  readonly most: number;
  readonly log: Logger;
}

/** Bounds how many containers there are: whoever was used least recently goes for those that come. */
export interface Room {
  /**
   * Ends once there is room for a release's containers; `leave` when they are counted among those that are there.
   * `mayExceed`: it comes in whatever there is.
   *
   * @throws AppError `too_busy` when all that is there is used or pinned
   */
  enter(release: Release, options: { readonly mayExceed: boolean }): Promise<{ leave(): void }>;
  /** Stops whoever was used least recently, but for those of one route. @returns what stopped; undefined when nothing may */
  relieve(why: string, except?: RouteId): Promise<RunningInstance | undefined>;
  /** Those that may go, the next one first. */
  candidates(): Promise<readonly RunningInstance[]>;
  /** Containers that are there or come. */
  readonly count: number;
}

const sizeOf = ({ config }: Release): number => 1 + Object.keys(config.processes ?? {}).length;
const isSame = (one: Release, other: Release) => one.project === other.project && one.number === other.number;

export function createRoom({ instances, traffic, pinned, most, log }: RoomDeps): Room {
  const coming = new Set<Release>();
  const turns = createTurns<'room'>();

  const count = (): number => {
    const present = instances.present();
    const more = [...coming].filter((release) => !present.some((other) => isSame(release, other)));
    return [...present, ...more].reduce((sum, release) => sum + sizeOf(release), 0);
  };

  const candidates = async (): Promise<readonly RunningInstance[]> => {
    const found = await Promise.all(instances.living().map(async (instance) => ({ instance, idleMs: traffic.idleMs(instance.container), why: await pinned(instance.release) })));
    return found.filter(({ idleMs, why }) => idleMs !== null && why === null)
      .sort((one, other) => (other.idleMs ?? 0) - (one.idleMs ?? 0)).map(({ instance }) => instance);
  };

  const relieve: Room['relieve'] = async (why, except) => {
    for (const instance of await candidates()) {
      const { release, container } = instance;
      if (release.route === except || !traffic.withdraw(container)) continue;
      log.info('instance stops to make room', { project: release.project, release: release.number, reason: why });
      await instances.stop(release);
      return instance;
    }
    return undefined;
  };

  const enter = async (release: Release, mayExceed: boolean): Promise<void> => {
    coming.add(release);
    while (count() > most) {
      // What it is to replace serves until then.
      if (await relieve(`no more than ${most} containers may be there`, release.route)) continue;
      if (mayExceed) return;
      coming.delete(release);
      throw new AppError('too_busy', `${most} containers are there, which is the limit (limits.running), and all of them are in use.`);
    }
  };

  return {
    candidates, relieve,
    get count() { return count(); },
    enter: (release, { mayExceed }) => turns.take('room', async () => {
      await enter(release, mayExceed);
      return { leave: () => { coming.delete(release); } };
    }),
  };
}
