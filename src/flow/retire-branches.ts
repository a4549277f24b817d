import type { ProjectName, RefName, RouteId } from '../domain/ids.js';
import { slugOf } from '../domain/slug.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { startLoop, type Loop } from '../kernel/loop.js';
import type { LoopBook } from '../kernel/loop-book.js';
import type { Part } from '../kernel/part.js';
import { retireInstance, type Traffic } from '../run/idle.js';
import type { Instances, RunningInstance } from '../run/instances.js';
import type { RoutingTable } from '../serve/routing.js';
import type { Source } from '../source/source.js';
import type { RouteStore } from '../state/routes.js';

export interface RetireBranchesDeps {
  readonly sources: ReadonlyMap<ProjectName, Pick<Source, 'refs'>>;
  readonly routes: Pick<RouteStore, 'find'>;
  readonly instances: Instances;
  readonly routing: RoutingTable & Traffic;
  readonly clock: Clock;
  readonly log: Logger;
  readonly loops?: LoopBook;
  /** How long a branch must be gone, in milliseconds: whoever deletes one may push it again. */
  readonly graceMs: number;
  readonly drainMs: number;
}

const PERIOD_MS = 30_000;

/** Stops branch previews whose branch was deleted. The commits stay where they are, on hosts of their own. */
export function createRetireBranches({ sources, routes, instances, routing, clock, log, loops, graceMs, drainMs }: RetireBranchesDeps): Part {
  const goneSince = new Map<RouteId, number>();
  let loop: Loop | undefined;

  const isGone = async ({ release }: RunningInstance): Promise<boolean> => {
    const route = await routes.find(release.route);
    const table = sources.get(release.project)?.refs();
    // Before the first fetch nothing is known, and nothing must be stopped for it.
    return route?.kind === 'branch' && table !== undefined && table.refreshedAt !== null && table.bySlug(slugOf(route.subject as RefName)) === undefined;
  };

  const look = async (running: RunningInstance) => {
    const { release, container } = running;
    if (!await isGone(running)) { goneSince.delete(release.route); return; }
    const since = goneSince.get(release.route) ?? clock.monotonic();
    goneSince.set(release.route, since);
    if (clock.monotonic() - since < graceMs) return;
    log.info('preview of a deleted branch stops', { project: release.project, release: release.number });
    goneSince.delete(release.route);
    routing.unroute(container);
    await retireInstance(running, { instances, traffic: routing, clock }, drainMs);
  };

  const pass = async () => {
    const results = await Promise.allSettled(instances.living().map(look));
    for (const result of results) if (result.status === 'rejected') log.error('preview of a deleted branch not stopped', { error: result.reason });
  };

  return {
    start: () => {
      loop = startLoop(PERIOD_MS, pass, { clock, log, noted: loops && { book: loops, name: 'retire branches' } });
      return Promise.resolve();
    },
    stop: async () => { await loop?.stop(); },
  };
}
