import type { BuiltImage } from '../build/wanted.js';
import type { BuildTrigger } from '../domain/build.js';
import { hashConfig, type Release, type Route } from '../domain/release.js';
import { AppError, failureFields } from '../domain/errors.js';
import { formatRelease, type CommitHash, type ImageId, type ProjectName, type RouteId } from '../domain/ids.js';
import { assertLabels, carriesLabels } from '../domain/image-policy.js';
import { scopeOf } from '../domain/project.js';
import type { ContainerEngine } from '../engine/port.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { createSingleFlight } from '../kernel/single-flight.js';
import { createTopic, type Topic } from '../kernel/topic.js';
import type { Ledger } from '../release/ledger.js';
import type { Instances, RunningInstance } from '../run/instances.js';
import type { ImageStore } from '../state/images.js';
import type { RouteStore } from '../state/routes.js';
import type { FindImage } from './find-image.js';
import { assertOwnRoute } from './find-image-preview.js';
import type { NoteFailure } from './note-failure.js';
import type { CommitPreview, FoundPreview, ImagePreview } from './preview.js';
import type { ReadConfig } from './read-config.js';
import type { ServeRelease } from './serve-release.js';

export interface OpenPreviewDeps {
  readonly findImage: FindImage;
  readonly engine: Pick<ContainerEngine, 'image'>;
  readonly images: ImageStore;
  readonly routes: RouteStore;
  readonly ledger: Ledger;
  readonly instances: Pick<Instances, 'forgive' | 'living'>;
  readonly readConfig: ReadConfig;
  readonly serveRelease: ServeRelease;
  readonly noteFailure: NoteFailure;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface OpenOptions {
  readonly trigger: BuildTrigger;
  /** Try again although the last build or start failed. */
  readonly retry?: boolean;
}

/** commit or reference → image → release → instance → route, each only if the one before is not there already. */
export interface OpenPreview {
  /** Lets the preview run and be reached; joined by all who open it meanwhile. @throws AppError of the stage that failed */
  open(preview: FoundPreview, options: OpenOptions): Promise<RunningInstance>;
  /** When the opening that is under way began, in milliseconds since the epoch; undefined when none is. */
  openingSince(project: ProjectName, label: string): number | undefined;
  /** The hosts on which a route is reached, the canonical one first. */
  hostsOf(preview: Pick<FoundPreview, 'project' | 'label'>): readonly string[];
  /** Hears of each opening that begins or ends. */
  readonly onChange: Topic<Opening>['subscribe'];
}

export interface Opening {
  readonly project: ProjectName;
  readonly label: string;
}

/** One opening, with the release it came to. */
interface Attempt {
  readonly route: Route;
  readonly options: OpenOptions;
  release: Release | undefined;
}

export function createOpenPreview(deps: OpenPreviewDeps): OpenPreview {
  const { findImage, engine, images, routes, ledger, instances, readConfig, serveRelease, noteFailure, clock, log } = deps;
  const flights = createSingleFlight<string, RunningInstance>();
  const underWay = new Map<string, { readonly commit: CommitHash | null; readonly since: number }>();
  const changes = createTopic<Opening>((error) => { log.error('listener failed', { error }); });
  const nameOf = (project: ProjectName, label: string) => `${project}/${label}`;

  const open = async (preview: FoundPreview, options: OpenOptions): Promise<RunningInstance> => {
    const { project, kind, label, environment, subject } = preview;
    const route = await routes.ensure({ project: project.name, kind, label, environment, subject });
    if (preview.kind === 'image') assertOwnRoute(preview, route);
    const attempt: Attempt = { route, options, release: undefined };
    try {
      return await takeUp(preview, attempt, await runRelease(preview, attempt));
    } catch (thrown) {
      await noteFailure(route.id, { thrown, release: attempt.release?.number ?? null });
      throw thrown;
    }
  };

  /** A configuration that changed while it started: whoever changed it saw nothing run that could take it up. */
  const takeUp = async (preview: FoundPreview, attempt: Attempt, instance: RunningInstance): Promise<RunningInstance> => {
    const route = preview.kind === 'stage' ? undefined : await routes.find(attempt.route.id);
    if (!route || route.configHash === hashConfig((await readConfig(preview.project, scopeOf(route))).config)) return instance;
    try {
      return await runRelease(preview, attempt);
    } catch (thrown) {
      if (!instances.living().some(({ container }) => container === instance.container)) throw thrown;
      log.warn('configuration not taken up', { project: preview.project.name, route: route.label, ...failureFields(thrown) });
      await noteFailure(route.id, { thrown, release: attempt.release?.number ?? null });
      return instance;
    }
  };

  /** An image that goes between the look and the start is made again, once. */
  const runRelease = async (preview: FoundPreview, attempt: Attempt, { last = false } = {}): Promise<RunningInstance> => {
    const { project, branch } = preview;
    const { route, options } = attempt;
    // Whatever takes long is waited for outside the turn of the route, so that a rollback waits for no build.
    const built = await unbuiltRelease(preview, { route, by: options.trigger }) ? undefined : await findImage.wait(preview, options);
    const choose = async () => {
      const release = await unbuiltRelease(preview, { route, by: options.trigger }) ?? await makeRelease(preview, { route, by: options.trigger, built: built ?? await findImage.wait(preview, options) });
      if (options.retry === true) instances.forgive(release);
      return attempt.release = release;
    };
    try {
      return await serveRelease.serve({ project, route, branch }, choose);
    } catch (error) {
      const { release } = attempt;
      if (last || !release || preview.kind === 'stage' || await hasImage(release).catch(() => true)) throw error;
      instances.forgive(release);
      attempt.release = undefined;
      return runRelease(preview, attempt, { last: true });
    }
  };

  const hasImage = async ({ project, key, image }: Release): Promise<boolean> => (await images.ofKey(project, key))?.id === image && await engine.image(image) !== undefined;

  /** The route's own release, when nothing about it changed and its image is still there: neither git nor the builder is asked. */
  const currentRelease = async (preview: FoundPreview, id: RouteId): Promise<Release | undefined> => {
    const { project, kind } = preview;
    const route = await routes.find(id);
    const release = route && await ledger.current(route);
    if (kind === 'stage') return assertReleased(preview, release);
    if (!route || !release || (kind === 'branch' && !await ledger.isFollowed(release, await tipOf(preview)))) return undefined;
    const newest = await images.ofKey(project.name, release.key);
    const { config } = await readConfig(project, scopeOf(route));
    const same = (newest?.id === release.image || await ledger.holds(release)) && (route.configHash ?? release.configHash) === hashConfig(config);
    const image = same ? await engine.image(release.image) : undefined;
    return image && (kind !== 'image' || carriesLabels(image.labels, project.images.labels)) ? release : undefined;
  };

  const tipOf = async (preview: CommitPreview) => ({ commit: preview.commit, key: await findImage.knownKey(preview) });

  /** What a branch was rolled back to stays, with the configuration of now. */
  const heldRelease = async (preview: FoundPreview, { route, by }: { route: Route; by: string }): Promise<Release | undefined> => {
    const held = preview.kind === 'branch' ? await ledger.current(route) : undefined;
    if (!held || preview.kind !== 'branch' || !await ledger.holds(held) || !await ledger.isFollowed(held, await tipOf(preview))) return undefined;
    const { commit, key, image, build } = held;
    if (await engine.image(image) === undefined) return undefined;
    return ledger.ensure({ route, commit, key, image, build, ...await readConfig(preview.project, scopeOf(route)), by, reason: 'config' });
  };

  const unbuiltRelease = async (preview: FoundPreview, of: { route: Route; by: string }): Promise<Release | undefined> =>
    await currentRelease(preview, of.route.id) ?? await heldRelease(preview, of);

  /** A stage serves what was released to it, and nothing is built for that. */
  const assertReleased = async ({ project, subject }: FoundPreview, release: Release | undefined): Promise<Release> => {
    if (!release) throw new AppError('nothing_released', `Nothing runs in ${subject} of ${project.name}.`);
    if (await engine.image(release.image) === undefined) throw imageGone(release);
    return release;
  };

  const makeRelease = async (preview: FoundPreview, { route, by, built: { image, build } }: { route: Route; by: string; built: BuiltImage }) => {
    const { project, commit } = preview;
    if (preview.kind === 'image') await assertAllowed(preview, image);
    return ledger.ensure({ route, commit, key: build.key, image, build: build.id, ...await readConfig(project, scopeOf(route)), by });
  };

  /** A pull that was joined may have been begun, by a server before this one, when other labels were wanted. */
  const assertAllowed = async ({ project, image }: ImagePreview, id: ImageId) => {
    const pulled = await engine.image(id);
    if (pulled) assertLabels(pulled.labels, project.images.labels, image);
  };

  /** Tells of the opening from its begin to its end. */
  const openTold = async (preview: FoundPreview, options: OpenOptions): Promise<RunningInstance> => {
    const opening = { project: preview.project.name, label: preview.label };
    changes.publish(opening);
    try {
      return await open(preview, options);
    } finally {
      underWay.delete(nameOf(opening.project, opening.label));
      changes.publish(opening);
    }
  };

  return {
    hostsOf: serveRelease.hostsOf,
    openingSince: (project, label) => underWay.get(nameOf(project, label))?.since,
    onChange: changes.subscribe,
    open: async (preview, options) => {
      const name = nameOf(preview.project.name, preview.label);
      // A branch may have moved since the opening that is under way began: whoever wants the new tip goes after it.
      // Whoever wants another try is not content with the one that is being given up.
      const suits = () => options.retry !== true && underWay.get(name)?.commit === preview.commit;
      for (let flight = flights.get(name); flight && !suits(); flight = flights.get(name)) await flight.catch(() => undefined);
      if (!flights.get(name)) underWay.set(name, { commit: preview.commit, since: clock.now() });
      return flights.run(name, () => openTold(preview, options));
    },
  };
}

/** A later visit cannot bring it back by itself: a release is made of one image. */
export const imageGone = ({ number, commit }: Release): AppError =>
  new AppError('image_gone', `The image of ${formatRelease(number)} is gone${commit === null ? '' : `; it was made of commit ${commit}`}.`);
