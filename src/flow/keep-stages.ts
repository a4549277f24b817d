import { failureFields } from '../domain/errors.js';
import type { Project } from '../domain/project.js';
import { createBackground } from '../kernel/background.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { startLoop } from '../kernel/loop.js';
import type { LoopBook } from '../kernel/loop-book.js';
import type { Part } from '../kernel/part.js';
import type { Instances } from '../run/instances.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';
import type { Configure } from './configure.js';
import type { FindPreview } from './find-preview.js';
import type { OpenPreview } from './open-preview.js';

export interface KeepStagesDeps {
  readonly projects: readonly Project[];
  readonly routes: Pick<RouteStore, 'findLabel'>;
  readonly releases: Pick<ReleaseStore, 'find'>;
  readonly instances: Pick<Instances, 'state' | 'onChange'>;
  readonly findPreview: Pick<FindPreview, 'find'>;
  readonly openPreview: Pick<OpenPreview, 'open'>;
  readonly configure: Pick<Configure, 'apply' | 'isBehind'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where its loop is entered. */
  readonly loops?: LoopBook;
}

const AGAIN_MS = 30_000;

/** Lets stages run whatever happens: after a crash, a reboot, or a changed file, from their image, without git or the builder. */
export function createKeepStages({ projects, routes, releases, instances, findPreview, openPreview, configure, clock, log, loops }: KeepStagesDeps): Part {
  const background = createBackground();
  const endings: (() => void | Promise<void>)[] = [];
  const withStages = projects.filter(({ stages }) => stages.size > 0);

  const keep = async (project: Project, stage: string) => {
    const route = await routes.findLabel(project.name, stage);
    const release = route && route.current !== null ? await releases.find(project.name, route.current) : undefined;
    if (!release || instances.state(release) !== undefined) return;
    await openPreview.open(await findPreview.find({ project, name: { kind: 'stage', name: stage } }), { trigger: 'resume' });
  };

  /** One that takes long to start keeps no other one waiting. */
  const begin = (what: string, project: Project, work: () => Promise<unknown>) => background.begin(work(), (error) => {
    log.warn(what, { project: project.name, ...failureFields(error) });
  });

  const keepAll = (project: Project) => { for (const stage of project.stages.keys()) void begin('stage not kept running', project, () => keep(project, stage)); };

  const takeUp = (project: Project) => begin('configuration not taken up', project, () => configure.apply(project, 'restart'));

  return {
    start: () => {
      // The file may have changed since the last start.
      for (const project of projects) void takeUp(project).then(() => { keepAll(project); });
      let isFirst = true;
      const step = () => {
        if (!isFirst) withStages.forEach(keepAll);
        for (const project of projects) if (configure.isBehind(project)) void takeUp(project);
        isFirst = false;
        return Promise.resolve();
      };
      endings.push(startLoop(AGAIN_MS, step, { clock, log, noted: loops && { book: loops, name: 'keep stages' } }).stop);
      endings.push(instances.onChange((change) => {
        const project = change.kind === 'cleared' ? withStages.find(({ name }) => name === change.release.project) : undefined;
        if (project) keepAll(project);
      }));
      return Promise.resolve();
    },
    stop: async () => {
      for (const end of endings.splice(0)) await end();
      await background.settled();
    },
  };
}
