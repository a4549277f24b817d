import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Config } from './config.js';
import { createHostReader } from './domain/hosts.js';
import { createUrls } from './domain/urls.js';
import type { ProjectName } from './domain/ids.js';
import type { ContainerEngine } from './engine/port.js';
import { createBuildLogs } from './build/log.js';
import { createBuilds } from './build/builds.js';
import { createAdoptRunning } from './flow/adopt-running.js';
import { createFindImage } from './flow/find-image.js';
import { createFindPreview } from './flow/find-preview.js';
import { createFollowBranches } from './flow/follow-branches.js';
import { createHousekeeping } from './flow/housekeeping.js';
import { createOpenPreview } from './flow/open-preview.js';
import { createReadStatus } from './flow/preview-status.js';
import { createRenewPreview } from './flow/renew-preview.js';
import { createVisitPreview } from './flow/visit-preview.js';
import type { Clock } from './kernel/clock.js';
import { createEventStreams } from './kernel/event-stream.js';
import type { ApplicationLog } from './kernel/log.js';
import type { Part } from './kernel/part.js';
import { createTemplates } from './kernel/templates.js';
import { createLedger } from './release/ledger.js';
import { createIdle } from './run/idle.js';
import { createInstances } from './run/instances.js';
import { createRunLogs } from './run/logs.js';
import { probeHttp } from './run/probe.js';
import { createAnswers } from './serve/answers.js';
import { createForward } from './serve/forward.js';
import { createHold } from './serve/hold.js';
import { createPreviewPeers, type HostInterface } from './serve/preview-peers.js';
import { createRoutingTable } from './serve/routing.js';
import { createServer } from './serve/server.js';
import { createSource, type Source } from './source/source.js';
import { createBuildStore } from './state/builds.js';
import type { Database } from './state/database.js';
import type { ServerIdentity } from './state/identity.js';
import { createImageStore } from './state/images.js';
import { createReleaseStore } from './state/releases.js';
import { createRouteStore } from './state/routes.js';
import { createSessionRecords } from './state/sessions.js';
import { createSourceKeyStore } from './state/source-keys.js';
import { createDoor } from './web/door.js';
import { createSession } from './web/session.js';
import { createWeb } from './web/web.js';

export interface AppDeps {
  readonly config: Config;
  readonly identity: ServerIdentity;
  readonly database: Database;
  readonly engine: ContainerEngine;
  readonly clock: Clock;
  readonly log: ApplicationLog;
  /** The folder of the page templates. */
  readonly views: string;
  /** Addresses of the projects' networks, whose containers may not use the control plane. */
  readonly networkPool: string;
}

export interface App extends Part {
  /** The server's own URL. Only after `start`. */
  url(): string;
}

const FETCH_TIMEOUT_MS = 60_000;
const DRAIN_MS = 30_000;
const SHUTDOWN_DRAIN_MS = 10_000;
const MOST_HELD = 5_000;
const TIMEOUTS = { connectMs: 3_000, responseMs: 120_000, idleMs: 600_000, upgradedIdleMs: 3_600_000 };

