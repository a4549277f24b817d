import { hasImage } from '../domain/build.js';
import { AppError } from '../domain/errors.js';
import { formatRelease, type BuildId, type CommitHash, type ReleaseNumber, type RouteId } from '../domain/ids.js';
import { nearestNames } from '../domain/nearest.js';
import type { Project } from '../domain/project.js';
import type { LastError, Release, ReleaseReason, Route } from '../domain/release.js';
import type { PreviewState } from '../domain/state.js';
import type { ContainerEngine } from '../engine/port.js';
import type { Ledger } from '../release/ledger.js';
import type { Instances } from '../run/instances.js';
import type { BuildStore } from '../state/builds.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';
import type { FindImage } from './find-image.js';
import { assertUnmoved, decisionOf, noSuchRelease, type Moved, type MoveRoute } from './move-route.js';
import { imageGone } from './open-preview.js';
import type { ReadConfig } from './read-config.js';

export interface StagesDeps {
  readonly routes: Pick<RouteStore, 'ensure' | 'findLabel' | 'hasServed'>;
  readonly releases: Pick<ReleaseStore, 'find' | 'latestOfRoute'>;
  readonly ledger: Ledger;
  readonly buildStore: Pick<BuildStore, 'find'>;
  readonly engine: Pick<ContainerEngine, 'image'>;
  readonly findImage: Pick<FindImage, 'wait'>;
  readonly instances: Pick<Instances, 'state' | 'lastFailure' | 'restarts'>;
  readonly readConfig: ReadConfig;
  readonly moveRoute: MoveRoute;
}

/** What is done to a stage, and by whom. */
export interface OnStage {
  readonly project: Project;
  readonly stage: string;
  readonly by: string;
}

/** What is known of a stage at one moment. */
export interface StageStatus {
  readonly stage: string;
  readonly state: PreviewState;
  readonly release: Release | undefined;
  /** To which a rollback of one step goes. */
  readonly previous: ReleaseNumber | null;
  readonly lastError: LastError | null;
  /** How often the release was started again after an end of its own, since this server started. */
  readonly restarts: number;
}

/** Stages move at somebody's word only; each of these but `publish` touches neither git nor the builder. */
export interface Stages {
  /** The route of a stage, made on first sight. @throws AppError `unknown_stage` */
  route(project: Project, stage: string): Promise<Route>;
  /** What is known of each stage, in their order. */
  list(project: Project): Promise<readonly StageStatus[]>;
  /** Appends a release of a build, which does not serve yet. @throws AppError `unknown_build`, `image_gone` */
  release(on: OnStage, build: BuildId): Promise<{ readonly release: Release; readonly isNew: boolean }>;
  /** Lets the stage serve a release that was made for it and never served. @throws AppError `unknown_release`, `already_served`, those of `MoveRoute` */
  run(on: OnStage, number: ReleaseNumber): Promise<Moved>;
  /**
   * Lets the stage serve what the stage before it serves, or served: the same image, with this stage's configuration. What does
   * not run well there is to be named, or forced.
   *
   * @throws AppError `wrong_stage`, `nothing_released`, `unknown_release`, `already_served`, those of `MoveRoute`
   */
  promote(on: OnStage, options: { readonly release?: ReleaseNumber | undefined; readonly force?: boolean | undefined }): Promise<Moved>;
  /**
   * Builds the commit if need be and lets the first stage serve it, unless something else was decided for the stage since: by a
   * publish that was asked for later, a rollback, or a release that was run. By itself, with `isWanted`: if it is still wanted then.
   *
   * @throws AppError of all stages of the way, `unknown_stage` without stages, `route_moved`
   */
  publish(of: Omit<OnStage, 'stage'>, commit: CommitHash, isWanted?: () => boolean): Promise<Moved>;
}

