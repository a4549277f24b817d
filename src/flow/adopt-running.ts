import { hasHost, type Project } from '../domain/project.js';
import type { Release, Route } from '../domain/release.js';
import { isSamePlace } from '../domain/target.js';
import type { Urls } from '../domain/urls.js';
import type { ContainerEngine, EngineContainer } from '../engine/port.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import type { Instances, RunningInstance } from '../run/instances.js';
import type { RunLogs } from '../run/logs.js';
import type { Probe } from '../run/probe.js';
import type { RoutingTable } from '../serve/routing.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';
import { mayRun } from './find-image-preview.js';
import type { OpenPreview } from './open-preview.js';

export interface AdoptRunningDeps {
  readonly projects: readonly Project[];
  readonly engine: Pick<ContainerEngine, 'list' | 'remove' | 'image' | 'removeOtherNetworks'>;
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

/**
 * Compares memory with the engine. What an earlier run of this server left is taken over: a container that serves its
 * route's current release, has its host still and answers goes on serving it; any other of ours is removed, its log kept.
 * Instances of this run are given up when their container does not run any more or has another address. Networks of
 * projects that are not configured any more go, once.
 */
export function createAdoptRunning(deps: AdoptRunningDeps): () => Promise<void> {
  const { projects, engine, instances, routes, releases, routing, urls, clock, log } = deps;

  const answers = async ({ target }: RunningContainer, host: string): Promise<boolean> => {
    const late = new AbortController();
    const over = new AbortController();
    const limit = clock.sleep(ANSWER_WITHIN_MS, over.signal).then(() => { late.abort(); });
    const result = await deps.probe({ target, host: urls.authority(host) }, late.signal);
    over.abort();
    await limit;
    // One that is only slow was ready before: what it is busy with must not be cut off.
    return result.kind === 'answer' || late.signal.aborted;
  };

  const adopt = async (container: EngineContainer): Promise<boolean> => {
    const release = await releases.find(container.project, container.release);
    const route = release && await routes.find(release.route);
    const project = projects.find(({ name }) => name === container.project);
    if (!release || !project || route?.current !== release.number || !isRunning(container)) return false;
    if (container.image !== release.image || container.commit !== release.commit) return false;
    // The configuration may have changed between two starts.
    if (!hasHost(project, route)) return false;
    if (route.kind === 'image' && !mayRun(route, { project, labels: (await engine.image(release.image))?.labels ?? {} })) return false;
    const hosts = deps.openPreview.hostsOf({ project, label: route.label });
    if (!await answers(container, hosts[0] ?? urls.serverHost)) return false;
    // A visitor may have started another one meanwhile, which took this one's place.
    if (instances.state({ project: release.project, number: release.number }) === undefined) await takeOver(release, { container, route, hosts });
    return true;
  };

  const takeOver = async (release: Release, { container, route, hosts }: { container: RunningContainer; route: Route; hosts: readonly string[] }) => {
    instances.adopt(release, container);
    const { project, commit, number } = release;
    const idleMs = Math.max(0, clock.now() - (route.lastAccessAt ?? clock.now()));
    routing.put(hosts, { project, route: route.id, commit, release: number, container: container.id, target: container.target }, idleMs);
    if (route.lastError) await routes.setLastError(route.id, null);
    log.info('instance adopted', { project, release: number });
  };

  const settle = async (container: EngineContainer) => {
    const name = { project: container.project, number: container.release };
    if (instances.state(name) !== undefined) return;
    if (await adopt(container)) return;
    await deps.logs.keep(name, container.id);
    await engine.remove(container.id);
    log.info('left-over container removed', { project: container.project, release: container.release });
  };

  const giveUp = async ({ container, target }: RunningInstance, found: EngineContainer | undefined) => {
    if (found && isRunning(found) && isSamePlace(found.target, target)) return;
    const exit = found?.exit;
    await instances.lost(container, !exit || (!exit.outOfMemory && ENDED_FROM_OUTSIDE.has(exit.code)));
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
    const before = instances.running();
    const containers = await engine.list();
    const lost = before.map((instance) => giveUp(instance, containers.find(({ id }) => id === instance.container)));
    const results = await Promise.allSettled([...lost, ...containers.map(settle)]);
    for (const result of results) if (result.status === 'rejected') log.error('container not settled', { error: result.reason });
    // After the containers that were on them.
    await settleNetworks().catch((error: unknown) => { log.warn('networks not settled', { error }); });
  };
}

const isRunning = (container: EngineContainer): container is RunningContainer => container.running && container.target !== null;
