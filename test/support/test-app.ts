import type { IncomingHttpHeaders, RequestListener } from 'node:http';
import { request } from 'node:http';
import { join } from 'node:path';
import { createApp, type App } from '../../src/app.js';
import { loadConfig, type Config, type Flags } from '../../src/config.js';
import type { CommitHash } from '../../src/domain/ids.js';
import type { ContainerSpec } from '../../src/engine/port.js';
import { systemClock, type Clock } from '../../src/kernel/clock.js';
import type { ApplicationLog } from '../../src/kernel/log.js';
import type { Runtime } from '../../src/kernel/runtime.js';
import type { ForwardTimeouts } from '../../src/serve/forward.js';
import type { ListenerLimits } from '../../src/serve/listener.js';
import { openDatabase, type Database } from '../../src/state/database.js';
import { readIdentity } from '../../src/state/identity.js';
import { readSecretsKey } from '../../src/state/secrets-key.js';
import type { FakeProgram } from './fake-containers.js';
import { createFakeEngine, type FakeBuild, type FakeEngine, type FakeEngineOptions } from './fake-engine.js';
import { createTestFolder, createTestRepository, type TestFiles, type TestRepository } from './git.js';
import { createQuietLog } from './quiet-log.js';

export interface TestAppOptions {
  /** The first commit of `main`. */
  readonly files?: TestFiles;
  /** By name, such as `hold.request`; port 0 and a folder of its own are given. */
  readonly settings?: Flags;
  readonly builds?: (request: Parameters<NonNullable<FakeEngineOptions['builds']>>[0]) => FakeBuild;
  /** What commands do that are run once; by default they end well. */
  readonly once?: FakeEngineOptions['once'];
  /** What can be pulled; nothing by default. */
  readonly registry?: FakeEngineOptions['registry'];
  /** Default: `echo`. */
  readonly program?: (spec: ContainerSpec) => FakeProgram;
  readonly clock?: Clock;
  /** Changes the repository before the server starts. */
  readonly prepare?: (repository: TestRepository) => void;
  /** False for tests that start it themselves. */
  readonly started?: boolean;
  /** Changes what no flag can say, such as environments or the PATH on which git is found; asked at each start of the server. */
  readonly configure?: (config: Config) => Config;
  /** How long the data plane waits for applications. */
  readonly timeouts?: Partial<ForwardTimeouts>;
  /** How long it waits for clients, and how many there may be. */
  readonly listener?: Partial<ListenerLimits>;
  /** Watches what is read from the records. */
  readonly watchDatabase?: (database: Database) => Database;
}

export interface TestAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON. */
  json(): Record<string, unknown>;
}

export interface TestRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Buffer;
}

/** The whole server over a real repository, real git and SQLite, and the engine in memory. */
export interface TestApp extends AsyncDisposable {
  readonly engine: FakeEngine;
  readonly repository: TestRepository;
  readonly stateDir: string;
  readonly log: ApplicationLog;
  readonly port: number;
  readonly token: string;
  /** The host of the only project, and of the server, without port. */
  readonly host: string;
  /** Asks 127.0.0.1 in the name of a host, without following redirects. */
  get(host: string, path: string, init?: TestRequest): Promise<TestAnswer>;
  /** Asks the control plane. */
  control(path: string, init?: TestRequest): Promise<TestAnswer>;
  /** `hash-….localhost` */
  commitHost(commit: CommitHash): string;
  /** Waits through the API until the preview runs or has failed. */
  open(query: string): Promise<TestAnswer>;
  /** Lets the server see a new commit, and with it all that changed: an unknown commit causes a fetch. */
  fetch(commit: CommitHash): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Ends the server and starts another one on the same state directory, repository and engine. */
  restart(): Promise<void>;
}

/** Headers of a browser that opens a page. */
export const NAVIGATION = { 'accept': 'text/html,application/xhtml+xml', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' } as const;

const VIEWS = join(import.meta.dirname, '../../views');
export const TOKEN = 'a-token-for-tests-only';
/** Between two fetches for unknown names, in milliseconds: tests make commits faster than people. */
const UNKNOWN_PAUSE_MS = 100;

/** Answers with what was asked and what the container was given. */
export function echo({ env, commit, release, image }: ContainerSpec): RequestListener {
  return (req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => { chunks.push(chunk); });
    req.on('end', () => {
      const body = Buffer.concat(chunks);
      res.setHeader('Content-Type', 'application/json');
      res.end(JSON.stringify({ method: req.method, url: req.url, headers: req.headers, bytes: body.length, body: body.toString().slice(0, 1_000), env, commit, release, image }));
    });
  };
}

