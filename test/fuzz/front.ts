import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { AppError } from '../../src/domain/errors.js';
import { createHostReader } from '../../src/domain/hosts.js';
import type { ReleaseNumber, RouteId } from '../../src/domain/ids.js';
import { createUrls } from '../../src/domain/urls.js';
import { systemClock as clock } from '../../src/kernel/clock.js';
import { createEventStreams } from '../../src/kernel/event-stream.js';
import type { Logger } from '../../src/kernel/log.js';
import { createTemplates } from '../../src/kernel/templates.js';
import { createAnswers, sendJson } from '../../src/serve/answers.js';
import { createCallers } from '../../src/serve/callers.js';
import { createForward, TIMEOUTS, type Forward, type ForwardTimeouts } from '../../src/serve/forward.js';
import { createHold } from '../../src/serve/hold.js';
import { createRoutingTable, type RoutingTable } from '../../src/serve/routing.js';
import { createSecondChance } from '../../src/serve/second-chance.js';
import { createServer } from '../../src/serve/server.js';
import { createTrustedProxies } from '../../src/serve/trusted-proxies.js';
import { COMMIT, containerId } from '../support/forward-front.js';
import { sampleProject } from '../support/sample-project.js';

/** A request as the front took it. */
export interface Counted {
  readonly req: IncomingMessage;
  readonly method: string;
  /** Of the client's end of its connection. */
  readonly clientPort: number;
  /** Under which it was passed on; undefined while it was not. */
  id: string | undefined;
  upgrade: boolean;
}

/** The whole data plane with one running preview, and all that it counted. */
export interface FuzzFront extends AsyncDisposable {
  readonly port: number;
  readonly host: string;
  /** By the id under which they were passed on. */
  readonly passed: ReadonlyMap<string, Counted>;
  /** What was read from a connection, oldest first. */
  countedOn(clientPort: number): readonly Counted[];
  /** How often an exchange began and ended that keeps a preview awake. */
  readonly exchanges: { readonly begun: number; readonly ended: number };
  /** Messages that were logged as errors. */
  readonly errors: readonly string[];
  connections(): Promise<number>;
  /** Lets go of all connections to the application. */
  forget(): void;
  /** Forgets what was counted, on one connection or on all. */
  clear(clientPort?: number): void;
}

const HOST = `hash-${COMMIT}.localhost`;
const VIEWS = join(import.meta.dirname, '../../views');
const STARTED = 'http.server.request.start';
const NETWORK_POOL = '10.213.0.0/16';

