import { join } from 'node:path';
import type { Config } from './config.js';
import { createHostReader } from './domain/hosts.js';
import { CONTROL_PREFIX, createUrls } from './domain/urls.js';
import type { ProjectName } from './domain/ids.js';
import type { ContainerEngine } from './engine/port.js';
import { createBuildLogs } from './build/log.js';
import { createBuilds } from './build/builds.js';
import { createAdoptRunning } from './flow/adopt-running.js';
import { createCheckContainer } from './flow/check-container.js';
import { createConfigure } from './flow/configure.js';
import { createDeleteImagePreview } from './flow/delete-image-preview.js';
import { createDiffBuilds } from './flow/diff-builds.js';
import { createFindImage } from './flow/find-image.js';
import { createFindPreview } from './flow/find-preview.js';
import { createFindProject } from './flow/find-project.js';
import { createFollowBranches } from './flow/follow-branches.js';
import { createHousekeeping } from './flow/housekeeping.js';
import { createImageKeeping } from './flow/image-keeping.js';
import { createKeepBranches } from './flow/keep-branches.js';
import { createKeepHealthy } from './flow/keep-healthy.js';
import { createKeepStages } from './flow/keep-stages.js';
import { createMoveRoute } from './flow/move-route.js';
import { createNoteFailure } from './flow/note-failure.js';
import { createOpenPreview } from './flow/open-preview.js';
import { createOperatePreviews } from './flow/operate-previews.js';
import { createReadStatus } from './flow/preview-status.js';
import { createPublishBranches } from './flow/publish-branches.js';
import { createReadConfig } from './flow/read-config.js';
import { createRenewPreview } from './flow/renew-preview.js';
import { createRest } from './flow/rest.js';
import { createRetireBranches } from './flow/retire-branches.js';
import { createRunOnce } from './flow/run-once.js';
import { createReadServerFacts } from './flow/server-facts.js';
import { createRollBack } from './flow/roll-back.js';
import { createServeRelease } from './flow/serve-release.js';
import { createStages } from './flow/stages.js';
import { createUpdateProject } from './flow/update-project.js';
import { createVisitPreview } from './flow/visit-preview.js';
import { createWatchEngine } from './flow/watch-engine.js';
import { createWatchStatus } from './flow/watch-status.js';
import type { Clock } from './kernel/clock.js';
import { createEventStreams } from './kernel/event-stream.js';
import { createLimit } from './kernel/limit.js';
import { createFailureBook } from './kernel/failure-book.js';
import type { ApplicationLog } from './kernel/log.js';
import { createLoopBook } from './kernel/loop-book.js';
import { createMachine } from './kernel/machine.js';
import { part, together, type Part } from './kernel/part.js';
import type { Runtime } from './kernel/runtime.js';
import { createTemplates } from './kernel/templates.js';
import { createLedger } from './release/ledger.js';
import { createHealth } from './run/health.js';
import { createInstances } from './run/instances.js';
import { createRunLogs } from './run/logs.js';
import { probeTarget } from './run/probe.js';
import { createAnswers } from './serve/answers.js';
import { createCallers } from './serve/callers.js';
import { createForward, TIMEOUTS, type ForwardTimeouts } from './serve/forward.js';
import { createHold } from './serve/hold.js';
import { LISTENER_LIMITS, type ListenerLimits } from './serve/listener.js';
import { createPreviewPeers, listInterfaces } from './serve/preview-peers.js';
import { createRoutingTable } from './serve/routing.js';
import { createSecondChance } from './serve/second-chance.js';
import { createServer } from './serve/server.js';
import { createSharedHost } from './serve/shared-host.js';
import { createTrustedProxies } from './serve/trusted-proxies.js';
import { createIgnoreRules } from './source/ignore-rules.js';
import { createSource, type Source } from './source/source.js';
import type { Database } from './state/database.js';
import type { ServerIdentity } from './state/identity.js';
import { MOST_SESSIONS } from './state/sessions.js';
import { createStores } from './state/stores.js';
import { createChooser, createReadChoice } from './web/choice.js';
import { createDoor } from './web/door.js';
import { prefixTemplates } from './web/prefix.js';
import { createSession } from './web/session.js';
import { createWeb, type WebOptions } from './web/web.js';

