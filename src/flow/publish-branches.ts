import { AppError, failureFields } from '../domain/errors.js';
import type { CommitHash, ProjectName } from '../domain/ids.js';
import type { Project } from '../domain/project.js';
import { createBackground } from '../kernel/background.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { startLoop } from '../kernel/loop.js';
import type { LoopBook } from '../kernel/loop-book.js';
import type { Part } from '../kernel/part.js';
import type { Ledger } from '../release/ledger.js';
import type { Source } from '../source/source.js';
import type { FindImage } from './find-image.js';
import type { Stages } from './stages.js';

export interface PublishBranchesDeps {
  readonly projects: readonly Project[];
  readonly sources: ReadonlyMap<ProjectName, Pick<Source, 'refs' | 'onChange'>>;
  readonly ledger: Pick<Ledger, 'current' | 'isFollowed'>;
  readonly findImage: Pick<FindImage, 'knownKey'>;
  readonly stages: Pick<Stages, 'route' | 'publish'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where its loops are entered. */
  readonly loops?: LoopBook;
}

const AGAIN_MS = 30_000;

/** Releases each new commit of a project's publish branch to its first stage. One that failed is not tried again by itself. */
export function createPublishBranches({ projects, sources, ledger, findImage, stages, clock, log, loops }: PublishBranchesDeps): Part {
  const tried = new Map<ProjectName, CommitHash>();
  const background = createBackground();
  const endings: (() => void | Promise<void>)[] = [];

  const tipOf = ({ name, publish: branch }: Project): CommitHash | undefined => sources.get(name)?.refs().refs.find((ref) => ref.kind === 'branch' && ref.name === branch)?.commit;

  const publish = async (project: Project, first: string) => {
    const tip = tipOf(project);
    if (tip === undefined || tried.get(project.name) === tip) return;
    tried.set(project.name, tip);
    const current = await ledger.current(await stages.route(project, first));
    if (current && await ledger.isFollowed(current, { commit: tip, key: await findImage.knownKey({ project, commit: tip }) })) return;
    await stages.publish({ project, by: 'publish' }, tip, () => tipOf(project) === tip);
  };

  const begin = (project: Project, first: string) => {
    const tip = tipOf(project);
    void background.begin(publish(project, first), (error) => {
      // The stage was being changed at that moment, or the surroundings failed: the next look tries again, unless there is a newer commit.
      if (error instanceof AppError && (error.code === 'route_busy' || error.status === 503) && tried.get(project.name) === tip) tried.delete(project.name);
      log.warn('branch not published', { project: project.name, ...failureFields(error) });
    });
  };

  return {
    start: () => {
      for (const project of projects) {
        const [first] = project.stages.keys();
        if (project.publish === null || first === undefined) continue;
        const end = sources.get(project.name)?.onChange(() => { begin(project, first); });
        if (end) endings.push(end);
        endings.push(startLoop(AGAIN_MS, () => { begin(project, first); return Promise.resolve(); }, { clock, log, noted: loops && { book: loops, name: 'publish', project: project.name } }).stop);
      }
      return Promise.resolve();
    },
    stop: async () => {
      for (const end of endings.splice(0)) await end();
      await background.settled();
    },
  };
}
