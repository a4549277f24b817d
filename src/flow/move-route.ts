import { AppError } from '../domain/errors.js';
import { formatRelease, type ReleaseNumber, type RouteId } from '../domain/ids.js';
import type { Project } from '../domain/project.js';
import type { Release, Route } from '../domain/release.js';
import type { ContainerEngine } from '../engine/port.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import type { Ledger } from '../release/ledger.js';
import type { Instances } from '../run/instances.js';
import type { Source } from '../source/source.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';
import type { NoteFailure } from './note-failure.js';
import { imageGone } from './open-preview.js';
import { branchOfRelease } from './release-environment.js';
import type { ServeRelease } from './serve-release.js';

export interface MoveRouteDeps {
  readonly sources: ReadonlyMap<Project['name'], Pick<Source, 'refs'>>;
  readonly engine: Pick<ContainerEngine, 'image'>;
  readonly noteFailure: NoteFailure;
  readonly routes: Pick<RouteStore, 'find'>;
  readonly instances: Pick<Instances, 'forgive'>;
  readonly serveRelease: Pick<ServeRelease, 'serve'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What a person's change of a route came to. */
export interface Moved {
  readonly route: Route;
  readonly release: Release;
  /** From the first look to the switch, in milliseconds. */
  readonly ms: number;
}

export interface ToMove {
  readonly project: Project;
  readonly route: Route;
  /** Who asked for it. */
  readonly by: string;
  /** Whether it waits for another change that is under way; default: it is refused. */
  readonly waits?: boolean;
  /** Told once the release serves, before any other such change of the route looks at it. */
  readonly onServed?: (release: Release) => Promise<void>;
}

/**
 * Lets a route serve the release that `choose` gives, at somebody's word. The route's `lastError` says why a release did not
 * take over; what served before goes on.
 *
 * @throws AppError `route_busy` while another such change of the route is under way; `image_gone`; those of the run stage
 */
export type MoveRoute = (of: ToMove, choose: () => Promise<Release>) => Promise<Moved>;

export function createMoveRoute({ sources, engine, noteFailure, routes, instances, serveRelease, clock, log }: MoveRouteDeps): MoveRoute {
  const busy = new Map<RouteId, Promise<Moved>>();

  const move = async ({ project, route, by, onServed }: ToMove, choose: () => Promise<Release>): Promise<Moved> => {
    const since = clock.monotonic();
    let tried: ReleaseNumber | undefined;
    try {
      const release = await choose();
      tried = release.number;
      if (await engine.image(release.image) === undefined) throw imageGone(release);
      const before = (await routes.find(route.id))?.current;
      instances.forgive(release);
      await serveRelease.serve({ project, route, branch: branchOfRelease(sources, { route, release }) }, () => Promise.resolve(release));
      await onServed?.(release);
      const ms = Math.round(clock.monotonic() - since);
      const moved = { project: project.name, route: route.label, release: release.number };
      if (before === release.number) log.info('route serves it already', { ...moved, by });
      else log.info('route moved', { ...moved, reason: release.reason, by, ms });
      return { route, release, ms };
    } catch (thrown) {
      if (tried !== undefined) await noteFailure(route.id, { thrown, release: tried });
      throw thrown;
    }
  };

  return async (of, choose) => {
    const { route, project, waits = false } = of;
    for (let other = busy.get(route.id); other; other = busy.get(route.id)) {
      if (!waits) throw new AppError('route_busy', `${route.label} of ${project.name} is being changed at this moment.`);
      await other.catch(() => undefined);
    }
    const moving = move(of, choose).finally(() => { busy.delete(route.id); });
    busy.set(route.id, moving);
    return moving;
  };
}

/** The release that was decided for: what only a changed configuration made of it, of the same image and commit, is no other decision. */
export async function decisionOf(release: Release, { releases }: { readonly releases: Pick<ReleaseStore, 'find'> }): Promise<Release> {
  const { project, image, commit, reason, parent } = release;
  const before = reason === 'config' && parent !== null ? await releases.find(project, parent) : undefined;
  return before?.image === image && before.commit === commit ? decisionOf(before, { releases }) : release;
}

/**
 * Lets a change pass that took long to prepare while nobody decided anything else for the route: what was decided meanwhile stays.
 *
 * @param since what the route served when the change was asked for
 * @throws AppError `route_moved`
 */
export async function assertUnmoved(route: Route, since: Release | undefined, { ledger, releases }: { readonly ledger: Pick<Ledger, 'current'>; readonly releases: Pick<ReleaseStore, 'find'> }): Promise<void> {
  const current = await ledger.current(route);
  if (current?.number === since?.number) return;
  const isDecided = current === undefined || since === undefined || (await decisionOf(current, { releases })).number !== (await decisionOf(since, { releases })).number;
  if (isDecided) throw new AppError('route_moved', `${route.label} of ${route.project} was changed while the image was built.`);
}

/** `v7` for people, with what is wrong about it. */
export const noSuchRelease = (number: ReleaseNumber, { label, project }: Route): AppError =>
  new AppError('unknown_release', `${formatRelease(number)} was never made for ${label} of ${project}.`);
