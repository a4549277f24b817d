import type { BuildId, BuildKey, CommitHash, ImageId, ReleaseNumber, RouteId } from '../domain/ids.js';
import { hashConfig, type Release, type ReleaseReason, type Route, type RunConfig } from '../domain/release.js';
import { createTurns } from '../kernel/turns.js';
import type { ReleaseStore, SecretValues } from '../state/releases.js';
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
  /** The values of the configuration's secrets; left away where there are none. */
  readonly secrets?: SecretValues;
  readonly by: string;
  /** Default: `config` for the image that is served already, else `code`. */
  readonly reason?: ReleaseReason;
  /** The earlier release that this one brings back. */
  readonly rollbackOf?: ReleaseNumber;
}

/** The append-only record of releases and what each route serves of it. */
export interface Ledger {
  /** The route's release of that image and configuration: the one it serves, the last one tried, or a new one. */
  ensure(wanted: ReleaseWanted): Promise<Release>;
  /** What the route serves; undefined before its first release. */
  current(route: Route): Promise<Release | undefined>;
  /** The release that a rollback brought back; itself for every other one. */
  origin(release: Release): Promise<Release>;
  /** Whether a rollback decides what is served: it is one, or what a changed configuration made of one. */
  holds(release: Release): Promise<boolean>;
  /**
   * Whether a branch whose tip is the commit, of that build key, is served by the release: after a rollback, until something
   * comes that was never released there.
   */
  isFollowed(release: Release, tip: { readonly commit: CommitHash; readonly key: BuildKey | undefined }): Promise<boolean>;
  /** Lets the route serve the release, which must be its own. @returns whether it served another one */
  move(route: RouteId, release: Release): Promise<boolean>;
}

export function createLedger({ releases, routes }: { releases: ReleaseStore; routes: RouteStore }): Ledger {
  const turns = createTurns<RouteId>();

  const served = async (id: RouteId): Promise<Release | undefined> => {
    const route = await routes.find(id);
    const number = route?.current ?? null;
    return route === undefined || number === null ? undefined : releases.find(route.project, number);
  };

  const append = async (wanted: ReleaseWanted): Promise<Release> => {
    const { route, commit, key, image, build, config, secrets = {}, by, rollbackOf = null } = wanted;
    const parent = await served(route.id);
    const configHash = hashConfig(config);
    for (const known of [parent, await releases.latestOfRoute(route.id)]) {
      if (known?.image === image && known.configHash === configHash && (rollbackOf === null || known.rollbackOf === rollbackOf)) return known;
    }
    return releases.append({
      project: route.project, route: route.id, build, image, commit, key, config, secrets, environment: route.environment,
      reason: wanted.reason ?? reasonOf(parent, image), by, parent: parent?.number ?? null, rollbackOf, version: null,
    });
  };

  const originOf = async (release: Release): Promise<Release> => {
    const before = release.rollbackOf === null ? undefined : await releases.find(release.project, release.rollbackOf);
    return before === undefined ? release : originOf(before);
  };

  const holds = async (release: Release): Promise<boolean> => {
    if (release.rollbackOf !== null) return true;
    if (release.reason !== 'config' || release.parent === null) return false;
    const parent = await releases.find(release.project, release.parent);
    return parent?.image === release.image && holds(parent);
  };

  return {
    ensure: (wanted) => turns.take(wanted.route.id, () => append(wanted)),
    current: (route) => served(route.id),
    origin: originOf,
    holds,
    isFollowed: async (release, tip) => release.commit === tip.commit
      || (await holds(release) && (await releases.ofRoute(release.route)).some(({ commit, key, number }) => number < release.number && (commit === tip.commit || key === tip.key))),
    move: (route, release) => turns.take(route, async () => {
      const current: ReleaseNumber | null | undefined = (await routes.find(route))?.current;
      if (current === release.number) return false;
      // What was taken up before a rollback is not to be taken up again after it.
      const { number, reason, rollbackOf, configHash } = release;
      await routes.move(route, rollbackOf === null ? { release: number, reason, configHash } : { release: number, reason });
      return true;
    }),
  };
}

const reasonOf = (parent: Release | undefined, image: ImageId): ReleaseReason => (parent?.image === image ? 'config' : 'code');