export function createStages({ routes, releases, ledger, buildStore, engine, findImage, instances, readConfig, moveRoute }: StagesDeps): Stages {
  let publishes = 0;
  /** What was last decided for each route by a publish that serves, and which publish that was. */
  const published = new Map<RouteId, { readonly release: ReleaseNumber; readonly asked: number }>();

  const routeOf: Stages['route'] = async (project, stage) => {
    assertStage(project, stage);
    return routes.ensure({ project: project.name, kind: 'stage', label: stage, environment: null, subject: stage });
  };

  const append = async ({ project, stage, by }: OnStage, { route, made, reason }: { route: Route; made: Pick<Release, 'commit' | 'key' | 'image' | 'build'>; reason?: ReleaseReason }): Promise<Release> => {
    const { commit, key, image, build } = made;
    if (await engine.image(image) === undefined) throw new AppError('image_gone', `The image of ${build ?? 'this release'} is gone${commit === null ? '' : `; it was made of commit ${commit}`}.`);
    return ledger.ensure({ route, commit, key, image, build, ...await readConfig(project, { kind: 'stage', name: stage }), by, ...(reason ? { reason } : {}) });
  };

  /** The stage that comes before. */
  const sourceOf = async ({ project, stage }: OnStage, force: boolean): Promise<Route> => {
    const names = [...project.stages.keys()];
    const before = names[names.indexOf(stage) - 1];
    if (before === undefined) throw new AppError('wrong_stage', `${stage} is the first stage of ${project.name}${force ? '' : ': commits are published to it'}.`);
    return routeOf(project, before);
  };

  /** What goes on to the next stage unseen is to run well. */
  const assertWell = async (on: OnStage, current: Release): Promise<void> => {
    const { label, lastError } = await sourceOf(on, false);
    const failure = lastError && (lastError.release === current.number || instances.state(current) === undefined) ? lastError : instances.lastFailure(current);
    if (!failure) return;
    const id = formatRelease(current.number);
    throw new AppError('wrong_stage', `${label} does not run ${id} well: ${failure.message} To promote it all the same, name it (${on.project.name}@${id}) or force it.`);
  };

  const promoted = async (on: OnStage, { release: number, force = false }: { release?: ReleaseNumber | undefined; force?: boolean | undefined }): Promise<Release> => {
    const from = await sourceOf(on, force);
    if (number === undefined) {
      const current = await ledger.current(from);
      if (!current) throw new AppError('nothing_released', `Nothing runs in ${from.label} of ${on.project.name}.`);
      return current;
    }
    const release = await releases.find(on.project.name, number);
    if (!release) throw new AppError('unknown_release', `There is no release ${formatRelease(number)} of ${on.project.name}.`);
    if (!force && (release.route !== from.id || !await routes.hasServed(from.id, number))) {
      throw new AppError('wrong_stage', `${formatRelease(number)} never ran in ${from.label}, which comes before ${on.stage}.`);
    }
    return release;
  };

  /** A publish takes back nothing that was decided after it was asked for; one that was asked for before it may have come first. */
  const assertFree = async (route: Route, { commit, asked, since }: { commit: CommitHash; asked: number; since: Release | undefined }): Promise<void> => {
    const current = await ledger.current(route);
    if (!current || (current.commit === commit && !await ledger.holds(current))) return;
    const last = published.get(route.id);
    const isEarlier = last !== undefined && last.asked < asked && last.release === (await decisionOf(current, { releases })).number;
    if (!isEarlier) await assertUnmoved(route, since, { ledger, releases });
  };

  const assertOther = async (route: Route, release: Release): Promise<void> => {
    if ((await ledger.current(route))?.number === release.number) throw new AppError('already_served', `${route.label} serves ${formatRelease(release.number)} already, of that image and configuration.`);
  };

  const statusOf = async (project: Project, stage: string): Promise<StageStatus> => {
    const route = await routes.findLabel(project.name, stage);
    const release = route && await ledger.current(route);
    if (!route || !release) return { stage, state: 'unknown', release: undefined, previous: null, lastError: route?.lastError ?? null, restarts: 0 };
    const { lastError } = route;
    const state = instances.state(release) ?? (lastError ? 'error' : 'stopped');
    return { stage, state, release, previous: (await ledger.origin(release)).parent, lastError, restarts: instances.restarts(release) };
  };

  return {
    route: routeOf,
    list: (project) => Promise.all([...project.stages.keys()].map((stage) => statusOf(project, stage))),
    release: async (on, id) => {
      const route = await routeOf(on.project, on.stage);
      const build = await buildStore.find(id);
      if (build?.project !== on.project.name) throw new AppError('unknown_build', `There is no build ${id} of ${on.project.name}.`);
      if (!hasImage(build) || build.image === null) throw new AppError('build_failed', `The build ${id} made no image: it is ${build.status}.`);
      const latest = await releases.latestOfRoute(route.id);
      const release = await append(on, { route, made: { ...build, image: build.image, build: id } });
      return { release, isNew: release.number > (latest?.number ?? 0) };
    },
    run: async (on, number) => {
      const route = await routeOf(on.project, on.stage);
      return moveRoute({ project: on.project, route, by: on.by }, async () => {
        const release = await releases.find(on.project.name, number);
        if (!release) throw new AppError('unknown_release', `There is no release ${formatRelease(number)} of ${on.project.name}.`);
        if (release.route !== route.id) throw noSuchRelease(number, route);
        if (await routes.hasServed(route.id, number)) throw new AppError('already_served', `${formatRelease(number)} was served by ${on.stage} before: roll back to it.`);
        return release;
      });
    },
    promote: async (on, options) => {
      const route = await routeOf(on.project, on.stage);
      return moveRoute({ project: on.project, route, by: on.by }, async () => {
        const source = await promoted(on, options);
        if (await engine.image(source.image) === undefined) throw imageGone(source);
        if (options.release === undefined && options.force !== true) await assertWell(on, source);
        const release = await append(on, { route, made: source, reason: 'promotion' });
        await assertOther(route, release);
        return release;
      });
    },
    publish: async ({ project, by }, commit, isWanted) => {
      const [stage] = project.stages.keys();
      if (stage === undefined) throw new AppError('unknown_stage', `${project.name} has no stages: name them in its configuration.`);
      const route = await routeOf(project, stage);
      const [asked, since] = [publishes += 1, await ledger.current(route)];
      // A build may take long; whatever else moves the stage meanwhile is not to wait for it.
      const { image, build } = await findImage.wait({ project, commit }, { trigger: 'api' });
      // The same commit may be published by itself at this moment: whoever comes second finds it served.
      const onServed = async (release: Release) => { published.set(route.id, { release: (await decisionOf(release, { releases })).number, asked }); };
      return moveRoute({ project, route, by, waits: true, onServed }, async () => {
        if (isWanted?.() === false) throw new AppError('build_replaced', `A newer commit than ${commit} is published instead.`);
        await assertFree(route, { commit, asked, since });
        return append({ project, stage, by }, { route, made: { commit, key: build.key, image, build: build.id } });
      });
    },
  };
}

/** Lets the name of a configured stage pass. @throws AppError `unknown_stage` with the nearest names */
export function assertStage({ name, stages }: Pick<Project, 'name' | 'stages'>, stage: string): void {
  if (!stages.has(stage)) throw new AppError('unknown_stage', `${name} has no stage “${stage}”.`, { details: { nearest: nearestNames(stage, [...stages.keys()]) } });
}
