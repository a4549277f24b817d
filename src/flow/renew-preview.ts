import type { BegunBuild } from '../build/builds.js';
import type { Build } from '../domain/build.js';
import { AppError } from '../domain/errors.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { retireInstance, type Traffic } from '../run/idle.js';
import type { Instances } from '../run/instances.js';
import type { ReleaseName } from '../run/logs.js';
import type { RoutingTable } from '../serve/routing.js';
import type { RouteStore } from '../state/routes.js';
import type { FindImage } from './find-image.js';
import type { OpenPreview } from './open-preview.js';
import type { FoundPreview, PreviewSource } from './preview.js';

export interface RenewPreviewDeps {
  readonly routes: Pick<RouteStore, 'find'>;
  readonly findImage: FindImage;
  readonly instances: Instances;
  readonly routing: RoutingTable & Traffic;
  readonly openPreview: Pick<OpenPreview, 'open'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long what is in flight may go on, in milliseconds. */
  readonly drainMs: number;
}

const RESET_PAUSE_MS = 30_000;

export interface RenewPreview {
  /** Builds the commit again without cache, or pulls the image again. What runs of the old image serves on until the new one is there, then stops. */
  reset(source: PreviewSource): Promise<Build>;
  /** The same for programs, as often as they like: one without cache that waits or runs is joined. */
  rebuild(source: PreviewSource): Promise<BegunBuild>;
  /** Stops what runs or starts of the preview's releases, forgets their failures and opens it. */
  restart(preview: FoundPreview, releases: readonly ReleaseName[]): Promise<void>;
}

export function createRenewPreview({ routes, findImage, instances, routing, openPreview, clock, log, drainMs }: RenewPreviewDeps): RenewPreview {
  const resets = new Map<string, number>();
  const stopOthers = async (build: Build, image: Build['image']) => {
    const outdated = instances.living().filter(({ release }) => release.project === build.project && release.key === build.key && release.image !== image);
    await Promise.all(outdated.map(async (instance) => {
      // A stage keeps the image that was released to it.
      if ((await routes.find(instance.release.route))?.kind === 'stage') return;
      routing.unroute(instance.container);
      await retireInstance(instance, { instances, traffic: routing, clock }, drainMs);
    }));
  };
  const rebuild = async (source: PreviewSource): Promise<BegunBuild> => {
    const begun = await findImage.begin(source, { trigger: 'reset', anew: true });
    const { build } = begun;
    begun.result.then(({ image }) => stopOthers(build, image))
      .catch((error: unknown) => { log.warn('reset without effect', { build: build.id, error }); });
    return begun;
  };
  /** Two resets at once are one person's second click. */
  const assertNotJustDone = (source: PreviewSource) => {
    const name = `${source.project.name}/${source.commit ?? source.image.text}`;
    for (const [done, at] of resets) if (clock.monotonic() - at >= RESET_PAUSE_MS) resets.delete(done);
    if (resets.has(name)) throw new AppError('too_many_requests', 'It was reset a moment ago.', { details: { retryAfterSeconds: RESET_PAUSE_MS / 1_000 } });
    resets.set(name, clock.monotonic());
  };

  return {
    reset: async (source) => {
      assertNotJustDone(source);
      return (await rebuild(source)).build;
    },
    rebuild,
    restart: async (preview, releases) => {
      for (const release of releases) {
        const container = instances.container(release);
        if (container) routing.remove(container);
        await instances.stop(release);
        instances.forgive(release);
      }
      openPreview.open(preview, { trigger: 'api', retry: true })
        .catch((error: unknown) => { log.warn('restarted preview not opened', { preview: preview.label, error }); });
    },
  };
}