/** Puts the parts of the data plane together as the composition root does, with what counts between them. */
export async function startFuzzFront(upstreamPort: number, timeouts: Partial<ForwardTimeouts> = {}): Promise<FuzzFront> {
  const errors: string[] = [];
  const log: Logger = { error: (message, fields) => { errors.push(`${message} ${inspect(fields?.error)}`); }, warn: () => undefined, info: () => undefined, debug: () => undefined, child: () => log };
  const counts = createCounts();
  const routing = createRoutingTable({ clock });
  routing.put([HOST], { project: sampleProject('shop').name, route: 'fuzz' as RouteId, commit: COMMIT, release: 1 as ReleaseNumber, container: containerId('fuzz'), target: { address: '127.0.0.1', port: upstreamPort } });
  const urls = createUrls(() => new URL(`http://localhost:${server.port()}`));
  const callers = createCallers({ trusts: createTrustedProxies({ proxies: [], networkPool: NETWORK_POOL }), secure: () => false });
  const answers = createAnswers({ templates: createTemplates({ folder: VIEWS }), homeUrl: () => urls.control('localhost'), callers, log });
  const checks = { isGone: () => Promise.resolve(false), doubt: () => undefined };
  const secondChance = createSecondChance({ checks });
  const forward = createForward({
    log, timeouts: { ...TIMEOUTS, ...timeouts },
    onFailure: (error, failed) => {
      secondChance(error, { req: failed.req, container: failed.to.container, answer: () => { answers.failure({ ...failed, page: false }, error); }, again: () => { server.again(failed.req, failed.res); } });
    },
    onUpgradeFailure: (error, { req, socket, head, to, requestId }) => {
      secondChance(error, { req, container: to.container, answer: () => { answers.upgradeFailure(error, socket, requestId); }, again: () => { server.upgradeAgain(req, socket, head); } });
    },
  });
  const unknown = () => Promise.reject(new AppError('unknown_preview', 'There is one preview here.'));
  const streams = createEventStreams({ clock, addressOf: callers.addressOf });
  const hold = createHold({ visits: { find: unknown, homes: unknown }, answers, streams, clock, limits: { navigationMs: 100, requestMs: 100, most: 100, mostBytes: 1024 ** 2 }, urlOf: urls.preview });
  const server = createServer({
    listen: { address: '127.0.0.1', port: 0 }, routing: counts.routing(routing), forward: counts.forward(forward), hold, answers, callers, urls, checks, clock, log, drainMs: 1_000,
    hosts: createHostReader({ serverHost: 'localhost', projects: [sampleProject('shop')] }), shared: undefined, isPreviewPeer: () => false,
    control: (_req, res) => { sendJson(res, 404, {}); },
  });
  await server.start();
  const stopCounting = counts.start(server.port());
  return {
    port: server.port(), host: `${HOST}:${server.port()}`, passed: counts.passed, countedOn: counts.on, exchanges: counts.exchanges, errors, clear: counts.clear,
    connections: server.connections, forget: () => { forward.forget(containerId('fuzz')); },
    [Symbol.asyncDispose]: async () => {
      stopCounting();
      await server.stop();
      forward.close();
    },
  };
}

interface Counts extends Pick<FuzzFront, 'passed' | 'exchanges' | 'clear'> {
  readonly on: FuzzFront['countedOn'];
  routing(table: RoutingTable): RoutingTable;
  forward(to: Forward): Forward;
  /** Listens to what node:http reads on a port, until the returned function is called. */
  start(port: number): () => void;
}

function createCounts(): Counts {
  const passed = new Map<string, Counted>();
  const byRequest = new WeakMap<IncomingMessage, Counted>();
  const byPort = new Map<number, Counted[]>();
  const exchanges = { begun: 0, ended: 0 };
  const note = (req: IncomingMessage): Counted => {
    const known = byRequest.get(req);
    if (known) return known;
    const counted: Counted = { req, method: req.method ?? '', clientPort: req.socket.remotePort ?? 0, id: undefined, upgrade: false };
    byRequest.set(req, counted);
    byPort.set(counted.clientPort, [...byPort.get(counted.clientPort) ?? [], counted]);
    return counted;
  };
  const pass = (req: IncomingMessage, id: string): Counted => {
    const counted = note(req);
    counted.id = id;
    passed.set(id, counted);
    return counted;
  };
  const begin = (entryBegin: () => () => void) => () => {
    exchanges.begun += 1;
    const end = entryBegin();
    return () => { exchanges.ended += 1; end(); };
  };
  return {
    passed, exchanges,
    on: (port) => byPort.get(port) ?? [],
    clear: (port) => {
      if (port !== undefined) { for (const { id = '' } of byPort.get(port) ?? []) passed.delete(id); byPort.delete(port); return; }
      passed.clear();
      byPort.clear();
    },
    routing: (table) => ({ ...table, find: (host) => { const entry = table.find(host); return entry && { ...entry, begin: begin(entry.begin) }; } }),
    forward: (to) => ({
      ...to,
      request: (req, res, where) => { pass(req, where.requestId); return to.request(req, res, where); },
      upgrade: (req, client, where) => { pass(req, where.requestId).upgrade = true; return to.upgrade(req, client, where); },
    }),
    start: (port) => {
      const onStart = (message: unknown) => {
        const { request } = message as { request: IncomingMessage };
        if (request.socket.localPort === port) note(request);
      };
      subscribe(STARTED, onStart);
      return () => { unsubscribe(STARTED, onStart); };
    },
  };
}
