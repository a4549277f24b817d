import { AppError } from '../domain/errors.js';
import type { Release } from '../domain/release.js';
import type { ContainerEngine, ContainerExit, StartedContainer } from '../engine/port.js';
import type { Clock } from '../kernel/clock.js';
import { settleAll } from '../kernel/settle-all.js';
import type { ProcessContainer } from './instance.js';
import type { RunLogs } from './logs.js';
import { waitUntilReady, type Probe } from './probe.js';
import { describeExit, describeUnready } from './reasons.js';
import { clearAway } from './stop.js';

/** What a release needs of its surroundings to run. */
export interface Placement {
  /** The preview's host with its port, for probes. */
  readonly host: string;
  /** Whether another release serves meanwhile: it goes on until this one is healthy. */
  readonly isSwap?: boolean;
  /** How often it is started again after ends soon after its start; left away where its visitors decide. */
  readonly mostRestarts?: number;
  /** `SLIPWAY_…` variables of the route, and secrets. */
  readonly env: Readonly<Record<string, string>>;
}

export interface StartDeps {
  readonly engine: Pick<ContainerEngine, 'image' | 'ensureNetwork' | 'start' | 'remove' | 'waitForExit' | 'listeningPorts'>;
  readonly probe: Probe;
  readonly clock: Clock;
  readonly logs: Pick<RunLogs, 'keep' | 'last'>;
}

interface Starting extends StartDeps {
  readonly signal: AbortSignal;
  /** Hears of each container before anybody dials it. */
  readonly onStarted: (started: StartedContainer) => void;
}

/** What runs for a release: the container that is dialled, and those beside it. */
export interface StartedSet extends StartedContainer { readonly beside: readonly ProcessContainer[] }

const DEFAULT_PORT = 3000;
/** What is to take another one's place runs for so long with all its processes first: `web` may be ready before another one has failed. */
const SETTLES_MS = 1_000;

/**
 * Starts a release's containers, `web` first and the others with it, and waits until `web` is ready.
 *
 * @throws AppError `start_failed`, `crashed`, `start_timeout` with the application's last lines, after removing all of them
 */
export async function startRelease(release: Release, placement: Placement, deps: Starting): Promise<StartedSet> {
  const { engine, signal } = deps;
  const port = await portOf(release, engine);
  await engine.ensureNetwork(release.project);
  signal.throwIfAborted();
  const started: ProcessContainer[] = [];
  const launch = async (name: string | null, command: readonly string[] | null): Promise<StartedContainer> => {
    const container = await engine.start({ ...specOf(release, { port, placement }), process: name, command }).catch((error: unknown) => { throw inNameOf(name, error); });
    started.push({ process: name, container: container.id });
    deps.onStarted(container);
    return container;
  };
  try {
    const web = await launch(null, null);
    signal.throwIfAborted();
    // None may be left that nobody knows of.
    await settleAll(Object.entries(release.config.processes ?? {}).map(([name, command]) => launch(name, command)));
    await awaitReady(release, { web, started, placement, deps });
    return { ...web, beside: started.filter((each) => each.process !== null) };
  } catch (error) {
    await clearAway({ release, members: started }, deps);
    throw error;
  }
}

/** What each container of a release gets, whichever of its processes or commands runs in it. */
export function specOf({ project, number, commit, build, environment, image, config }: Release, { port, placement }: { port: number; placement: Pick<Placement, 'env'> }) {
  return {
    project, release: number, commit, build, environment, image, port, memoryBytes: config.memoryBytes, cpus: config.cpus,
    pids: config.pids, profile: config.profile, stopTimeoutMs: config.stopTimeoutMs,
    env: { ...config.env, ...placement.env, PORT: String(port) },
  };
}

const inNameOf = (name: string | null, error: unknown): unknown =>
  (name !== null && error instanceof AppError ? new AppError(error.code, `Its process ${name}: ${error.message}`, { cause: error, details: error.details }) : error);

/** The configured port, else the image's only one, else 3000. */
export async function portOf({ config, image }: Release, engine: Pick<ContainerEngine, 'image'>): Promise<number> {
  if (config.port !== null) return config.port;
  const exposed = (await engine.image(image))?.exposedPorts ?? [];
  return exposed.length === 1 ? exposed[0] ?? DEFAULT_PORT : DEFAULT_PORT;
}

interface Awaiting {
  readonly web: StartedContainer;
  readonly started: readonly ProcessContainer[];
  readonly placement: Placement;
  readonly deps: StartDeps & { readonly signal: AbortSignal };
}

/** One that ended while `web` was waited for; without `exit` it was removed. */
interface EndedProcess extends ProcessContainer { readonly exit: ContainerExit | undefined }

async function awaitReady(release: Release, { web, started, placement, deps }: Awaiting): Promise<void> {
  const { engine, clock, probe, signal, logs } = deps;
  const { readyTimeoutMs, health } = release.config;
  const over = new AbortController();
  const startedAt = clock.monotonic();
  const ended: EndedProcess[] = [];
  const watch = async (each: ProcessContainer) => {
    const exit = await engine.waitForExit(each.container, over.signal);
    if (!over.signal.aborted) ended.push({ ...each, exit });
    over.abort();
  };
  for (const each of started) watch(each).catch(() => undefined);
  try {
    const { ready, seen } = await waitUntilReady({ target: web.target, host: placement.host }, {
      probe, clock, readyTimeoutMs, health, isSwap: placement.isSwap === true, signal: AbortSignal.any([signal, over.signal]),
    });
    if (ready && placement.isSwap === true && started.length > 1) await clock.sleep(SETTLES_MS, AbortSignal.any([signal, over.signal]));
    signal.throwIfAborted();
    const [first] = ended;
    if (ready && !first) return;
    if (first) throw await crashOf(release, first, { afterMs: clock.monotonic() - startedAt, logs });
    const details = { lastLines: await logs.last(release, web.id) };
    throw new AppError('start_timeout', describeUnready(release, web.target, { seen, ports: await engine.listeningPorts(web.id) }), { details });
  } finally {
    over.abort();
  }
}

async function crashOf(release: Release, ended: EndedProcess, { afterMs, logs }: { afterMs: number; logs: Pick<RunLogs, 'last'> }): Promise<AppError> {
  const { exit } = ended;
  const removed = `Its container${ended.process === null ? '' : ` of the process ${ended.process}`} was removed while it started.`;
  return new AppError('crashed', exit ? describeExit(exit, release, { of: ended.process, afterMs }) : removed, { details: { lastLines: await logs.last(release, ended.container) } });
}
