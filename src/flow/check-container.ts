import type { ContainerId } from '../domain/ids.js';
import { isSamePlace } from '../domain/target.js';
import type { ContainerEngine } from '../engine/port.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import type { Instances } from '../run/instances.js';
import type { ContainerChecks } from '../serve/container-checks.js';

export interface CheckContainerDeps {
  readonly engine: Pick<ContainerEngine, 'inspect'>;
  readonly instances: Pick<Instances, 'running' | 'lost' | 'onChange'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** An engine that takes longer says nothing: what runs must not wait for it. */
const LOOK_WITHIN_MS = 1_000;
/** A program's connections end before its engine knows that it ended; on a busy machine that takes its time. */
const ENDS_WITHIN_MS = 1_000;

interface Check { doubt: Promise<void> | undefined; readonly gone: Promise<boolean> }

/**
 * Compares a container with the address that is dialled for it. After a failed connection the address may belong to another
 * preview already, so that nobody dials it before the engine has confirmed it (INV3); an engine that does not answer confirms
 * nothing, and gives no address to anybody else either.
 */
export function createCheckContainer({ engine, instances, clock, log }: CheckContainerDeps): ContainerChecks {
  const checks = new Map<ContainerId, Check>();
  const find = (container: ContainerId) => instances.running().find((instance) => instance.container === container);

  const look = async (container: ContainerId): Promise<void> => {
    const over = new AbortController();
    const late = clock.sleep(LOOK_WITHIN_MS, over.signal).then(() => 'unknown' as const);
    const found = await Promise.race([engine.inspect(container).catch(() => 'unknown' as const), late]);
    over.abort();
    const instance = find(container);
    if (!instance || found === 'unknown' || (found?.target && isSamePlace(found.target, instance.target))) return;
    log.debug('container is not where it was', { container });
    instances.lost(container, false).catch((error: unknown) => { log.error('lost container not given up', { container, error }); });
  };

  /** @returns whether it was lost while that was waited for */
  const awaitEnd = async (container: ContainerId): Promise<boolean> => {
    if (!find(container)) return true;
    const over = new AbortController();
    const unsubscribe = instances.onChange(() => { if (!find(container)) over.abort(); });
    await clock.sleep(ENDS_WITHIN_MS, over.signal);
    unsubscribe();
    return !find(container);
  };

  const begin = (container: ContainerId): Check => {
    const doubt = look(container);
    const check: Check = { doubt, gone: doubt.then(() => awaitEnd(container)).finally(() => { checks.delete(container); }) };
    void doubt.then(() => { check.doubt = undefined; });
    checks.set(container, check);
    return check;
  };

  return {
    isGone: (container) => (find(container) ? (checks.get(container) ?? begin(container)).gone : Promise.resolve(true)),
    doubt: (container) => checks.get(container)?.doubt,
  };
}
