import { failureFields, isPassing } from '../domain/errors.js';
import type { CommitHash, ProjectName, RefName } from '../domain/ids.js';
import { formatLabel } from '../domain/preview-name.js';
import { hasHost, type Project } from '../domain/project.js';
import type { Release, Route } from '../domain/release.js';
import { slugOf } from '../domain/slug.js';
import { createBackground } from '../kernel/background.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { startLoop } from '../kernel/loop.js';
import type { LoopBook } from '../kernel/loop-book.js';
import type { Part } from '../kernel/part.js';
import type { Instances } from '../run/instances.js';
import type { Source } from '../source/source.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';
import type { OpenPreview } from './open-preview.js';

export interface FollowBranchesDeps {
  readonly projects: readonly Project[];
  readonly sources: ReadonlyMap<ProjectName, Pick<Source, 'refs' | 'onChange'>>;
  readonly routes: Pick<RouteStore, 'find'>;
  readonly releases: Pick<ReleaseStore, 'find' | 'latestOfRoute'>;
  readonly instances: Pick<Instances, 'living' | 'state' | 'stop' | 'onChange'>;
  readonly openPreview: Pick<OpenPreview, 'open'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where its loop is entered. */
  readonly loops?: LoopBook;
}

const AGAIN_MS = 30_000;

/** Moves running branch previews to their branch's new tip; one that sleeps is stopped, and waits for its next visitor as one that does not run. */
export function createFollowBranches({ projects, sources, routes, releases, instances, openPreview, clock, log, loops }: FollowBranchesDeps): Part {
  const endings: (() => void | Promise<void>)[] = [];
  const background = createBackground();

  const follow = async (project: Project, release: Release) => {
    const route = await routes.find(release.route);
    const ref = route?.kind === 'branch' ? sources.get(project.name)?.refs().bySlug(slugOf(route.subject as RefName)) : undefined;
    if (!route || !ref || release.commit === ref.commit || !hasHost(project, route)) return;
    const current = route.current === null ? undefined : await releases.find(project.name, route.current);
    if (current?.commit === ref.commit || await hasFailed(route, ref.commit)) return;
    // Nobody looks at it: the next visitor waits for the new tip.
    if (instances.state(release) === 'sleeping') { await instances.stop(release); return; }
    const { environment } = route;
    await openPreview.open({
      project, kind: 'branch', environment, subject: ref.name, commit: ref.commit, branch: ref.name,
      label: formatLabel({ kind: 'branch', slug: slugOf(ref.name), environment }),
    }, { trigger: 'follow' });
  };

  /** What could not take over is tried again with the next commit, or when somebody asks for it. */
  const hasFailed = async ({ id, lastError }: Route, tip: CommitHash): Promise<boolean> => {
    if (lastError === null || isPassing(lastError.code)) return false;
    const tried = await releases.latestOfRoute(id);
    return tried?.commit === tip && tried.createdAt <= lastError.at;
  };

  const begin = (project: Project, release: Release) => {
    void background.begin(follow(project, release), (error) => {
      log.warn('branch not followed', { project: project.name, release: release.number, ...failureFields(error) });
    });
  };

  /** One that takes long to build does not keep the others waiting. */
  const followAll = (project: Project) => {
    for (const { release } of instances.living()) if (release.project === project.name) begin(project, release);
  };

  return {
    start: () => {
      for (const project of projects) {
        const end = sources.get(project.name)?.onChange(() => { followAll(project); });
        if (end) endings.push(end);
      }
      // What could not be followed for a passing reason is tried again, and all else costs a look into the records.
      const loop = startLoop(AGAIN_MS, () => { projects.forEach(followAll); return Promise.resolve(); }, { clock, log, noted: loops && { book: loops, name: 'follow branches' } });
      endings.push(loop.stop);
      // The branch may have moved while its preview was made, or while the server was down.
      endings.push(instances.onChange((change) => {
        if (change.kind !== 'running') return;
        const { release } = change.instance;
        const project = projects.find(({ name }) => name === release.project);
        if (project) begin(project, release);
      }));
      return Promise.resolve();
    },
    stop: async () => {
      for (const end of endings.splice(0)) await end();
      await background.settled();
    },
  };
}
