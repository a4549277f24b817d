import { AppError } from '../domain/errors.js';
import type { Release } from '../domain/release.js';
import type { Target } from '../domain/target.js';
import type { ContainerEngine, ContainerExit, ListeningPort, StartedContainer } from '../engine/port.js';
import type { Clock } from '../kernel/clock.js';
import { waitUntilReady, type Probe } from './probe.js';
import type { RunLogs } from './logs.js';

/** What a release needs of its surroundings to run. */
export interface Placement {
  /** The preview's host with its port, for probes. */
  readonly host: string;
  /** Whether another release serves meanwhile: it goes on until this one is healthy. */
  readonly isSwap?: boolean;
  /** `SLIPWAY_…` variables of the route, and secrets. */
  readonly env: Readonly<Record<string, string>>;
}

export interface StartDeps {
  readonly engine: Pick<ContainerEngine, 'image' | 'ensureNetwork' | 'start' | 'remove' | 'waitForExit' | 'listeningPorts'>;
  readonly probe: Probe;
  readonly clock: Clock;
  readonly logs: RunLogs;
}

interface Starting extends StartDeps {
  readonly signal: AbortSignal;
  /** Hears of the container before anybody dials it. */
  readonly onStarted: (started: StartedContainer) => void;
}

const DEFAULT_PORT = 3000;

/**
 * Starts a release's container and waits until it is ready.
 *
 * @throws AppError `start_failed`, `crashed`, `start_timeout` with the application's last lines, after removing the container
 */
export async function startRelease(release: Release, placement: Placement, deps: Starting): Promise<StartedContainer> {
  const { engine, signal } = deps;
  const port = await portOf(release, engine);
  await engine.ensureNetwork(release.project);
  signal.throwIfAborted();
  const { project, number, commit, build, environment, image, config } = release;
  const started = await engine.start({
    project, release: number, commit, build, environment, image, port, memoryBytes: config.memoryBytes, cpus: config.cpus,
    pids: config.pids, profile: config.profile, stopTimeoutMs: config.stopTimeoutMs,
    env: { ...config.env, ...placement.env, PORT: String(port) },
  });
  deps.onStarted(started);
  try {
    await awaitReady(release, { started, host: placement.host, deps });
    return started;
  } catch (error) {
    await deps.logs.keep(release, started.id);
    await engine.remove(started.id);
    throw error;
  }
}

async function portOf({ config, image }: Release, engine: Pick<ContainerEngine, 'image'>): Promise<number> {
  if (config.port !== null) return config.port;
  const exposed = (await engine.image(image))?.exposedPorts ?? [];
  return exposed.length === 1 ? exposed[0] ?? DEFAULT_PORT : DEFAULT_PORT;
}

interface Awaiting { readonly started: StartedContainer; readonly host: string; readonly deps: StartDeps & { signal: AbortSignal } }

async function awaitReady(release: Release, { started, host, deps }: Awaiting): Promise<void> {
  const { engine, clock, probe, signal, logs } = deps;
  const over = new AbortController();
  const startedAt = clock.monotonic();
  let exit: ContainerExit | undefined;
  const watching = engine.waitForExit(started.id, over.signal).then((ended) => { exit = ended; over.abort(); });
  watching.catch(() => undefined);
  try {
    const ready = await waitUntilReady({ target: started.target, host }, {
      probe, clock, readyTimeoutMs: release.config.readyTimeoutMs, signal: AbortSignal.any([signal, over.signal]),
    });
    signal.throwIfAborted();
    if (ready) return;
    const details = { lastLines: await logs.last(started.id) };
    if (exit) throw new AppError('crashed', describeExit(exit, release, clock.monotonic() - startedAt), { details });
    if (over.signal.aborted) throw new AppError('crashed', 'Its container was removed while it started.', { details });
    throw new AppError('start_timeout', describeSilence(started.target, release, await engine.listeningPorts(started.id)), { details });
  } finally {
    over.abort();
  }
}

/** Says why a container ended: memory, the engine's own words, or its exit code. */
export function describeExit(exit: ContainerExit, { config }: Pick<Release, 'config'>, afterMs?: number): string {
  const after = afterMs === undefined ? '' : ` after ${(afterMs / 1000).toFixed(1)} s`;
  if (exit.outOfMemory) return `It ran out of memory${after}: the limit is ${Math.round(config.memoryBytes / 1024 ** 2)} MiB.`;
  const meaning = SIGNALS[exit.code];
  const own = exit.message === null ? '' : ` ${exit.message}`;
  return `It exited with code ${exit.code}${meaning ? ` (${meaning})` : ''}${after}.${own}`;
}

const SIGNALS: Readonly<Record<number, string>> = {
  126: 'its command is not executable', 127: 'its command was not found', 134: 'aborted', 137: 'killed', 139: 'segmentation fault', 143: 'ended by SIGTERM',
};

function describeSilence({ port }: Target, { config }: Release, ports: readonly ListeningPort[] | undefined): string {
  const within = `within ${config.readyTimeoutMs / 1000} s`;
  const own = ports?.filter((listening) => listening.port === port) ?? [];
  if (own.length > 0 && own.every(({ loopbackOnly }) => loopbackOnly)) {
    return `It listens on 127.0.0.1:${port} only: let it listen on 0.0.0.0, or nobody outside its container can reach it.`;
  }
  if (own.length > 0) return `It listens on port ${port} but did not answer GET / ${within}.`;
  const others = [...new Set(ports?.map((listening) => listening.port))];
  const seen = others.length > 0 ? ` It listens on ${others.join(', ')} instead: configure that port, or let it read PORT.` : '';
  return `Nothing listened on port ${port} ${within}.${seen}`;
}