/** A server with nothing built and nothing running. */
export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const { clock = systemClock } = options;
  const repository = createTestRepository(options.files ?? { Dockerfile: 'FROM scratch\n' });
  options.prepare?.(repository);
  const folder = createTestFolder();
  const log = createQuietLog();
  const { configure = (config: Config) => config } = options;
  const given = loadConfig(repository.path, { 'port': '0', 'stateDir': join(folder.path, 'state'), 'token': TOKEN, 'builds.perMinute': '1000', 'limits.disk': '100%', 'limits.memory': '100%', ...options.settings }, { PATH: process.env.PATH, HOME: folder.path });
  const { stateDir } = given;
  const identity = readIdentity(stateDir, given.settings.token);
  const engine = createFakeEngine({
    instance: identity.instance, clock, program: options.program ?? ((spec) => ({ serve: echo(spec) })),
    ...(options.builds ? { builds: options.builds } : {}), ...(options.once ? { once: options.once } : {}), ...(options.registry ? { registry: options.registry } : {}),
  });
  let app: App | undefined;
  const start = async () => {
    const config = configure(given);
    const { watchDatabase = (opened: Database) => opened } = options;
    const database = watchDatabase(await openDatabase({ folder: stateDir, clock, log }));
    const secretsKey = await readSecretsKey({ folder: stateDir, db: database.db, clock, log });
    app = createApp({ config, identity, secretsKey, database, engine, clock, log, runtime: createQuietRuntime(), views: VIEWS, networkPool: '10.213.0.0/16', unknownPauseMs: UNKNOWN_PAUSE_MS, ...(options.timeouts ? { timeouts: options.timeouts } : {}), ...(options.listener ? { listener: options.listener } : {}) });
    await app.start();
  };
  const stop = async () => {
    await app?.stop();
    app = undefined;
  };
  const port = () => Number(new URL(app?.url() ?? 'http://localhost:0').port);
  const host = 'localhost';
  const get: TestApp['get'] = (named, path, init) => ask({ port: port(), host: `${named}:${port()}`, path }, init);
  if (options.started !== false) await start();
  return {
    engine, repository, stateDir, log, token: TOKEN, host, get, start, stop,
    get port() { return port(); },
    control: (path, init) => get(host, path, init),
    commitHost: (commit) => `hash-${commit}.${host}`,
    open: (query) => get(host, `/api/wait?${query}&timeout=20s`),
    fetch: async (commit) => { await get(host, `/api/status?hash=${commit}`); },
    restart: async () => { await stop(); await start(); },
    [Symbol.asyncDispose]: async () => {
      await stop();
      await engine[Symbol.asyncDispose]();
      repository[Symbol.dispose]();
      folder[Symbol.dispose]();
    },
  };
}

/** The process without its events: nobody listens to those of the test runner. */
const createQuietRuntime = (): Runtime => ({ version: process.version, uptime: () => process.uptime(), memoryUsage: () => process.memoryUsage(), on: () => undefined, off: () => undefined });

/** One request on a connection of its own; `fetch` could set no Host. */
export function ask({ port, host, path }: { port: number; host: string; path: string }, { method = 'GET', headers = {}, body }: TestRequest = {}): Promise<TestAnswer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method, agent: false, setHost: false, headers: { host, ...headers } as Record<string, string | string[]> }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => { chunks.push(chunk); });
      answer.on('error', reject);
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text, json: () => JSON.parse(text) as Record<string, unknown> });
      });
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

/** How many requests wait for their previews now, as the server says. */
export async function heldNow({ control }: Pick<TestApp, 'control'>): Promise<number> {
  const { bounds } = (await control('/debug', { headers: { accept: 'application/json' } })).json() as { bounds: { requestsHeld: { now: number } } };
  return bounds.requestsHeld.now;
}

/** A promise and the way to settle it. */
export function gate<Value = void>(): Gate<Value> {
  let open: (value: Value) => void = () => undefined;
  const opened = new Promise<Value>((resolve) => { open = resolve; });
  return { opened, open };
}

export interface Gate<Value = void> {
  readonly opened: Promise<Value>;
  readonly open: (value: Value) => void;
}
