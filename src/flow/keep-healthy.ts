import { AppError, failureFields } from '../domain/errors.js';
import { formatRelease, type RouteId } from '../domain/ids.js';
import { hasHost, type Project } from '../domain/project.js';
import type { LastError, Release, Route } from '../domain/release.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import type { Part } from '../kernel/part.js';
import { createBackground } from '../kernel/background.js';
import { createTurns } from '../kernel/turns.js';
import type { Health, HealthFinding } from '../run/health.js';
import type { Instances, RunningInstance } from '../run/instances.js';
import type { RoutingTable } from '../serve/routing.js';
import type { Source } from '../source/source.js';
import type { RouteStore } from '../state/routes.js';
import type { NoteFailure } from './note-failure.js';
import { branchOfRelease } from './release-environment.js';
import type { ServeRelease } from './serve-release.js';

export interface KeepHealthyDeps {
  readonly projects: readonly Project[];
  readonly sources: ReadonlyMap<Project['name'], Pick<Source, 'refs'>>;
  readonly health: Pick<Health, 'onFinding'>;
  readonly instances: Pick<Instances, 'stop'>;
  readonly routes: Pick<RouteStore, 'find' | 'setLastError'>;
  readonly routing: Pick<RoutingTable, 'unroute'>;
  readonly serveRelease: Pick<ServeRelease, 'serve'>;
  readonly noteFailure: NoteFailure;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Says on its route when a running release is not healthy, and starts it anew when it stays so; requests wait meanwhile. */
export function createKeepHealthy({ projects, sources, health, instances, routes, routing, serveRelease, noteFailure, clock, log }: KeepHealthyDeps): Part {
  const turns = createTurns<RouteId>();
  /** What a route's `lastError` was before: why another release could not take over is to be seen again when this one is good. */
  const before = new Map<RouteId, LastError | null>();
  const restarting = new Set<RunningInstance['container']>();
  const background = createBackground();
  let unsubscribe = () => undefined as void;

  /** The route, while it is this release that it serves. */
  const routeOf = async ({ route, number }: Release): Promise<Route | undefined> => {
    const found = await routes.find(route);
    return found?.current === number ? found : undefined;
  };

  const note = async ({ release }: RunningInstance, { code, message }: AppError) => {
    const route = await routeOf(release);
    if (!route) return;
    before.set(route.id, route.lastError?.code === 'unhealthy' ? null : route.lastError);
    await routes.setLastError(route.id, { code, message, at: clock.now(), release: release.number });
  };

  const clear = async ({ release }: RunningInstance) => {
    const route = await routeOf(release);
    if (route?.lastError?.code === 'unhealthy') await routes.setLastError(route.id, before.get(route.id) ?? null);
    before.delete(release.route);
  };

  const assertCurrent = async (release: Release): Promise<Release> => {
    if (await routeOf(release)) return release;
    throw new AppError('preview_unavailable', `Something else is served instead of ${formatRelease(release.number)} by now.`);
  };

  const serveAgain = async (release: Release) => {
    const route = await routeOf(release);
    const project = projects.find(({ name }) => name === release.project);
    if (!route || !project || !hasHost(project, route)) return;
    try {
      await serveRelease.serve({ project, route, branch: branchOfRelease(sources, { route, release }) }, () => assertCurrent(release));
    } catch (thrown) {
      await noteFailure(route.id, { thrown, release: release.number });
      throw thrown;
    }
  };

  /** Nothing new reaches it before it is told to end. */
  const restart = async ({ release, container }: RunningInstance, error: AppError) => {
    if (restarting.has(container)) return;
    restarting.add(container);
    try {
      // One that was replaced still ends what it was asked, and goes by itself.
      if (!await routeOf(release)) return;
      before.delete(release.route);
      log.warn('unhealthy instance is started anew', { project: release.project, release: release.number, reason: error.message });
      routing.unroute(container);
      await instances.stop(release, error);
      await serveAgain(release);
    } finally {
      restarting.delete(container);
    }
  };

  const act = (finding: HealthFinding): Promise<void> => {
    const { instance } = finding;
    switch (finding.kind) {
      case 'failing': return turns.take(instance.release.route, () => note(instance, finding.error));
      case 'good': return turns.take(instance.release.route, () => clear(instance));
      case 'unhealthy': return restart(instance, finding.error);
    }
  };

  return {
    start: () => {
      unsubscribe = health.onFinding((finding) => {
        const { project, number } = finding.instance.release;
        void background.begin(act(finding), (error) => {
          log.warn('not kept healthy', { project, release: number, ...failureFields(error) });
        });
      });
      return Promise.resolve();
    },
    stop: async () => {
      unsubscribe();
      await background.settled();
    },
  };
}