/** The only place where parts are made and joined; they start in order and stop in the reverse one. */
export function createApp(deps: AppDeps): App {
  const { config, identity, database, engine, clock, log } = deps;
  const { settings, stateDir, projects, surroundings } = config;
  const stores = createStores(deps);
  const urls = createUrls(() => new URL(settings.url ?? `http://localhost:${server.port()}`));
  const serverHost = new URL(settings.url ?? 'http://localhost').hostname;
  const hosts = createHostReader({ serverHost, projects });
  const templates = createTemplates({ folder: deps.views });
  const streams = createEventStreams({ clock });

  const sources = new Map<ProjectName, Source>(projects.map(({ name, repository }) => [name, createSource({
    project: name, repository, folder: join(stateDir, 'mirrors'), path: surroundings.path, clock, log, fetchTimeoutMs: FETCH_TIMEOUT_MS,
  })]));
  const buildLogs = createBuildLogs({ folder: join(stateDir, 'logs', 'builds'), clock });
  const { builds: limits } = settings;
  const builds = createBuilds({
    engine, store: stores.buildStore, images: stores.images, logs: buildLogs, clock, log,
    limits: { concurrency: limits.concurrency, perMinute: limits.perMinute, queue: limits.queue, timeoutMs: limits.timeout, silenceMs: limits.silence },
  });
  const ledger = createLedger(stores);
  const runLogs = createRunLogs({ folder: join(stateDir, 'logs', 'releases'), engine, log });
  const instances = createInstances({ engine, probe: probeHttp, logs: runLogs, clock, log });
  const routing = createRoutingTable({ clock });
  const idle = createIdle({ instances, traffic: routing, clock, log, stopAfterMs: new Map(projects.map(({ name, idleStopMs }) => [name, idleStopMs])) });

  const findPreview = createFindPreview({ sources, ...stores });
  const findImage = createFindImage({ sources, keys: stores.keys, builds, log });
  const openPreview = createOpenPreview({ findImage, engine, ...stores, ledger, instances, routing, hosts, urls, clock, log, drainMs: DRAIN_MS });
  const readStatus = createReadStatus({ ...stores, ledger, builds, instances, findImage, openPreview });
  const renewPreview = createRenewPreview({ findImage, instances, routing, openPreview, clock, log, drainMs: DRAIN_MS });
  const visits = createVisitPreview({ findPreview, openPreview, readStatus, builds, instances, buildLogs, sources, urls, clock });
  const adoptRunning = createAdoptRunning({ projects, engine, instances, logs: runLogs, probe: probeHttp, ...stores, routing, openPreview, urls, clock, log });
  const followBranches = createFollowBranches({ projects, sources, ...stores, instances, openPreview, clock, log });

  const answers = createAnswers({ templates, homeUrl: () => urls.at(serverHost), log });
  const forward = createForward({
    log, timeouts: TIMEOUTS,
    onFailure: (error, req, res) => { answers.failure({ req, res, page: wantsHtml(req.headers.accept) }, error); },
    onUpgradeFailure: (error, _req, socket) => { answers.upgradeFailure(error, socket); },
  });
  const hold = createHold({
    visits, answers, streams, clock, limits: { navigationMs: settings.hold.navigation, requestMs: settings.hold.request, most: MOST_HELD },
    urlOf: (label, projectHost, path) => urls.at(`${label}.${projectHost}`, path),
  });
  const door = createDoor({ token: identity.token, urls });
  const web = createWeb({
    projects, sources, hosts, urls, findPreview, openPreview, readStatus, renewPreview, builds, buildLogs, instances, runLogs, ...stores,
    engine, templates, streams, door, clock, log, assets: join(deps.views, 'assets'),
    session: createSession({ records: stores.sessions, secret: identity.sessionSecret, clock, secure: () => urls.secure }),
  });
  const server = createServer({
    listen: { address: settings.listen, port: settings.port }, routing, forward, hold, answers, hosts, urls, control: web,
    isPreviewPeer: createPreviewPeers({ networkPool: deps.networkPool, interfaces: hostInterfaces, monotonic: clock.monotonic }), clock, log, drainMs: SHUTDOWN_DRAIN_MS,
  });
  const housekeeping = createHousekeeping({ projects, ...stores, adoptRunning, builds, findImage, instances, routing, forward, clock, log });

  const parts: Part[] = [
    part({ stop: database.close }), ...sources.values(), followBranches, builds, part({ stop: instances.close }), part({ stop: forward.close }),
    housekeeping, server, part({ stop: hold.close }), idle, part({ stop: streams.close }),
  ];
  let started: Part[] = [];
  return {
    url: () => urls.at(serverHost, ''),
    start: async () => {
      for (const each of parts) {
        started.push(each);
        await each.start();
      }
    },
    stop: async () => {
      const ending = started.toReversed();
      started = [];
      const faults: unknown[] = [];
      for (const each of ending) await each.stop().catch((error: unknown) => { faults.push(error); });
      if (faults.length > 0) throw faults[0];
    },
  };
}

function createStores({ database: { db }, clock }: AppDeps) {
  return {
    buildStore: createBuildStore({ db, clock }), images: createImageStore({ db, clock }), routes: createRouteStore({ db, clock }),
    releases: createReleaseStore({ db, clock }), keys: createSourceKeyStore({ db }), sessions: createSessionRecords({ db, clock }),
  };
}

/** Something that only needs to be ended. */
function part({ stop }: { stop: () => void | Promise<void> }): Part {
  return { start: () => Promise.resolve(), stop: async () => { await stop(); } };
}

const wantsHtml = (accept: string | undefined): boolean => /\btext\/html\b/i.test(accept ?? '');

/** The bridges of this machine are its engine's. */
const hostInterfaces = (): HostInterface[] => Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
  addresses.flatMap(({ cidr }) => (cidr === null ? [] : [{ name, cidr }])));
