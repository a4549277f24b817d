import { formatAsked, type HealthTest } from '../domain/health.js';
import { formatRelease } from '../domain/ids.js';
import type { Release } from '../domain/release.js';
import type { Target } from '../domain/target.js';
import type { ContainerExit, ListeningPort } from '../engine/port.js';
import type { ProbeResult } from './probe.js';

/** Says why a container ended: memory, the engine's own words, or its exit code. `of` is null for `web`. */
export function describeExit(exit: ContainerExit, { config }: Pick<Release, 'config'>, { of, afterMs }: { of: string | null; afterMs?: number }): string {
  const who = of === null ? 'It' : `Its process ${of}`;
  const after = afterMs === undefined ? '' : ` after ${(afterMs / 1000).toFixed(1)} s`;
  if (exit.outOfMemory) return `${who} ran out of memory${after}: the limit is ${Math.round(config.memoryBytes / 1024 ** 2)} MiB.`;
  const meaning = SIGNALS[exit.code];
  const own = exit.message === null ? '' : ` ${exit.message}`;
  return `${who} exited with code ${exit.code}${meaning ? ` (${meaning})` : ''}${after}.${own}`;
}

const SIGNALS: Readonly<Record<number, string>> = {
  126: 'its command is not executable', 127: 'its command was not found', 134: 'aborted', 137: 'killed', 139: 'segmentation fault', 143: 'ended by SIGTERM',
};

/** Says why it did not get ready in time: what it answered, or else where it listens. */
export function describeUnready({ config, number }: Release, { port }: Target, { seen, ports }: { seen: ProbeResult; ports: readonly ListeningPort[] | undefined }): string {
  const seconds = config.readyTimeoutMs / 1000;
  const asked = config.health ? formatAsked(config.health.test) : 'GET /';
  if (seen.kind === 'answer') return `Release ${formatRelease(number)}: not healthy after ${seconds} s: ${asked} ${seen.status}.`;
  const own = ports?.filter((listening) => listening.port === port) ?? [];
  if (own.length > 0 && own.every(({ loopbackOnly }) => loopbackOnly)) {
    return `It listens on 127.0.0.1:${port} only: let it listen on 0.0.0.0, or nobody outside its container can reach it.`;
  }
  if (own.length > 0) return `It listens on port ${port} but did not answer ${asked} within ${seconds} s.`;
  const others = [...new Set(ports?.map((listening) => listening.port))];
  const there = others.length > 0 ? ` It listens on ${others.join(', ')} instead: configure that port, or let it read PORT.` : '';
  return `Nothing listened on port ${port} within ${seconds} s.${there}`;
}

/** Says what a running release answered to its health line; `forMs` is how long it has been so, left away at the first look. */
export function describeUnhealthy({ number }: Pick<Release, 'number'>, test: HealthTest, { seen, forMs }: { seen: ProbeResult; forMs?: number }): string {
  const since = forMs === undefined ? '' : ` for ${Math.round(forMs / 1000)} s`;
  const answered = seen.kind === 'answer' ? String(seen.status) : test.kind === 'tcp' ? 'took no connection' : 'gave no answer';
  return `Release ${formatRelease(number)}: not healthy${since}: ${formatAsked(test)} ${answered}.`;
}
