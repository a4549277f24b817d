import type { Builds } from '../build/builds.js';
import { hasImage, isActive, type Build } from '../domain/build.js';
import type { LastError } from '../domain/release.js';
import { deriveState } from '../domain/state.js';
import { createCoalesce } from '../kernel/coalesce.js';
import type { Ledger } from '../release/ledger.js';
import type { Instances } from '../run/instances.js';
import type { BuildStore } from '../state/builds.js';
import type { ImageStore } from '../state/images.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';
import type { FindImage } from './find-image.js';
import type { OpenPreview } from './open-preview.js';
import { keyOfPreview, type FoundPreview, type PreviewStatus } from './preview.js';

export interface PreviewStatusDeps {
  readonly routes: RouteStore;
  readonly ledger: Ledger;
  readonly images: ImageStore;
  readonly releases: Pick<ReleaseStore, 'latestOfRoute'>;
  readonly buildStore: BuildStore;
  readonly builds: Pick<Builds, 'place'>;
  readonly instances: Pick<Instances, 'state' | 'lastFailure' | 'restarts'>;
  readonly findImage: Pick<FindImage, 'knownKey'>;
  readonly openPreview: Pick<OpenPreview, 'openingSince'>;
}

/** Says what is known of a preview from records and what runs; asks neither git nor the engine. Those who ask at the same time share the answer. */
export type ReadStatus = (preview: FoundPreview) => Promise<PreviewStatus>;

export function createReadStatus(deps: PreviewStatusDeps): ReadStatus {
  const { routes, ledger, images, releases, buildStore, builds, instances, findImage, openPreview } = deps;

  const latestBuild = async (preview: FoundPreview) => {
    const { project, commit } = preview;
    const own = commit === null ? undefined : await buildStore.latestOfCommit(project.name, commit);
    const known = await findImage.knownKey(preview);
    const key = known ?? own?.key;
    const shared = key && await buildStore.latestOfKey(project.name, key);
    const build = shared && (isActive(shared) || own?.key !== key) ? shared : own;
    const image = key !== undefined && await images.ofKey(project.name, key) !== undefined;
    return { key: known, build, image };
  };

  const read: ReadStatus = async (preview) => {
    const { project, label } = preview;
    const route = await routes.findLabel(project.name, label);
    const release = route && await ledger.current(route);
    const tried = route && await releases.latestOfRoute(route.id);
    const { key, build, image } = await latestBuild(preview);
    const opening = openPreview.openingSince(project.name, label) !== undefined;
    const instance = release && instances.state(release);
    // No build puts right what was released to a stage.
    const isOver = route?.lastError && preview.kind !== 'stage' && isOvertaken(route.lastError, build);
    const lastError = isOver ? null : route?.lastError ?? null;
    // An end by itself is known at once, and noted on the route a moment later.
    const ended = release !== undefined && route?.lastError === null && instances.lastFailure(release) !== undefined;
    const state = deriveState({ build: build?.status, image, instance, opening, failed: lastError !== null || ended });
    return {
      preview, route, release, tried, key, build, place: build && builds.place(build.id), lastError, state, restarts: release ? instances.restarts(release) : 0,
    };
  };

  const reads = createCoalesce<string, PreviewStatus>();
  return (preview) => reads.run(keyOfPreview(preview), () => read(preview));
}

/** A build that succeeded after a failure was noted has put it right, whoever asked for it. */
const isOvertaken = ({ at }: LastError, build: Build | undefined): boolean =>
  build !== undefined && hasImage(build) && build.finishedAt !== null && build.finishedAt > at;
