import { AppError, failureFields, isPassing } from '../domain/errors.js';
import type { CommitHash, ProjectName, RefName, ReleaseNumber } from '../domain/ids.js';
import { formatLabel } from '../domain/preview-name.js';
import type { Project } from '../domain/project.js';
import type { Release, Route } from '../domain/release.js';
import { slugOf } from '../domain/slug.js';
import type { ContainerEngine } from '../engine/port.js';
import { createBackground } from '../kernel/background.js';
import type { Clock } from '../kernel/clock.js';
import { createLimit } from '../kernel/limit.js';
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
import type { ServeRelease } from './serve-release.js';

export interface KeepBranchesDeps {
  readonly projects: readonly Project[];
  readonly sources: ReadonlyMap<ProjectName, Pick<Source, 'refs' | 'onChange'>>;
  readonly routes: Pick<RouteStore, 'findLabel'>;
  readonly releases: Pick<ReleaseStore, 'find'>;
  readonly instances: Pick<Instances, 'state' | 'onChange'>;
  readonly engine: Pick<ContainerEngine, 'image'>;
  readonly openPreview: Pick<OpenPreview, 'open'>;
  readonly serveRelease: Pick<ServeRelease, 'serve'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where its loop is entered. */
  readonly loops?: LoopBook;
}

const AGAIN_MS = 30_000;
/** Before what failed for a reason that lasts is tried again; a build is not, until the branch moves. */
const AFTER_FAILURE_MS = 10 * 60_000;
const AT_ONCE = 4;
/** Of each branch: its tip and its last release. */
const MOST_NOTED = 2;

/** What failed for good, and from when on it is worth another try. */
interface Failed { readonly what: CommitHash | ReleaseNumber; readonly until: number }

/** Keeps the branches that a project's `keep` names built and running, whether somebody looks or not. */
export function createKeepBranches(deps: KeepBranchesDeps): Part {
  const { projects, sources, routes, releases, instances, engine, openPreview, serveRelease, clock, log, loops } = deps;
  const background = createBackground();
  const endings: (() => void | Promise<void>)[] = [];
  const keeping = projects.filter(({ keep }) => keep.length > 0);
  const busy = new Set<string>();
  const failed = new Map<string, readonly Failed[]>();
  const turn = createLimit(AT_ONCE);
  let isOver = false;

  const keptOf = (project: Project): readonly Ref[] =>
    (sources.get(project.name)?.refs().branches ?? []).filter(({ name }) => isKept(project, { kind: 'branch', subject: name, environment: null }));

  /** What fails is told of once; each later look would find the same. */
  const note = (project: Project, { name, what }: { name: RefName; what: Failed['what'] }, error: unknown) => {
    log.warn('branch not kept running', { project: project.name, branch: name, ...failureFields(error) });
    if (!(error instanceof AppError) || isPassing(error.code)) return;
    const until = clock.monotonic() + (error.status === FAILED_BUILD ? Infinity : AFTER_FAILURE_MS);
    failed.set(nameOf(project, name), [...failuresOf(project, name), { what, until }].slice(-MOST_NOTED));
  };

  const failuresOf = (project: Project, name: RefName): readonly Failed[] => (failed.get(nameOf(project, name)) ?? []).filter(({ until }) => clock.monotonic() < until);
  const isHopeless = (project: Project, name: RefName, what: Failed['what']): boolean => failuresOf(project, name).some((each) => each.what === what);

  /** What served before needs neither git nor the builder: it is there while the new tip is made, and where that cannot be. */
  const serveLast = async ({ project, route, release, name }: { project: Project; route: Route; release: Release; name: RefName }): Promise<boolean> => {
    if (isHopeless(project, name, release.number) || await engine.image(release.image) === undefined) return false;
    try {
      await serveRelease.serve({ project, route, branch: name }, () => Promise.resolve(release));
      return true;
    } catch (error) {
      note(project, { name, what: release.number }, error);
      return false;
    }
  };

  const keep = async (project: Project, ref: Ref) => {
    const { name, commit } = ref;
    const label = formatLabel({ kind: 'branch', slug: slugOf(name), environment: null });
    const route = await routes.findLabel(project.name, label);
    const release = route && route.current !== null ? await releases.find(project.name, route.current) : undefined;
    // One that is there is moved to its tip by whoever follows branches.
    if (release && instances.state(release) !== undefined) return;
    if (route && release && release.commit !== commit && await serveLast({ project, route, release, name })) return;
    if (isHopeless(project, name, commit)) return;
    await openPreview.open({ project, kind: 'branch', label, environment: null, subject: name, commit, branch: name }, { trigger: 'follow' })
      .catch((error: unknown) => { note(project, { name, what: commit }, error); });
  };

  const begin = (project: Project, ref: Ref) => {
    const name = nameOf(project, ref.name);
    if (busy.has(name)) return;
    busy.add(name);
    const work = turn(() => (isOver ? Promise.resolve() : keep(project, ref))).finally(() => { busy.delete(name); });
    void background.begin(work, (error) => { log.error('branch not kept running', { project: project.name, branch: ref.name, error }); });
  };

  const keepAll = (project: Project) => { for (const ref of keptOf(project)) begin(project, ref); };

  return {
    start: () => {
      for (const project of keeping) {
        const end = sources.get(project.name)?.onChange(() => { keepAll(project); });
        if (end) endings.push(end);
      }
      if (keeping.length > 0) endings.push(startLoop(AGAIN_MS, () => { keeping.forEach(keepAll); return Promise.resolve(); }, { clock, log, noted: loops && { book: loops, name: 'keep branches' } }).stop);
      endings.push(instances.onChange((change) => {
        const project = change.kind === 'cleared' ? keeping.find(({ name }) => name === change.release.project) : undefined;
        if (project) keepAll(project);
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

/** The status of all failures of the build stage. */
const FAILED_BUILD = 424;
const nameOf = ({ name }: Project, branch: RefName): string => `${name} ${branch}`;
