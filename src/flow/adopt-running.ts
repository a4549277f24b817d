import { hasHost, type Project } from '../domain/project.js';
import type { Release, Route } from '../domain/release.js';
import { isSamePlace } from '../domain/target.js';
import type { Urls } from '../domain/urls.js';
import type { ContainerEngine, EngineContainer } from '../engine/port.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { settleAll } from '../kernel/settle-all.js';
import { membersOf, type FoundSet } from '../run/instance.js';
import type { Instances, RunningInstance } from '../run/instances.js';
import type { RunLogs } from '../run/logs.js';
import type { Probe } from '../run/probe.js';
import type { RoutingTable } from '../serve/routing.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';
import { mayRun } from './find-image-preview.js';
import type { OpenPreview } from './open-preview.js';
import { settlePause } from './settle-pause.js';

export interface AdoptRunningDeps {
  readonly projects: readonly Project[];
  readonly engine: Pick<ContainerEngine, 'list' | 'remove' | 'image' | 'inspect' | 'resume' | 'removeLeftOnce' | 'removeOtherNetworks'>;
  readonly instances: Instances;
  readonly logs: Pick<RunLogs, 'keep'>;
  readonly probe: Probe;
  readonly routes: RouteStore;
  readonly releases: ReleaseStore;
  readonly routing: RoutingTable;
  readonly openPreview: Pick<OpenPreview, 'hostsOf'>;
  readonly urls: Urls;
  readonly clock: Clock;
  readonly log: Logger;
}

const ANSWER_WITHIN_MS = 2_000;
/** What a program leaves that an engine ended, with or without its own leave: no fault of the application. */
const ENDED_FROM_OUTSIDE: ReadonlySet<number> = new Set([0, 137, 143, 255]);

type RunningContainer = EngineContainer & { readonly target: NonNullable<EngineContainer['target']> };
/** What was found of one release: never none. */
type FoundContainers = readonly [EngineContainer, ...EngineContainer[]];

/**
 * Compares memory with the engine. What an earlier run of this server left is taken over: the whole set of containers that
 * serves its route's current release, has its host still and answers goes on serving it; any others of ours are removed,
 * their logs kept. Instances of this run are given up when a container of theirs does not run any more or has another
 * address. One-offs that nobody waits for any more go, and networks of projects that are not configured any more, once.
 */
