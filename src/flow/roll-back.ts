import type { BuiltImage } from '../build/wanted.js';
import { AppError } from '../domain/errors.js';
import { formatRelease, type ReleaseNumber } from '../domain/ids.js';
import type { Project } from '../domain/project.js';
import type { Release, Route } from '../domain/release.js';
import type { ContainerEngine } from '../engine/port.js';
import type { Ledger } from '../release/ledger.js';
import type { ReleaseStore } from '../state/releases.js';
import type { FindImage } from './find-image.js';
import { assertUnmoved, noSuchRelease, type Moved, type MoveRoute } from './move-route.js';
import { imageGone } from './open-preview.js';

export interface RollBackDeps {
  readonly releases: Pick<ReleaseStore, 'find' | 'secretsOf'>;
  readonly ledger: Pick<Ledger, 'current' | 'ensure' | 'origin'>;
  readonly engine: Pick<ContainerEngine, 'image'>;
  readonly findImage: Pick<FindImage, 'wait'>;
  readonly moveRoute: MoveRoute;
}

export interface BackTo {
  /** One of the route's releases; default: as many hops back as `hops` says. */
  readonly to?: ReleaseNumber | undefined;
  /** Default 1. */
  readonly hops?: number | undefined;
  /** Builds the commit again where the image is gone. */
  readonly rebuild?: boolean | undefined;
  readonly by: string;
}

/**
 * Brings back an earlier release of a route as a new one: its image with its own configuration and secrets.
 *
 * @throws AppError `nothing_released`, `nothing_earlier`, `unknown_release`, `already_served`, `image_gone`, `route_moved`, those of `MoveRoute`
 * @see requirements/x-factor.md, “Rollback, decided once”
 */
export type RollBack = (of: { readonly project: Project; readonly route: Route }, back: BackTo) => Promise<Moved>;

export function createRollBack({ releases, ledger, engine, findImage, moveRoute }: RollBackDeps): RollBack {
  const load = async (route: Route, number: ReleaseNumber): Promise<Release> => {
    const release = await releases.find(route.project, number);
    if (release?.route !== route.id) throw noSuchRelease(number, route);
    return release;
  };

  /** From what is served, so many parents back: rolling back twice goes two steps back and never to and fro. */
  const hopBack = async (route: Route, { current, hops }: { current: Release; hops: number }): Promise<Release> => {
    let at = await ledger.origin(current);
    for (let hop = 0; hop < hops; hop += 1) {
      if (at.parent === null) throw new AppError('nothing_earlier', `There is nothing ${hop === 0 ? '' : `${hop + 1} steps `}before ${formatRelease(current.number)} in ${route.label}.`);
      at = await ledger.origin(await load(route, at.parent));
    }
    return at;
  };

  const targetOf = async (route: Route, { to, hops = 1 }: BackTo): Promise<Release> => {
    const current = await ledger.current(route);
    if (!current) throw new AppError('nothing_released', `Nothing runs in ${route.label} of ${route.project}.`);
    if (to === undefined) return hopBack(route, { current, hops });
    const origin = await ledger.origin(current);
    const target = await ledger.origin(await load(route, to));
    if (target.number === origin.number) throw new AppError('already_served', `${route.label} serves ${formatRelease(to)} already.`);
    return target;
  };

  const isGone = async ({ image }: Release): Promise<boolean> => await engine.image(image) === undefined;

  /** What has no image any more is built again outside the move, so that nothing else on the route waits for a builder. */
  const rebuilt = async (project: Project, release: Release): Promise<BuiltImage | undefined> => {
    if (!await isGone(release)) return undefined;
    if (release.commit === null) throw imageGone(release);
    return findImage.wait({ project, commit: release.commit }, { trigger: 'api', retry: true });
  };

  return async ({ project, route }, back) => {
    const since = back.rebuild === true ? await ledger.current(route) : undefined;
    const wanted = since && await targetOf(route, back);
    const built = wanted && await rebuilt(project, wanted);
    return moveRoute({ project, route, by: back.by }, async () => {
      if (built) await assertUnmoved(route, since, { ledger, releases });
      // What was built is of the target of then; a variable that was set meanwhile would move it by one.
      const target = built ? wanted : await targetOf(route, back);
      if (!built && await isGone(target)) throw imageGone(target);
      const { image, build, key } = built ? { image: built.image, build: built.build.id, key: built.build.key } : target;
      const { commit, config, number } = target;
      return ledger.ensure({ route, commit, key, image, build, config, secrets: await releases.secretsOf(target), by: back.by, reason: 'rollback', rollbackOf: number });
    });
  };
}
