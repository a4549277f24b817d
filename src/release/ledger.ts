import type { BuildId, BuildKey, CommitHash, ImageId, ReleaseNumber, RouteId } from '../domain/ids.js';
import { hashConfig, type Release, type ReleaseReason, type Route, type RunConfig } from '../domain/release.js';
import { createTurns } from '../kernel/turns.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';

/** What a route is to serve next: source, image and configuration. */
export interface ReleaseWanted {
  readonly route: Route;
  /** Null when the image was pulled. */
  readonly commit: CommitHash | null;
  readonly key: BuildKey;
  readonly image: ImageId;
  readonly build: BuildId | null;
  readonly config: RunConfig;
  readonly by: string;
}

/** The append-only record of releases and what each route serves of it. */
export interface Ledger {
  /** The route's release of that image and configuration: the one it serves, the last one tried, or a new one. */
  ensure(wanted: ReleaseWanted): Promise<Release>;
  /** What the route serves; undefined before its first release. */
  current(route: Route): Promise<Release | undefined>;
  /** Lets the route serve the release, which must be its own. */
  move(route: RouteId, release: Release): Promise<void>;
}

export function createLedger({ releases, routes }: { releases: ReleaseStore; routes: RouteStore }): Ledger {
  const turns = createTurns<RouteId>();

  const served = async (id: RouteId): Promise<Release | undefined> => {
    const route = await routes.find(id);
    const number = route?.current ?? null;
    return route === undefined || number === null ? undefined : releases.find(route.project, number);
  };

  const append = async (wanted: ReleaseWanted): Promise<Release> => {
    const { route, commit, key, image, build, config, by } = wanted;
    const parent = await served(route.id);
    const configHash = hashConfig(config);
    for (const known of [parent, await releases.latestOfRoute(route.id)]) {
      if (known?.image === image && known.configHash === configHash) return known;
    }
    return releases.append({
      project: route.project, route: route.id, build, image, commit, key, config, environment: route.environment,
      reason: reasonOf(parent, image), by, parent: parent?.number ?? null, rollbackOf: null, version: null,
    });
  };

  return {
    ensure: (wanted) => turns.take(wanted.route.id, () => append(wanted)),
    current: (route) => served(route.id),
    move: (route, release) => turns.take(route, async () => {
      const current: ReleaseNumber | null | undefined = (await routes.find(route))?.current;
      if (current !== release.number) await routes.move(route, release.number, release.reason);
    }),
  };
}

const reasonOf = (parent: Release | undefined, image: ImageId): ReleaseReason => (parent?.image === image ? 'config' : 'code');
