import { AppError, isPassing } from '../domain/errors.js';
import type { ProjectName } from '../domain/ids.js';
import { formatLabel } from '../domain/preview-name.js';
import type { Project } from '../domain/project.js';
import { slugOf } from '../domain/slug.js';
import { createBackground } from '../kernel/background.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { startLoop } from '../kernel/loop.js';
import type { LoopBook } from '../kernel/loop-book.js';
import type { Part } from '../kernel/part.js';
import type { Instances } from '../run/instances.js';
import type { Ref, Source } from '../source/source.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';
import type { OpenPreview } from './open-preview.js';
import { isKept } from './pinned.js';

export interface KeepBranchesDeps {
  readonly projects: readonly Project[];
  readonly sources: ReadonlyMap<ProjectName, Pick<Source, 'refs' | 'onChange'>>;
  readonly routes: Pick<RouteStore, 'findLabel'>;
  readonly releases: Pick<ReleaseStore, 'find'>;
  readonly instances: Pick<Instances, 'state' | 'onChange'>;
  readonly openPreview: Pick<OpenPreview, 'open'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where its loop is entered. */
  readonly loops?: LoopBook;
}

const AGAIN_MS = 30_000;

/** Keeps the branches that a project's `keep` names built and running, one after the other, whether somebody looks or not. */
export function createKeepBranches({ projects, sources, routes, releases, instances, openPreview, clock, log, loops }: KeepBranchesDeps): Part {
  const background = createBackground();
  const endings: (() => void | Promise<void>)[] = [];
  const keeping = projects.filter(({ keep }) => keep.length > 0);
  const busy = new Set<ProjectName>();
  let isOver = false;

  const keptOf = (project: Project): readonly Ref[] =>
    (sources.get(project.name)?.refs().branches ?? []).filter(({ name }) => isKept(project, { kind: 'branch', subject: name, environment: null }));

  const keep = async (project: Project, { name, commit }: Ref) => {
    const label = formatLabel({ kind: 'branch', slug: slugOf(name), environment: null });
    const route = await routes.findLabel(project.name, label);
    const release = route && route.current !== null ? await releases.find(project.name, route.current) : undefined;
    // One that runs or sleeps is moved to its tip by whoever follows branches.
    if (release && instances.state(release) !== undefined) return;
    await openPreview.open({ project, kind: 'branch', label, environment: null, subject: name, commit, branch: name }, { trigger: 'follow' });
  };

  /** What failed for a reason that lasts is told of once, when it was tried; each later look finds the same. */
  const tell = (project: Project, { name }: Ref, error: unknown) => {
    const known = error instanceof AppError;
    log[known && !isPassing(error.code) ? 'debug' : 'warn']('branch not kept running', { project: project.name, branch: name, ...(known ? { code: error.code, reason: error.message } : { error }) });
  };

  const keepAll = async (project: Project) => {
    if (busy.has(project.name)) return;
    busy.add(project.name);
    try {
      for (const ref of keptOf(project)) {
        if (isOver) return;
        await keep(project, ref).catch((error: unknown) => { tell(project, ref, error); });
      }
    } finally {
      busy.delete(project.name);
    }
  };

  const begin = (project: Project) => { void background.begin(keepAll(project), (error) => { log.error('branches not kept running', { project: project.name, error }); }); };

  return {
    start: () => {
      for (const project of keeping) {
        const end = sources.get(project.name)?.onChange(() => { begin(project); });
        if (end) endings.push(end);
      }
      if (keeping.length > 0) endings.push(startLoop(AGAIN_MS, () => { keeping.forEach(begin); return Promise.resolve(); }, { clock, log, noted: loops && { book: loops, name: 'keep branches' } }).stop);
      endings.push(instances.onChange((change) => {
        const project = change.kind === 'cleared' ? keeping.find(({ name }) => name === change.release.project) : undefined;
        if (project) begin(project);
      }));
      return Promise.resolve();
    },
    stop: async () => {
      isOver = true;
      for (const end of endings.splice(0)) await end();
      await background.settled();
    },
  };
}