export interface AppDeps {
  readonly config: Config;
  readonly identity: ServerIdentity;
  /** What secrets in the records are encrypted with; 64 hex digits. */
  readonly secretsKey: string;
  readonly database: Database;
  readonly engine: ContainerEngine;
  readonly clock: Clock;
  readonly log: ApplicationLog;
  /** The folder of the page templates. */
  readonly views: string;
  /** The process, for what it says of itself. */
  readonly runtime: Runtime;
  /** Addresses of the projects' networks, whose containers may not use the control plane. */
  readonly networkPool: string;
  /** How long applications may take, where it differs from what is usual. */
  readonly timeouts?: Partial<ForwardTimeouts>;
  /** The same of clients. */
  readonly listener?: Partial<ListenerLimits>;
  /** How long unknown names wait between two fetches, in milliseconds, where it differs. */
  readonly unknownPauseMs?: number;
}

export interface App extends Part {
  /** The server's own URL. Only after `start`. */
  url(): string;
}

/** Of all projects: at a start every one of them wants to. */
const FETCHES_AT_ONCE = 8;
const FETCH_TIMEOUT_MS = 60_000;
const DRAIN_MS = 30_000;
const DELETED_BRANCH_GRACE_MS = 10 * 60_000;
const SHUTDOWN_DRAIN_MS = 10_000;
const MOST_HELD = 5_000;
const MOST_HELD_BYTES = 128 * 1024 ** 2;

