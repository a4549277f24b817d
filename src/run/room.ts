import { AppError } from '../domain/errors.js';
import type { RouteId } from '../domain/ids.js';
import type { Release } from '../domain/release.js';
import type { Logger } from '../kernel/log.js';
import { createTurns } from '../kernel/turns.js';
import type { Traffic } from './idle.js';
import type { Instances, RunningInstance } from './instances.js';

export interface RoomDeps {
  readonly instances: Pick<Instances, 'present' | 'living' | 'state' | 'stop'>;
  readonly traffic: Pick<Traffic, 'idleMs' | 'withdraw'>;
  /** Why a release runs whoever uses it; null for nothing. */
  readonly pinned: (release: Release) => Promise<string | null>;
  /** How many containers may be there, asleep or awake. */
  readonly most: number;
  readonly log: Logger;
}

/** Who may not go, and since when the others must not have been used. */
export interface Sparing {
  readonly except?: RouteId;
  /** Milliseconds; default 0. */
  readonly leastIdleMs?: number;
}

/** Bounds how many containers there are: whoever was used least recently goes for those that come. What is told to stop counts no more. */
export interface Room {
  /**
   * Ends once there is room for a release's containers; `leave` when they are counted among those that are there.
   * `mayExceed`: it comes in whatever there is.
   *
   * @throws AppError `too_busy` when too much of what is there is used or pinned. Nothing was stopped then, unless one that
   * was to go was taken into use meanwhile: those told before it stop nevertheless
   */
  enter(release: Release, options: { readonly mayExceed: boolean }): Promise<{ leave(): void }>;
  /** Stops whoever was used least recently; who asks again meanwhile gets the next one. @returns what stopped; undefined when nothing may */
  relieve(why: string, sparing?: Sparing): Promise<RunningInstance | undefined>;
  /** Those that may go, the next one first. */
  candidates(sparing?: Sparing): Promise<readonly RunningInstance[]>;
  /** Containers that are there or come. */
  readonly count: number;
}

const sizeOf = ({ config }: Release): number => 1 + Object.keys(config.processes ?? {}).length;
const total = (releases: readonly Release[]): number => releases.reduce((sum, release) => sum + sizeOf(release), 0);
const isSame = (one: Release, other: Release) => one.project === other.project && one.number === other.number;

export function createRoom({ instances, traffic, pinned, most, log }: RoomDeps): Room {
  const coming = new Set<Release>();
  const turns = createTurns<'room'>();
  let isExceeded = false;

  const count = (): number => {
    const present = instances.present().filter((release) => instances.state(release) !== 'stopping');
    const more = [...coming].filter((release) => !present.some((other) => isSame(release, other)));
    return total([...present, ...more]);
  };

  /** Those that run whoever uses them, or the others. */
  const withPin = async (isPinned: boolean, among: readonly RunningInstance[]): Promise<readonly RunningInstance[]> => {
    const reasons = await Promise.all(among.map(({ release }) => pinned(release)));
    return among.filter((_instance, at) => (reasons[at] !== null) === isPinned);
  };

  const candidates: Room['candidates'] = async ({ except, leastIdleMs = 0 } = {}) => {
    const unpinned = await withPin(false, instances.living().filter(({ release }) => release.route !== except));
    // Asked last, since the answers above took their time.
    const free = unpinned.map((instance) => ({ instance, idleMs: traffic.idleMs(instance.container) }));
    return free.filter(({ idleMs }) => idleMs !== null && idleMs >= leastIdleMs)
      .sort((one, other) => (other.idleMs ?? 0) - (one.idleMs ?? 0)).map(({ instance }) => instance);
  };

  /** @returns undefined when somebody uses it by now */
  const stop = ({ release, container }: RunningInstance, why: string): Promise<void> | undefined => {
    if (!traffic.withdraw(container)) return undefined;
    log.info('instance stops to make room', { project: release.project, release: release.number, reason: why });
    return instances.stop(release);
  };

  const relieve: Room['relieve'] = async (why, sparing) => {
    for (const instance of await candidates(sparing)) {
      const stopping = stop(instance, why);
      if (!stopping) continue;
      await stopping;
      return instance;
    }
    return undefined;
  };

  /** How many containers run whoever uses them. */
  const always = async (): Promise<number> => total((await withPin(true, instances.living())).map(({ release }) => release));

  const full = async (): Promise<AppError> => {
    const count = await always();
    return new AppError('too_busy', `No more than ${most} containers may be there (limits.running), and too few of them are unused.${count === 0 ? '' : ` ${count} of them always run, for stages and kept branches.`}`);
  };

  /** Said once, until there is room again. */
  const noteExcess = async (exceeds: boolean) => {
    const isFilled = exceeds && await always() >= most;
    if (isFilled && !isExceeded) log.warn('stages and kept branches need all containers of limits.running: no other preview starts', { most });
    isExceeded = isFilled;
  };

  const enter = async (release: Release, mayExceed: boolean): Promise<void> => {
    const missing = () => count() + sizeOf(release) - most;
    // What it is to replace serves until then.
    const free = missing() > 0 ? await candidates({ except: release.route }) : [];
    if (!mayExceed && missing() > total(free.map((instance) => instance.release))) throw await full();
    for (const instance of free) {
      if (missing() <= 0) break;
      stop(instance, `no more than ${most} containers may be there`)?.catch((error: unknown) => { log.error('instance not stopped', { project: instance.release.project, release: instance.release.number, error }); });
    }
    if (!mayExceed && missing() > 0) throw await full();
    await noteExcess(missing() > 0);
    coming.add(release);
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
