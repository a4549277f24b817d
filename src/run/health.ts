import { AppError } from '../domain/errors.js';
import type { HealthCheck } from '../domain/health.js';
import { formatRelease } from '../domain/ids.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { startLoop, type Loop, type Step } from '../kernel/loop.js';
import type { LoopBook } from '../kernel/loop-book.js';
import type { Part } from '../kernel/part.js';
import { createTopic, type Topic } from '../kernel/topic.js';
import type { InstanceChange, RunningInstance } from './instance.js';
import type { Instances } from './instances.js';
import { isHealthy, probeWithin, type Probe } from './probe.js';
import { describeUnhealthy } from './reasons.js';

/** What looking at a running instance found: it fails since just now, has failed for too long, or is good again. */
export type HealthFinding =
  | { readonly kind: 'failing' | 'unhealthy'; readonly instance: RunningInstance; readonly error: AppError }
  | { readonly kind: 'good'; readonly instance: RunningInstance };

export interface HealthDeps {
  readonly instances: Pick<Instances, 'running' | 'onChange'>;
  readonly probe: Probe;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where its loops are entered. */
  readonly loops?: LoopBook;
}

/** Looks again and again at what runs with a health line; what is to be done about it is for others to say. */
export interface Health extends Part {
  /** `failing` and `good` are told once, `good` also at the first look that finds it so, since it may have failed before it slept; `unhealthy` at each look for as long as it runs. */
  readonly onFinding: Topic<HealthFinding>['subscribe'];
}

const nameOf = ({ release }: Pick<RunningInstance, 'release'>) => `${release.project}/${release.number}`;

export function createHealth({ instances, probe, clock, log, loops }: HealthDeps): Health {
  const findings = createTopic<HealthFinding>((error) => { log.error('listener failed', { error }); });
  const watched = new Map<string, Loop>();
  let unsubscribe = () => undefined as void;

  const watch = (instance: RunningInstance) => {
    const { release } = instance;
    const { health } = release.config;
    if (!health || watched.has(nameOf(instance))) return;
    const look = createLook({ instance, health }, { probe, clock, tell: findings.publish });
    const noted = loops && { book: loops, name: `health of ${formatRelease(release.number)}`, project: release.project };
    watched.set(nameOf(instance), startLoop(health.everyMs, look, { clock, log, noted }));
  };

  const end = async (name: string) => {
    const loop = watched.get(name);
    watched.delete(name);
    await loop?.stop();
  };

  const hear = (change: InstanceChange) => {
    if (change.kind === 'running') watch(change.instance);
    else if (change.kind !== 'starting' && change.kind !== 'cleared') void end(nameOf(change));
  };

  return {
    onFinding: findings.subscribe,
    start: () => {
      unsubscribe = instances.onChange(hear);
      instances.running().forEach(watch);
      return Promise.resolve();
    },
    stop: async () => {
      unsubscribe();
      await Promise.all([...watched.keys()].map(end));
    },
  };
}

interface Looked { readonly instance: RunningInstance; readonly health: HealthCheck }
interface LookDeps extends Pick<HealthDeps, 'probe' | 'clock'> { readonly tell: (finding: HealthFinding) => void }

/** Asked through a function, since the compiler takes a signal for settled once it was looked at. */
const isAborted = (signal: AbortSignal): boolean => signal.aborted;

function createLook({ instance, health }: Looked, { probe, clock, tell }: LookDeps): Step {
  const { test, timeoutMs, unhealthyMs, everyMs } = health;
  const { release, target, host } = instance;
  let failingSince: number | undefined;
  let isKnown = false;
  // It was probed just before it ran.
  let isFirst = true;

  const look: Step = async (signal) => {
    const seen = await probeWithin({ target, host, test }, timeoutMs, { probe, clock, signal });
    if (signal.aborted) return;
    if (isHealthy(seen, test)) {
      if (failingSince !== undefined || !isKnown) tell({ kind: 'good', instance });
      isKnown = true;
      failingSince = undefined;
      return;
    }
    const fail = (kind: 'failing' | 'unhealthy', forMs?: number) => {
      tell({ kind, instance, error: new AppError('unhealthy', describeUnhealthy(release, test, { seen, ...(forMs === undefined ? {} : { forMs }) })) });
    };
    if (failingSince === undefined) fail('failing');
    failingSince ??= clock.monotonic();
    const forMs = clock.monotonic() - failingSince;
    if (forMs >= unhealthyMs) { fail('unhealthy', forMs); return; }
    if (unhealthyMs - forMs >= everyMs) return;
    await clock.sleep(unhealthyMs - forMs, signal);
    if (!isAborted(signal)) await look(signal);
  };

  return async (signal) => {
    if (!isFirst) await look(signal);
    isFirst = false;
  };
}
