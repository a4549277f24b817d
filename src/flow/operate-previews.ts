import { AppError } from '../domain/errors.js';
import type { ProjectName, RefName, RouteId } from '../domain/ids.js';
import { parseLabel } from '../domain/preview-name.js';
import { hasHost, labelNames, type Project } from '../domain/project.js';
import type { Release, Route } from '../domain/release.js';
import type { Logger } from '../kernel/log.js';
import type { Instances, RunningInstance } from '../run/instances.js';
import type { RoutingTable } from '../serve/routing.js';
import type { Source } from '../source/source.js';
import type { RouteStore } from '../state/routes.js';
import type { FindPreview } from './find-preview.js';
import { alwaysRuns, isKept } from './pinned.js';
import type { FoundPreview } from './preview.js';
import type { ReadStatus } from './preview-status.js';
import type { RenewPreview } from './renew-preview.js';

export interface OperatePreviewsDeps {
  readonly sources: ReadonlyMap<ProjectName, Pick<Source, 'refs'>>;
  readonly routes: Pick<RouteStore, 'find'>;
  readonly instances: Pick<Instances, 'living' | 'present' | 'state' | 'container' | 'stop'>;
  readonly routing: Pick<RoutingTable, 'unroute'>;
  readonly findPreview: Pick<FindPreview, 'find'>;
  readonly readStatus: ReadStatus;
  readonly renewPreview: Pick<RenewPreview, 'restart' | 'rebuild'>;
  readonly log: Logger;
}

/** A preview that serves, with what runs of it: two instances while one takes the other's place. */
export interface RunningPreview {
  readonly preview: FoundPreview;
  readonly running: readonly RunningInstance[];
}

/** What is done to the running previews of a project at once, or to one of them. Each verb says how many it was done to. */
export interface OperatePreviews {
  /** What runs of a project, stages among it; those that the configuration gives no host any more are left out. */
  running(project: Project): Promise<readonly RunningPreview[]>;
  /**
   * Restarts all that runs, from the releases they have. `invalidate` builds, or pulls, first and without cache, which
   * nobody waits for: each goes on until its image is there. A stage keeps its image.
   *
   * @throws AppError of a build's begin; what had begun goes on
   */
  restartAll(project: Project, options: { readonly invalidate: boolean }): Promise<number>;
  /** Stops all that runs or starts, but for what always runs: stages and kept branches. The next visit starts each again. */
  stopAll(project: Project): Promise<number>;
  /** Restarts one, or opens it. */
  restart(preview: FoundPreview): Promise<number>;
  /** Stops one, also while it starts. @throws AppError `invalid_request` for a stage or a kept branch */
  stop(preview: FoundPreview): Promise<number>;
}

export function createOperatePreviews({ sources, routes, instances, routing, findPreview, readStatus, renewPreview, log }: OperatePreviewsDeps): OperatePreviews {
  const isBranchThere = ({ project, kind, subject }: Route) => kind !== 'branch' || sources.get(project)?.refs().find(subject) !== undefined;

  /** What a route of a running release is. A branch that was deleted is what it serves: looking for it would cause a fetch. */
  const previewOf = async (project: Project, route: Route, { commit }: Release): Promise<FoundPreview | undefined> => {
    const { label, environment, subject } = route;
    const name = hasHost(project, route) ? parseLabel(label, labelNames(project)) : undefined;
    if (!name) return undefined;
    if (isBranchThere(route) || commit === null) return findPreview.find({ project, name });
    return { project, kind: 'branch', label, environment, subject, commit, branch: subject as RefName };
  };

  const running: OperatePreviews['running'] = async (project) => {
    const own = instances.living().filter(({ release }) => release.project === project.name);
    const found = await Promise.all([...new Set(own.map(({ release }) => release.route))].map(async (id): Promise<RunningPreview | undefined> => {
      const ofRoute = own.filter(({ release }) => release.route === id);
      const [first] = ofRoute;
      const route = await routes.find(id);
      const preview = route && first && await previewOf(project, route, first.release)
        .catch((error: unknown) => { log.warn('running preview not found', { project: project.name, preview: route.label, error }); });
      return preview ? { preview, running: ofRoute } : undefined;
    }));
    return found.filter((each) => each !== undefined);
  };

  const alwaysRunning = async (project: Project, of: readonly Release[]): Promise<ReadonlySet<RouteId>> => {
    const found = await Promise.all([...new Set(of.map(({ route }) => route))].map(routes.find));
    return new Set(found.flatMap((route) => (route && alwaysRuns(project, route) ? [route.id] : [])));
  };

  const stopReleases = async (releases: readonly Release[]) => {
    await Promise.all(releases.map(async (release) => {
      const container = instances.container(release);
      if (container) routing.unroute(container);
      await instances.stop(release);
    }));
  };

  const releasesOf = ({ running: all }: RunningPreview) => all.map(({ release }) => release);

  /** Builds it anew, and restarts it once that is done; what runs is left alone when there is no image. */
  const renew = async (each: RunningPreview) => {
    const { preview } = each;
    const { result } = await renewPreview.rebuild(preview);
    result.then(() => renewPreview.restart(preview, releasesOf(each)))
      .catch((error: unknown) => { log.warn('preview not restarted', { project: preview.project.name, preview: preview.label, error }); });
  };

  return {
    running,
    restartAll: async (project, { invalidate }) => {
      const all = await running(project);
      const isRenewed = ({ preview }: RunningPreview) => invalidate && preview.kind !== 'stage';
      // A queue without room refuses before anything is stopped.
      for (const each of all.filter(isRenewed)) await renew(each);
      await Promise.all(all.filter((each) => !isRenewed(each)).map((each) => renewPreview.restart(each.preview, releasesOf(each))));
      log.info('previews restarted', { project: project.name, count: all.length, invalidate });
      return all.length;
    },
    stopAll: async (project) => {
      const own = instances.present().filter((release) => release.project === project.name);
      const spared = await alwaysRunning(project, own);
      const told = own.filter(({ route }) => !spared.has(route));
      await stopReleases(told);
      const count = new Set(told.map(({ route }) => route)).size;
      log.info('previews stopped', { project: project.name, count });
      return count;
    },
    restart: async (preview) => {
      const { release, tried } = await readStatus(preview);
      await renewPreview.restart(preview, [release, tried].filter((each) => each !== undefined));
      return 1;
    },
    stop: async (preview) => {
      if (preview.kind === 'stage') throw new AppError('invalid_request', `${preview.label} is a stage, and stages always run.`);
      if (isKept(preview.project, preview)) throw new AppError('invalid_request', `${preview.label} is kept running: its project names it in keep.`);
      const { release, tried } = await readStatus(preview);
      const there = [release, tried].filter((each) => each !== undefined).filter((each) => instances.state(each) !== undefined);
      await stopReleases(there);
      return there.length === 0 ? 0 : 1;
    },
  };
}
