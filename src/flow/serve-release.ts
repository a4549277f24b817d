import { AppError } from '../domain/errors.js';
import { formatRelease, type RefName, type RouteId } from '../domain/ids.js';
import type { HostReader } from '../domain/hosts.js';
import { formatScope } from '../domain/setting.js';
import { scopeOf, type Project } from '../domain/project.js';
import type { Release, Route } from '../domain/release.js';
import type { Urls } from '../domain/urls.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { createTopic, type Topic } from '../kernel/topic.js';
import { createTurns } from '../kernel/turns.js';
import type { Ledger } from '../release/ledger.js';
import { retireInstance, type Traffic } from '../run/idle.js';
import type { Instances, RunningInstance } from '../run/instances.js';
import type { Room } from '../run/room.js';
import type { Placement } from '../run/start.js';
import type { RoutingTable } from '../serve/routing.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';
import { alwaysRuns } from './pinned.js';
import { environmentOf } from './release-environment.js';

export interface ServeReleaseDeps {
  readonly routes: Pick<RouteStore, 'find' | 'setLastError'>;
  readonly releases: Pick<ReleaseStore, 'secretsOf'>;
  readonly ledger: Pick<Ledger, 'move'>;
  readonly instances: Instances;
  readonly routing: RoutingTable & Traffic;
  readonly room: Pick<Room, 'enter'>;
  readonly hosts: HostReader;
  readonly urls: Urls;
  readonly clock: Clock;
  readonly log: Logger;
  readonly drainMs: number;
}

/** A route that is to serve a release. */
export interface ToServe {
  readonly project: Project;
  readonly route: Route;
  /** A branch of the release's commit, for the application. */
  readonly branch: RefName | null;
}

/** Lets routes serve releases: start → probe → switch → drain. What served before goes on until the new one is healthy. */
export interface ServeRelease {
  /**
   * One after the other for each route: which release it is to be is asked for when its turn has come.
   *
   * @throws AppError of the run stage, with nothing changed for visitors; whatever `choose` throws
   */
  serve(wanted: ToServe, choose: () => Promise<Release>): Promise<RunningInstance>;
  /** Hears of each route that serves another release from now on. */
  readonly onMove: Topic<Release>['subscribe'];
  /** The hosts on which a route is reached, the canonical one first. */
  hostsOf(of: { readonly project: Project; readonly label: string }): readonly string[];
}

/** A stage is started again without anybody's visit: one that ends each time would never rest. */
const MOST_RESTARTS = 3;

/** A start that failed for a reason of the application's; one more try shows whether it was chance. */
const UNHEALTHY: ReadonlySet<string> = new Set(['crashed', 'start_timeout']);

export function createServeRelease(deps: ServeReleaseDeps): ServeRelease {
  const { routes, releases, ledger, instances, routing, room, hosts, urls, clock, log } = deps;
  const turns = createTurns<RouteId>();
  const moves = createTopic<Release>((error) => { log.error('listener failed', { error }); });
  const hostsOf: ServeRelease['hostsOf'] = ({ project, label }) => hosts.hostsOf(project).map((host) => `${label}.${host}`);
  const servesNow = (route: Route, release: Release) =>
    instances.living().find((running) => running.release.route === route.id && running.release.number !== release.number);

  const isCurrent = async ({ id }: Route, { number }: Release): Promise<boolean> => (await routes.find(id))?.current === number;

  /** What is new to a stage must be healthy, also where nothing runs beside it just now. */
  const takesOverStage = async ({ id, kind }: Route, { number }: Release): Promise<boolean> => {
    const current = kind === 'stage' ? (await routes.find(id))?.current ?? null : null;
    return current !== null && current !== number;
  };

  const placementOf = async ({ project, route, branch }: ToServe, release: Release): Promise<Placement> => {
    const [host = urls.serverHost] = hostsOf({ project, label: route.label });
    return {
      host: urls.authority(host),
      isSwap: servesNow(route, release) !== undefined || await takesOverStage(route, release),
      ...(alwaysRuns(project, route) ? { mostRestarts: MOST_RESTARTS } : {}),
      env: await environmentOf({ route, release, branch, host }, { releases, urls }),
    };
  };

  /** What takes another one's place may come before that one is gone, and what always runs whatever there is. */
  const ensureInRoom = async ({ project, route }: ToServe, { release, placement }: { release: Release; placement: Placement }): Promise<RunningInstance> => {
    const state = instances.state(release);
    // One that stops is counted no more: it comes back as any other.
    if (state !== undefined && state !== 'stopping') return instances.ensure(release, placement);
    const { leave } = await room.enter(release, { mayExceed: placement.isSwap === true || alwaysRuns(project, route) });
    try {
      return await instances.ensure(release, placement);
    } finally {
      leave();
    }
  };

  /** What is to take another one's place is tried twice, since nobody waits for it. */
  const start = async (wanted: ToServe, release: Release): Promise<RunningInstance> => {
    const placement = await placementOf(wanted, release);
    try {
      return await ensureInRoom(wanted, { release, placement });
    } catch (error) {
      if (!placement.isSwap || !(error instanceof AppError) || !UNHEALTHY.has(error.code) || await isCurrent(wanted.route, release)) throw error;
      log.warn('unhealthy, started once more', { project: release.project, release: release.number, scope: formatScope(scopeOf(wanted.route)), reason: error.message });
      instances.forgive(release);
      return instances.ensure(release, placement);
    }
  };

  /** Why it ended is known once it is cleared away. */
  const cleared = (release: Release) => new Promise<void>((resolve) => {
    const look = () => { if (instances.state(release) !== 'stopping') { unsubscribe(); resolve(); } };
    const unsubscribe = instances.onChange(look);
    look();
  });

  /** From here on requests go to the new instance; those it replaces end when what they still serve is over. */
  const swap = async ({ project, route }: ToServe, { release, container, target }: RunningInstance) => {
    // It may have fallen asleep by now: who comes wakes it.
    const lives = () => instances.living().some((each) => each.container === container);
    if (!lives()) await cleared(release);
    if (!lives()) throw instances.lastFailure(release) ?? new AppError('preview_unavailable', `${formatRelease(release.number)} ended before it could take over.`);
    const isMoved = await ledger.move(route.id, release);
    await routes.setLastError(route.id, null);
    if (isMoved) moves.publish(release);
    if (!lives()) return;
    const replaced = instances.living().filter((running) => running.release.route === route.id && running.container !== container);
    routing.put(hostsOf({ project, label: route.label }), { project: release.project, route: route.id, commit: release.commit, release: release.number, container, target });
    for (const each of replaced) {
      retireInstance(each, { instances, traffic: routing, clock }, deps.drainMs)
        .catch((error: unknown) => { log.error('replaced instance not stopped', { release: each.release.number, error }); });
    }
  };

  return {
    hostsOf,
    serve: (wanted, choose) => turns.take(wanted.route.id, async () => {
      const instance = await start(wanted, await choose());
      await swap(wanted, instance);
      return instance;
    }),
    onMove: moves.subscribe,
  };
}
