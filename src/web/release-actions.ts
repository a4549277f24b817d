import type { Request } from 'express';
import { isActive } from '../domain/build.js';
import { AppError, failureFields, type ErrorCode } from '../domain/errors.js';
import { formatRelease } from '../domain/ids.js';
import { nearestNames } from '../domain/nearest.js';
import { parseLabel } from '../domain/preview-name.js';
import { labelNames, type Project } from '../domain/project.js';
import type { Release, Route } from '../domain/release.js';
import type { PageLink } from '../serve/waiting-models.js';
import type { Action, Actions } from './action.js';
import { configChanges, describeChanges } from './config-changes.js';
import { projectOf, sourceOf, type WebDeps } from './context.js';
import { formField } from './door.js';
import { findWayBack, type WayBack } from './stage-views.js';
import { commitViewOrNull } from './views-of.js';

const AFTERWARDS = '/releases';
/** A person waits so long for a rollback before being shown the build that it waits for. */
const PATIENCE_MS = 2_000;

interface Moving { readonly project: Project; readonly route: Route }

/** `roll-back`, `rebuild-and-roll-back` and `promote`. What was confirmed is done, and nothing else: who confirms what has changed since is told so. */
export function createReleaseActions(deps: WebDeps): Actions {
  return { 'roll-back': rollBackAction(deps), 'rebuild-and-roll-back': rebuildAction(deps), 'promote': promoteAction(deps) };
}

function rollBackAction(deps: WebDeps): Action {
  return {
    field: 'route',
    ask: async (label, req) => {
      const { project, route } = await findRoute(deps, req, label);
      const way = await findWayBack(deps, route);
      const [current, previous] = [formatRelease(way.current.number), formatRelease(way.previous)];
      return {
        question: `Roll ${label} back from ${current} to ${previous}?`, submitText: `Roll back to ${previous}`, destructive: true, backUrl: AFTERWARDS, seen: current,
        consequences: [
          await describeTarget(deps, { project, way }), describeChanges(configChanges(way.current.config, way.target.config)),
          `Nothing is built: its image starts again, and ${current} answers until it is healthy. No request is lost.`,
        ],
      };
    },
    run: async (label, req) => {
      const moving = await findRoute(deps, req, label);
      const { target } = await findSeenWay(deps, { req, route: moving.route });
      await deps.rollBack(moving, { to: target.number, by: whoIs(deps, req) });
      return AFTERWARDS;
    },
  };
}

function rebuildAction(deps: WebDeps): Action {
  return {
    field: 'route',
    ask: async (label, req) => {
      const { project, route } = await findRoute(deps, req, label);
      const way = await findWayBack(deps, route);
      const [current, previous] = [formatRelease(way.current.number), formatRelease(way.previous)];
      if (way.target.commit === null) throw new AppError('image_gone', `The image of ${previous} was pulled, so that there is no commit to build it of.`);
      return {
        question: `Build ${previous} again and roll ${label} back to it?`, submitText: 'Build again and roll back', destructive: true, backUrl: AFTERWARDS, seen: current,
        consequences: [
          await describeTarget(deps, { project, way }), describeChanges(configChanges(way.current.config, way.target.config)),
          'Its commit is built where there is no image of it any more. What the build takes from elsewhere may be newer than it was then.',
          `${current} answers until the new image is built and healthy; then ${label} goes over by itself. No request is lost.`,
        ],
      };
    },
    run: async (label, req) => {
      const moving = await findRoute(deps, req, label);
      const { target } = await findSeenWay(deps, { req, route: moving.route });
      return rebuild(deps, { moving, target, by: whoIs(deps, req) });
    },
  };
}

/** A build may take minutes: who waits for one is shown it, and what failed after that is in the log and on the stage. */
async function rebuild(deps: WebDeps, { moving, target, by }: { moving: Moving; target: Release; by: string }): Promise<string> {
  const { project, route } = moving;
  const over = new AbortController();
  const rolled = deps.rollBack(moving, { to: target.number, rebuild: true, by });
  rolled.catch((error: unknown) => {
    if (over.signal.aborted) deps.log.warn('not rolled back', { project: project.name, route: route.label, ...failureFields(error) });
  });
  try {
    const isDone = await Promise.race([rolled.then(() => true), deps.clock.sleep(PATIENCE_MS, over.signal).then(() => false)]);
    const build = isDone || target.commit === null ? undefined : await deps.buildStore.latestOfCommit(project.name, target.commit);
    return build && isActive(build) ? `/builds/${build.id}` : AFTERWARDS;
  } finally {
    over.abort();
  }
}

function promoteAction(deps: WebDeps): Action {
  return {
    field: 'stage',
    ask: async (stage, req) => {
      const project = projectOf(deps, req);
      const { source, release, target } = await findPromotion(deps, { project, stage });
      const [id, current] = [formatRelease(release.number), target.current === null ? null : formatRelease(target.current)];
      const commit = await describeCommit(deps, project, release);
      return {
        question: `Promote ${id} from ${source.label} to ${stage}?`, submitText: `Promote to ${stage}`, destructive: false, backUrl: AFTERWARDS, seen: seenOf(release, target),
        consequences: [
          `${stage} gets ${commit}, as a release of its own with the configuration of ${stage}.`,
          `Nothing is built: it is the image that ${source.label} serves.`,
          ...(source.lastError?.release === release.number ? [`${source.label} does not run it well: ${source.lastError.message}`] : []),
          current === null ? `It is the first release of ${stage}.` : `${current} answers in ${stage} until the new one is healthy. No request is lost.`,
        ],
      };
    },
    run: async (stage, req) => {
      const project = projectOf(deps, req);
      const { release, target } = await findPromotion(deps, { project, stage });
      assertSeen(req, seenOf(release, target), stage);
      await deps.stages.promote({ project, stage, by: whoIs(deps, req) }, { release: release.number });
      return AFTERWARDS;
    },
  };
}