/** The only place where parts are made and joined; they start in order and stop in the reverse one. */
export function createApp(deps: AppDeps): App {
  const { config, identity, database, engine, clock, log } = deps;
  const { settings, stateDir, projects, surroundings } = config;
  const stores = createStores({ db: database.db, clock, secretsKey: deps.secretsKey });
  const urls = createUrls(() => new URL(settings.url ?? `http://localhost:${server.port()}`), settings.routing);
  const isShared = settings.routing === 'session';
  const serverHost = new URL(settings.url ?? 'http://localhost').hostname;
  const hosts = createHostReader({ serverHost, projects });
  const templates = createTemplates({ folder: deps.views });
  const streams = createEventStreams({ clock, addressOf: (req) => callers.addressOf(req) });
  const loops = createLoopBook({ clock });
  const failures = createFailureBook({ file: join(stateDir, 'failures.json'), runtime: deps.runtime, clock, log });
  const machine = createMachine({ runtime: deps.runtime, folder: stateDir, clock, log, loops });

  const ignore = createIgnoreRules(clock);
  const fetchTurn = createLimit(FETCHES_AT_ONCE);
  const sources = new Map<ProjectName, Source>(projects.map(({ name, repository, git }) => [name, createSource({
    project: name, repository, credentials: git, folder: join(stateDir, 'mirrors'), path: surroundings.path, clock, log, fetchTimeoutMs: FETCH_TIMEOUT_MS, turn: fetchTurn, ignore, loops, unknownPauseMs: deps.unknownPauseMs,
  })]));
  const buildLogs = createBuildLogs({ folder: join(stateDir, 'logs', 'builds'), clock });
  const { builds: limits } = settings;
  const builds = createBuilds({
    engine, store: stores.buildStore, images: stores.images, logs: buildLogs, clock, log,
    limits: { concurrency: limits.concurrency, perMinute: limits.perMinute, queue: limits.queue, timeoutMs: limits.timeout, silenceMs: limits.silence },
  });
  const ledger = createLedger(stores);
  const runLogs = createRunLogs({ folder: join(stateDir, 'logs', 'releases'), engine, ...stores, log });
  const instances = createInstances({ engine, probe: probeTarget, logs: runLogs, clock, log });
  const routing = createRoutingTable({ clock });
  const health = createHealth({ instances, probe: probeTarget, clock, log, loops });
  const { idle, room } = createRest({ projects, ...stores, instances, traffic: routing, most: settings.limits.running, clock, log, loops });

  const findPreview = createFindPreview({ sources, ...stores });
  const findProject = createFindProject({ projects, sources, ...stores, clock });
  const findImage = createFindImage({ sources, keys: stores.keys, builds, log });
  const readConfig = createReadConfig(stores);
  const serveRelease = createServeRelease({ ...stores, ledger, instances, routing, room, hosts, urls, clock, log, drainMs: DRAIN_MS });
  const noteFailure = createNoteFailure({ ...stores, clock });
  const openPreview = createOpenPreview({ findImage, readConfig, serveRelease, noteFailure, engine, ...stores, ledger, instances, clock, log });
  const moveRoute = createMoveRoute({ sources, engine, routes: stores.routes, instances, serveRelease, noteFailure, clock, log });
  const stages = createStages({ ...stores, ledger, engine, findImage, instances, readConfig, moveRoute });
  const rollBack = createRollBack({ ...stores, ledger, engine, findImage, moveRoute });
  const configure = createConfigure({ sources, ...stores, ledger, engine, instances, readConfig, serveRelease, noteFailure, log });
  const keepHealthy = createKeepHealthy({ projects, sources, health, instances, ...stores, routing, serveRelease, noteFailure, clock, log });
  const keepStages = createKeepStages({ projects, ...stores, instances, findPreview, openPreview, configure, clock, log, loops });
  const keepBranches = createKeepBranches({ projects, sources, ...stores, instances, engine, openPreview, serveRelease, clock, log, loops });
  const publishBranches = createPublishBranches({ projects, sources, ledger, findImage, stages, clock, log, loops });
  const readStatus = createReadStatus({ ...stores, ledger, builds, instances, findImage, openPreview });
  const watchStatus = createWatchStatus({ readStatus, builds, instances, openPreview });
  const renewPreview = createRenewPreview({ ...stores, findImage, instances, routing, openPreview, clock, log, drainMs: DRAIN_MS });
  const operatePreviews = createOperatePreviews({ sources, ...stores, instances, routing, findPreview, readStatus, renewPreview, log });
  const updateProject = createUpdateProject({ sources, findImage, renewPreview, clock, log });
  const visits = createVisitPreview({ findPreview, findProject, hosts, openPreview, readStatus, watchStatus, buildLogs, sources, urls, clock });
  const adoptRunning = createAdoptRunning({ projects, engine, instances, logs: runLogs, probe: probeTarget, ...stores, routing, openPreview, urls, clock, log });
  const followBranches = createFollowBranches({ projects, sources, ...stores, instances, openPreview, clock, log, loops });
  const retireBranches = createRetireBranches({ sources, ...stores, instances, routing, clock, log, loops, graceMs: DELETED_BRANCH_GRACE_MS, drainMs: DRAIN_MS });

  const callers = createCallers({ trusts: createTrustedProxies({ proxies: config.trustedProxies, networkPool: deps.networkPool }), secure: () => urls.secure });
  const answers = createAnswers({ templates, homeUrl: () => urls.control(serverHost), callers, log });
  const checks = createCheckContainer({ engine, instances, clock, log });
  const secondChance = createSecondChance({ checks });
  const forward = createForward({
    log, timeouts: { ...TIMEOUTS, ...deps.timeouts }, token: identity.token,
    onFailure: (error, failed) => {
      const { req, res, to } = failed;
      const answer = () => { answers.failure({ ...failed, page: wantsHtml(req.headers.accept) }, error); };
      secondChance(error, { req, container: to.container, answer, again: () => { server.again(req, res); } });
    },
    onUpgradeFailure: (error, { req, socket, head, to, requestId }) => {
      const answer = () => { answers.upgradeFailure(error, socket, requestId); };
      secondChance(error, { req, container: to.container, answer, again: () => { server.upgradeAgain(req, socket, head); } });
    },
  });
  const hold = createHold({
    visits, answers, streams, clock, limits: { navigationMs: settings.hold.navigation, requestMs: settings.hold.request, most: MOST_HELD, mostBytes: MOST_HELD_BYTES },
    urlOf: urls.preview,
  });
  const { listImages, removeImage, keepBuilds, collect } = createImageKeeping({ projects, machine, engine, ...stores, builds, instances, routing, sources, serveRelease, room, limits: settings.limits, clock, log, loops });
  const deleteImagePreview = createDeleteImagePreview({ ...stores, builds, instances, routing, engine, removeImage, log });
  const diffBuilds = createDiffBuilds({ engine, ...stores, clock });
  const runOnce = createRunOnce({ engine, ...stores, sources, serveRelease, urls, clock, log });
  const listener = { ...LISTENER_LIMITS, ...deps.listener };
  const readServerFacts = createReadServerFacts({
    machine, engine, loops, failures, ...stores, builds, room, hold, routing, streams, sources, clock, connections: () => server.connections(),
    limits: { queue: limits, held: MOST_HELD, sessions: MOST_SESSIONS, connections: listener.connections, running: settings.limits.running },
  });
  const door = createDoor({ token: identity.token, urls });
  const session = createSession({ records: stores.sessions, secret: identity.sessionSecret, clock, secure: () => urls.secure });
  const webDeps: WebOptions = {
    projects, sources, hosts, urls, findPreview, findProject, openPreview, readStatus, watchStatus, renewPreview, operatePreviews, updateProject, findImage, builds, buildLogs, instances, runLogs, ...stores, stages, rollBack, configure,
    listImages, removeImage, collect, idle, room, routing, deleteImagePreview, readServerFacts, diffBuilds, runOnce, engine, templates: isShared ? prefixTemplates(templates, CONTROL_PREFIX) : templates, streams, door, clock, log, assets: join(deps.views, 'assets'),
    session,
  };
  const web = createWeb(webDeps);
  const chooser = createChooser(webDeps);
  const shared = isShared ? createSharedHost({ hosts, readChoice: createReadChoice(session) }) : undefined;
  const server = createServer({
    listen: { address: settings.listen, port: settings.port }, routing, forward, hold, answers, hosts, urls, callers, checks, shared,
    control: (req, res) => { (shared?.chooses(req) ? chooser : web)(req, res); },
    isPreviewPeer: createPreviewPeers({ networkPool: deps.networkPool, interfaces: listInterfaces, monotonic: clock.monotonic }), clock, log, drainMs: SHUTDOWN_DRAIN_MS, limits: listener,
  });
  const housekeeping = createHousekeeping({ projects, ...stores, adoptRunning, builds, findImage, instances, routing, forward, clock, log, loops });
  const watchEngine = createWatchEngine({ projects, ...stores, engine, instances, adoptRunning, clock, log, loops });

  const parts: Part[] = [
    failures, machine, part({ stop: database.close }), part({ start: ignore.warm, stop: ignore.close }), together([...sources.values()]), updateProject, followBranches, keepHealthy, part({ stop: keepStages.stop }), part({ stop: keepBranches.stop }), part({ stop: publishBranches.stop }), builds, part({ stop: instances.close }), part({ stop: forward.close }),
    housekeeping, health, watchEngine, keepBuilds, begun(keepStages), begun(keepBranches), begun(publishBranches), server, part({ stop: hold.close }), idle, collect, retireBranches, part({ stop: streams.close }), part({ stop: runOnce.close }),
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

/** Begun here; ended where nothing that it waits for goes on any more. */
const begun = ({ start }: Part): Part => ({ start, stop: () => Promise.resolve() });
const wantsHtml = (accept: string | undefined): boolean => /\btext\/html\b/i.test(accept ?? '');
