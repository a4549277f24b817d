import type { Project } from '../domain/project.js';
import type { AppError } from '../domain/errors.js';
import { formatRelease } from '../domain/ids.js';
import type { Release } from '../domain/release.js';
import type { Builds } from '../build/builds.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { startLoop } from '../kernel/loop.js';
import type { LoopBook } from '../kernel/loop-book.js';
import type { Part } from '../kernel/part.js';
import type { InstanceChange, Instances, RunningInstance } from '../run/instances.js';
import type { Forward } from '../serve/forwarding.js';
import type { RoutingTable } from '../serve/routing.js';
import type { BuildStore } from '../state/builds.js';
import type { RouteStore } from '../state/routes.js';
import type { SessionRecords } from '../state/sessions.js';
import type { FindImage } from './find-image.js';
import { resumeBuilds } from './resume-builds.js';

export interface HousekeepingDeps {
  readonly projects: readonly Project[];
  readonly buildStore: Pick<BuildStore, 'active'>;
  readonly routes: RouteStore;
  readonly sessions: SessionRecords;
  readonly adoptRunning: () => Promise<void>;
  readonly builds: Builds;
  readonly findImage: FindImage;
  readonly instances: Instances;
  readonly routing: RoutingTable;
  readonly forward: Pick<Forward, 'forget'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where its loops are entered. */
  readonly loops?: LoopBook;
}

const SWEEP_MS = 30_000;
const SAVE_ACCESS_MS = 2_000;

/** Takes up at the start what was left, takes out of the table what ends, and writes down what memory knows. */
export function createHousekeeping(deps: HousekeepingDeps): Part {
  const { routes, sessions, adoptRunning, instances, routing, forward, clock, log, loops } = deps;
  const endings: (() => void | Promise<void>)[] = [];

  const saveAccesses = async () => {
    const accesses = routing.takeAccesses();
    if (accesses.size > 0) await routes.touch(accesses);
  };

  /** An instance that was replaced already says nothing about its route. */
  const noteEnd = async ({ route, number, project }: Release, { code, message }: AppError) => {
    if ((await routes.find(route))?.current !== number) return;
    log.debug('route lost its instance', { project, route, code });
    await routes.setLastError(route, { code, message, at: clock.now(), release: number });
  };

  const goOn = ({ container }: RunningInstance, woken: boolean) => {
    // Whoever woke it may still be on their way, by a waiting page that opens it anew: asleep at once, it would never be reached.
    if (woken) routing.touch(container);
    routing.resume(container);
  };

  const followRest = (change: InstanceChange) => {
    if (change.kind === 'running') { goOn(change.instance, change.woken === true); return; }
    const container = instances.container(change.release);
    if (!container) return;
    // A program closes connections that are older than it likes as soon as it goes on: nothing may be sent on them.
    if (change.kind === 'sleeping') forward.forget(container);
    // Nothing new reaches what is told to end.
    if (change.kind === 'stopping') routing.unroute(container);
  };

  const loop = (name: string, ms: number, step: () => Promise<void>) => {
    endings.push(startLoop(ms, step, { clock, log, noted: loops && { book: loops, name } }).stop);
  };

  return {
    start: async () => {
      endings.push(instances.onChange((change) => {
        followRest(change);
        if (change.kind !== 'lost' && change.kind !== 'gone') return;
        const { release, container } = change;
        if (container) { routing.remove(container); forward.forget(container); }
        const error = change.kind === 'gone' ? change.error : undefined;
        if (error && container) noteEnd(release, error).catch((failed: unknown) => { log.error('end not noted', { release: formatRelease(release.number), error: failed }); });
      }));
      await adoptRunning().catch((error: unknown) => { log.warn('engine not reached, containers are adopted later', { error }); });
      await resumeBuilds(deps);
      loop('save last uses', SAVE_ACCESS_MS, saveAccesses);
      loop('sweep sessions', SWEEP_MS, sessions.sweep);
    },
    stop: async () => {
      for (const end of endings.splice(0)) await end();
      await saveAccesses();
    },
  };
}
