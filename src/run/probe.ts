import { request } from 'node:http';
import type { Target } from '../domain/target.js';
import type { Clock } from '../kernel/clock.js';

/** What a probe got: an HTTP status, or none because nothing answered in HTTP. */
export type ProbeResult = { readonly kind: 'answer'; readonly status: number } | { readonly kind: 'silence' };

export interface ProbeRequest {
  readonly target: Target;
  /** The preview's own host, as visitors send it. */
  readonly host: string;
}

/** Asks `GET /` once on a connection of its own; never rejects. */
export type Probe = (of: ProbeRequest, signal: AbortSignal) => Promise<ProbeResult>;

export const probeHttp: Probe = ({ target, host }, signal) => new Promise((resolve) => {
  const options = { host: target.address, port: target.port, path: '/', agent: false, signal, headers: { host, accept: '*/*', 'user-agent': 'slipway-probe' } };
  const asked = request(options, (answer) => {
    resolve({ kind: 'answer', status: answer.statusCode ?? 0 });
    answer.on('error', () => undefined);
    asked.destroy();
  });
  asked.on('error', () => { resolve({ kind: 'silence' }); });
  asked.on('upgrade', (_answer, socket) => { socket.destroy(); resolve({ kind: 'answer', status: 101 }); });
  asked.end();
});

export interface Readiness {
  readonly probe: Probe;
  readonly clock: Clock;
  readonly readyTimeoutMs: number;
  /** Aborts when waiting makes no sense any more, as when the container exited. */
  readonly signal: AbortSignal;
}

const SHORTEST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 250;
const PAUSE_SHARE = 0.04;
/** Without a health line an application that answers 5xx all the time is shown as it is after so long. */
const TOLERATE_5XX_AFTER_MS = 5_000;
/** A probe without an answer stays, since a first answer may be slow, and another one is sent beside it. */
const BESIDE_MS = 5_000;

/**
 * Probes until the application answers below 500.
 *
 * @returns true when it is ready; false when the time is over or the signal aborted
 */
export async function waitUntilReady(of: ProbeRequest, { probe, clock, readyTimeoutMs, signal }: Readiness): Promise<boolean> {
  const over = new AbortController();
  const all = AbortSignal.any([signal, over.signal]);
  const startedAt = clock.monotonic();
  const waited = () => clock.monotonic() - startedAt;
  let ready = false;
  const isReady = () => ready;
  const ask = async () => {
    const result = await probe(of, all);
    if (result.kind === 'silence' || (result.status >= 500 && waited() < TOLERATE_5XX_AFTER_MS)) return;
    ready = true;
    // An older probe may be the one that got the answer: nobody waits for the newer ones then.
    over.abort();
  };
  try {
    while (!isReady() && !all.aborted && waited() < readyTimeoutMs) {
      const patience = new AbortController();
      await Promise.race([ask(), clock.sleep(Math.min(BESIDE_MS, readyTimeoutMs - waited()), AbortSignal.any([all, patience.signal]))]);
      patience.abort();
      if (!isReady()) await clock.sleep(Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, waited() * PAUSE_SHARE)), all);
    }
    return isReady();
  } finally {
    over.abort();
  }
}