export function createAdoptRunning(deps: AdoptRunningDeps): () => Promise<void> {
  const { projects, engine, instances, routes, releases, routing, urls, clock, log } = deps;

  const answers = async ({ target }: RunningContainer, { config }: Release, host: string): Promise<boolean> => {
    const late = new AbortController();
    const over = new AbortController();
    // Who ends the sleep has an answer, and is not late.
    const limit = clock.sleep(ANSWER_WITHIN_MS, over.signal).then(() => { if (!over.signal.aborted) late.abort(); });
    const result = await deps.probe({ target, host, test: config.health?.test }, late.signal);
    over.abort();
    await limit;
    // One that is only slow was ready before: what it is busy with must not be cut off. Whether the answer is a good one is looked at later.
    return result.kind !== 'silence' || late.signal.aborted;
  };

  const adopt = async (found: FoundContainers): Promise<boolean> => {
    const [{ project: name, release: number }] = found;
    const release = await releases.find(name, number);
    const route = release && await routes.find(release.route);
    const project = projects.find((each) => each.name === name);
    const set = release && wholeSet(release, found);
    if (!project || route?.current !== number || !set) return false;
    // The configuration may have changed between two starts.
    if (!hasHost(project, route)) return false;
    if (route.kind === 'image' && !mayRun(route, { project, labels: (await engine.image(release.image))?.labels ?? {} })) return false;
    const hosts = deps.openPreview.hostsOf({ project, label: route.label });
    const host = urls.authority(hosts[0] ?? urls.serverHost);
    await settleAll(found.filter(({ paused }) => paused).map(({ id }) => engine.resume(id)));
    if (!await answers(set.web, release, host)) return false;
    // A visitor may have started another one meanwhile, which took this one's place.
    if (instances.state(release) === undefined) await takeOver(release, { found: { ...set, host }, route, hosts });
    return true;
  };

  const takeOver = async (release: Release, { found, route, hosts }: { found: FoundSet; route: Route; hosts: readonly string[] }) => {
    const { project, commit, number } = release;
    instances.adopt(release, found);
    const idleMs = Math.max(0, clock.now() - (route.lastAccessAt ?? clock.now()));
    routing.put(hosts, { project, route: route.id, commit, release: number, container: found.web.id, target: found.web.target }, idleMs);
    // Why a later one did not take over stays to be seen.
    if (route.lastError && (await releases.latestOfRoute(route.id))?.number === number) await routes.setLastError(route.id, null);
    log.info('instance adopted', { project, release: number });
  };

  const settle = async (found: FoundContainers) => {
    const [{ project, release: number }] = found;
    if (instances.state({ project, number }) !== undefined) return;
    if (await adopt(found)) return;
    await settleAll(found.map(async (each) => {
      await deps.logs.keep({ project, number, process: each.process }, each.id);
      await engine.remove(each.id);
      log.info('left-over container removed', { project, release: number, ...(each.process === null ? {} : { process: each.process }) });
    }));
  };

  const giveUp = async (instance: RunningInstance, containers: readonly EngineContainer[]) => {
    for (const member of membersOf(instance)) {
      const found = containers.find(({ id }) => id === member.container);
      if (found && isRunning(found) && (member.process !== null || isSamePlace(found.target, instance.target))) {
        if (found.paused !== (instances.state(instance.release) === 'sleeping')) await settlePause(instance, { engine, instances });
        continue;
      }
      const exit = found?.exit;
      await instances.lost(member.container, !exit || (!exit.outOfMemory && ENDED_FROM_OUTSIDE.has(exit.code)));
      return;
    }
  };

  let networksSettled = false;
  const settleNetworks = async () => {
    if (networksSettled) return;
    const removed = await engine.removeOtherNetworks(projects.map(({ name }) => name));
    networksSettled = true;
    for (const project of removed) log.info('network of a project that is not configured any more removed', { project });
  };

  return async () => {
    // Those that start while the engine is asked are not in its answer.
    const before = instances.living();
    const containers = await engine.list();
    const lost = before.map((instance) => giveUp(instance, containers));
    const results = await Promise.allSettled([...lost, ...groupsOf(containers).map(settle)]);
    for (const result of results) if (result.status === 'rejected') log.error('container not settled', { error: result.reason });
    const left = await engine.removeLeftOnce().catch((error: unknown) => { log.warn('left-over one-offs not removed', { error }); return 0; });
    if (left > 0) log.info('left-over one-offs removed', { count: left });
    // After the containers that were on them.
    await settleNetworks().catch((error: unknown) => { log.warn('networks not settled', { error }); });
  };
}

const isRunning = (container: EngineContainer): container is RunningContainer => container.running && container.target !== null;

/** The containers of each release. */
function groupsOf(containers: readonly EngineContainer[]): readonly FoundContainers[] {
  const groups = new Map<string, [EngineContainer, ...EngineContainer[]]>();
  for (const container of containers) {
    const name = `${container.project}/${container.release}`;
    const group = groups.get(name);
    if (group) group.push(container);
    else groups.set(name, [container]);
  }
  return [...groups.values()];
}

/** What was found of a release, when every one of its processes runs, of its own image, and nothing else is there. */
function wholeSet({ image, commit, config }: Release, found: FoundContainers): Omit<FoundSet, 'host'> | undefined {
  const web = found.find((each) => each.process === null);
  const beside = found.filter((each) => each.process !== null);
  const names = Object.keys(config.processes ?? {});
  const isWhole = beside.length === names.length && names.every((name) => beside.some((each) => each.process === name));
  const areOwn = found.every((each) => isRunning(each) && each.image === image && each.commit === commit);
  return web && isRunning(web) && isWhole && areOwn ? { web, beside } : undefined;
}