interface Promotion { readonly source: Route; readonly release: Release; readonly target: Route }

/** What the stage before serves. @throws AppError `unknown_stage`, `wrong_stage`, `nothing_released` */
async function findPromotion(deps: WebDeps, { project, stage }: { project: Project; stage: string }): Promise<Promotion> {
  const target = await deps.stages.route(project, stage);
  const names = [...project.stages.keys()];
  const before = names[names.indexOf(stage) - 1];
  if (before === undefined) throw new AppError('wrong_stage', `${stage} is the first stage of ${project.name}: commits are published to it.`);
  const source = await deps.stages.route(project, before);
  const release = source.current === null ? undefined : await deps.releases.find(project.name, source.current);
  if (!release) throw new AppError('nothing_released', `Nothing runs in ${before} of ${project.name}.`);
  return { source, release, target };
}

const seenOf = (release: Release, { current }: Route): string => `${formatRelease(release.number)}-${current === null ? 'none' : formatRelease(current)}`;

/** A stage, or a branch that was opened. @throws AppError `unknown_stage`, `unknown_preview`, `invalid_request` for what has one release to go to */
async function findRoute(deps: WebDeps, req: Request, label: string): Promise<Moving> {
  const project = projectOf(deps, req);
  const name = parseLabel(label, labelNames(project));
  if (!name) throw new AppError('unknown_stage', `${project.name} has no stage “${label}”.`, { details: { nearest: nearestNames(label, [...project.stages.keys()]) } });
  if (name.kind === 'stage') return { project, route: await deps.stages.route(project, label) };
  const route = await deps.routes.findLabel(project.name, label);
  if (!route) throw new AppError('unknown_preview', `There is no preview ${label} of ${project.name}.`);
  if (route.kind !== 'branch') throw new AppError('invalid_request', `${label} is a ${route.kind}, which has one release to go to; branches and stages are rolled back.`);
  return { project, route };
}

async function findSeenWay(deps: WebDeps, { req, route }: { req: Request; route: Route }): Promise<WayBack> {
  const way = await findWayBack(deps, route);
  assertSeen(req, formatRelease(way.current.number), route.label);
  return way;
}

/** Programs, which saw no question, leave it away. */
function assertSeen(req: Request, now: string, label: string): void {
  const seen = formField(req, 'seen');
  if (seen !== undefined && seen !== now) throw new AppError('route_moved', `Something else was released since ${label} was looked at.`);
}

async function describeTarget(deps: WebDeps, { project, way: { previous, target } }: { project: Project; way: WayBack }): Promise<string> {
  const brought = target.number === previous ? '' : `, which was ${formatRelease(target.number)} brought back,`;
  return `${formatRelease(previous)}${brought} comes back as a new release: ${await describeCommit(deps, project, target)}.`;
}

async function describeCommit(deps: WebDeps, project: Project, release: Release): Promise<string> {
  const commit = await commitViewOrNull(sourceOf(deps, project), release.commit, deps.clock.now());
  if (!commit) return 'a pulled image';
  return `commit ${commit.shortHash}${commit.subject === null ? '' : ` “${commit.subject}”`}`;
}

/** Nobody signs in yet: a form says no more than that it was one. */
const whoIs = ({ door }: Pick<WebDeps, 'door'>, req: Request): string => (door.bearsToken(req) ? 'api' : 'web');

const OF_RELEASES: ReadonlySet<ErrorCode> = new Set(['nothing_released', 'nothing_earlier', 'unknown_release', 'unknown_stage', 'already_served', 'wrong_stage', 'route_busy', 'route_moved', 'image_gone']);
const ACTIONS: ReadonlySet<string> = new Set(['roll-back', 'rebuild-and-roll-back', 'promote']);

/** Where a person goes from an error page that is about releases; the first is the one to press. */
export function releaseWays({ code }: AppError, req: Request): readonly PageLink[] {
  const action = actionOf(req);
  const label = formField(req, 'route') ?? formField(req, 'stage') ?? '';
  const isRollBack = action === 'roll-back' && code === 'image_gone';
  return [
    ...(isRollBack ? [{ text: 'Build it again and roll back', url: `/confirm?action=rebuild-and-roll-back&route=${encodeURIComponent(label)}` }] : []),
    ...(action !== undefined || OF_RELEASES.has(code) ? [{ text: 'Releases', url: AFTERWARDS }] : []),
  ];
}

function actionOf(req: Request): string | undefined {
  const name = /^\/actions\/([\w-]+)$/.exec(req.path)?.[1];
  return name !== undefined && ACTIONS.has(name) ? name : undefined;
}
