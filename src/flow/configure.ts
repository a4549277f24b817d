import { isPassing, toAppError, type ErrorCode, type ErrorDetails } from '../domain/errors.js';
import type { EnvironmentName } from '../domain/ids.js';
import { scopeOf, type Project, type Scope } from '../domain/project.js';
import { hashConfig, type Release, type Route } from '../domain/release.js';
import { assertSettable, type SettingChange } from '../domain/setting.js';
import type { ContainerEngine } from '../engine/port.js';
import type { Logger } from '../kernel/log.js';
import { createTurns } from '../kernel/turns.js';
import type { Ledger } from '../release/ledger.js';
import type { Instances } from '../run/instances.js';
import type { Source } from '../source/source.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';
import type { SettingStore } from '../state/settings.js';
import type { NoteFailure } from './note-failure.js';
import { imageGone } from './open-preview.js';
import { branchOfRelease } from './release-environment.js';
import type { ReadConfig } from './read-config.js';
import type { ServeRelease } from './serve-release.js';

export interface ConfigureDeps {
  readonly sources: ReadonlyMap<Project['name'], Pick<Source, 'refs'>>;
  readonly settings: Pick<SettingStore, 'change'>;
  readonly routes: Pick<RouteStore, 'list' | 'find'>;
  readonly releases: Pick<ReleaseStore, 'find'>;
  readonly ledger: Pick<Ledger, 'current' | 'ensure'>;
  readonly engine: Pick<ContainerEngine, 'image'>;
  readonly instances: Pick<Instances, 'present' | 'living' | 'state' | 'stop' | 'forgive'>;
  readonly readConfig: ReadConfig;
  readonly serveRelease: Pick<ServeRelease, 'serve'>;
  readonly noteFailure: NoteFailure;
  readonly log: Logger;
}

/** What a route made of a changed configuration. */
export interface Applied {
  readonly route: Route;
  /** What it is to serve with it; undefined when none could be made. */
  readonly release: Release | undefined;
  /** Why it does not serve that: what served before goes on. */
  readonly error: ({ readonly code: ErrorCode; readonly message: string } & Pick<ErrorDetails, 'lastLines'>) | null;
}

export interface Configure {
  /** Changes variables in a scope and lets the routes take them up. @throws AppError `invalid_request` naming the variable, with nothing changed */
  change(of: { readonly project: Project; readonly scope: Scope; readonly by: string }, changes: readonly SettingChange[]): Promise<{ readonly changed: boolean; readonly applied: readonly Applied[] }>;
  /**
   * Lets every stage, and every branch that runs, take up the configuration of now: a new release of the same image, which
   * takes over once it is healthy. Commits take it up at their next start.
   */
  apply(project: Project, by: string): Promise<readonly Applied[]>;
  /** Whether a passing failure kept a route from it the last time, so that it should be tried again. */
  isBehind(project: Project): boolean;
}

export function createConfigure(deps: ConfigureDeps): Configure {
  const { sources, settings, routes, releases, ledger, engine, instances, readConfig, serveRelease, noteFailure, log } = deps;
  const turns = createTurns<Project['name']>();
  const behind = new Set<Project['name']>();

  /** What starts reads its configuration before: its turn comes after that. */
  const runs = ({ id }: Route) => instances.present().some((release) => release.route === id && ['running', 'starting'].includes(instances.state(release) ?? ''));
  const takesUp = (route: Route, { stages, environments }: Project): boolean =>
    (route.kind === 'stage' ? stages.has(route.subject) : route.kind === 'branch' && isKnown(route.environment, environments) && runs(route));

  /** The release with the configuration of now; undefined when the route took that up already. */
  const next = async (project: Project, route: Route, by: string): Promise<Release | undefined> => {
    const now = await routes.find(route.id);
    const current = now && await ledger.current(now);
    const configured = await readConfig(project, scopeOf(route));
    if (!current || now.configHash === hashConfig(configured.config)) return undefined;
    const { commit, key, image, build } = current;
    if (await engine.image(image) === undefined) throw imageGone(current);
    return ledger.ensure({ route, commit, key, image, build, ...configured, by, reason: 'config' });
  };

  const applyTo = async (project: Project, route: Route, by: string): Promise<Applied | undefined> => {
    let release: Release | undefined;
    try {
      const first = await next(project, route, by);
      if (!first) return undefined;
      release = first;
      instances.forgive(first);
      const branch = branchOfRelease(sources, { route, release: first });
      // A change that came in between counts: its turn asks again.
      await serveRelease.serve({ project, route, branch }, async () => (release = await next(project, route, by) ?? await served(route) ?? first));
      return { route, release, error: null };
    } catch (thrown) {
      const { code, message, details: { lastLines } } = toAppError(thrown);
      log.warn('configuration not taken up', { project: project.name, route: route.label, code, reason: message });
      await noteFailure(route.id, { thrown, release: release?.number ?? null });
      return { route, release, error: { code, message, ...(lastLines ? { lastLines } : {}) } };
    }
  };

  const served = async (route: Route): Promise<Release | undefined> => {
    const number = (await routes.find(route.id))?.current ?? null;
    return number === null ? undefined : releases.find(route.project, number);
  };

  /** A branch that sleeps is to come back with what holds then. */
  const stopSleeping = async (project: Project): Promise<void> => {
    const asleep = instances.living().filter(({ release }) => release.project === project.name && instances.state(release) === 'sleeping');
    await Promise.all(asleep.map(async ({ release }) => {
      const route = await routes.find(release.route);
      if (route?.kind !== 'branch' || !isKnown(route.environment, project.environments)) return;
      if (route.configHash !== hashConfig((await readConfig(project, scopeOf(route))).config)) await instances.stop(release);
    }));
  };

  const apply: Configure['apply'] = async (project, by) => {
    const wanted = (await routes.list(project.name)).filter((route) => route.current !== null && takesUp(route, project));
    await stopSleeping(project);
    const applied = await Promise.all(wanted.map((route) => applyTo(project, route, by)));
    const all = applied.filter((each) => each !== undefined);
    if (all.some(({ error }) => error && isPassing(error.code))) behind.add(project.name);
    else behind.delete(project.name);
    return all;
  };

  return {
    isBehind: ({ name }) => behind.has(name),
    apply: (project, by) => turns.take(project.name, () => apply(project, by)),
    change: async ({ project, scope, by }, changes) => {
      for (const change of changes) assertSettable(change, Object.keys(project.recipe.args));
      return turns.take(project.name, async () => {
        if (!await settings.change({ project: project.name, scope, by }, changes)) return { changed: false, applied: [] };
        log.info('configuration changed', { project: project.name, names: changes.map(({ name }) => name), by });
        return { changed: true, applied: await apply(project, by) };
      });
    },
  };
}

const isKnown = (environment: EnvironmentName | null, environments: Project['environments']): boolean => environment === null || environments.has(environment);
