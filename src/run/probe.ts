import { request } from 'node:http';
import { connect } from 'node:net';
import type { HealthCheck, HealthTest } from '../domain/health.js';
import type { Target } from '../domain/target.js';
import type { Clock } from '../kernel/clock.js';

/** What a probe got: an HTTP status, a connection where no more was asked for, or nothing of that. */
export type ProbeResult = { readonly kind: 'answer'; readonly status: number } | { readonly kind: 'connection' } | { readonly kind: 'silence' };

export interface ProbeRequest {
  readonly target: Target;
  /** The preview's own host, as visitors send it. */
  readonly host: string;
  /** What is asked; left away for `GET /`. */
  readonly test?: HealthTest | undefined;
}

/** Asks once on a connection of its own; never rejects. */
export type Probe = (of: ProbeRequest, signal: AbortSignal) => Promise<ProbeResult>;

export const probeTarget: Probe = (of, signal) => (of.test?.kind === 'tcp' ? probeTcp(of, signal) : probeHttp(of, of.test ?? FRONT, signal));

const FRONT = { method: 'GET', path: '/' } as const;

const probeHttp = ({ target, host }: ProbeRequest, { method, path }: { method: string; path: string }, signal: AbortSignal) => new Promise<ProbeResult>((resolve) => {
  const options = { host: target.address, port: target.port, method, path, agent: false, signal, headers: { host, accept: '*/*', 'user-agent': 'slipway-probe' } };
  const asked = request(options, (answer) => {
    resolve({ kind: 'answer', status: answer.statusCode ?? 0 });
    answer.on('error', () => undefined);
    asked.destroy();
  });
  asked.on('error', () => { resolve({ kind: 'silence' }); });
  asked.on('upgrade', (_answer, socket) => { socket.destroy(); resolve({ kind: 'answer', status: 101 }); });
  asked.end();
});

/** A container's own address takes connections only where something listens; a port published for it would take any. */
const probeTcp = ({ target }: ProbeRequest, signal: AbortSignal) => new Promise<ProbeResult>((resolve) => {
  const socket = connect({ host: target.address, port: target.port, signal });
  socket.on('connect', () => { socket.destroy(); resolve({ kind: 'connection' }); });
  socket.on('error', () => { resolve({ kind: 'silence' }); });
});

/** A probe that has `ms` milliseconds for its answer. */
export async function probeWithin(of: ProbeRequest, ms: number, { probe, clock, signal }: Pick<Readiness, 'probe' | 'clock' | 'signal'>): Promise<ProbeResult> {
  const over = new AbortController();
  const late = clock.sleep(ms, over.signal).then((): ProbeResult => ({ kind: 'silence' }));
  const result = await Promise.race([probe(of, AbortSignal.any([signal, over.signal])), late]);
  over.abort();
  return result;
}

/** Whether the answer is what the health line wants. */
export const isHealthy = (result: ProbeResult, test: HealthTest): boolean =>
  (test.kind === 'tcp' ? result.kind === 'connection' : result.kind === 'answer' && result.status === test.status);

export interface Readiness {
  readonly probe: Probe;
  readonly clock: Clock;
  readonly readyTimeoutMs: number;
  /** What must answer; left away for anything below 500 to `GET /`. */
  readonly health?: HealthCheck | undefined;
  /** Whether it is to take another one's place: without a health line, only an answer below 500 is good enough then. */
  readonly isSwap: boolean;
  /** Aborts when waiting makes no sense any more, as when the container exited. */
  readonly signal: AbortSignal;
}

/** How waiting ended, and the last that was answered. */
export interface Waited { readonly ready: boolean; readonly seen: ProbeResult }

const SHORTEST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 250;
const PAUSE_SHARE = 0.04;
/** Without a health line an application that answers 5xx all the time is shown as it is after so long. */
const TOLERATE_5XX_AFTER_MS = 5_000;
/** A probe without an answer stays, since a first answer may be slow, and another one is sent beside it. */
const BESIDE_MS = 5_000;

/**
 * Probes until the application answers as it must.
 *
 * @returns not ready when the time is over or the signal aborted
 */
export async function waitUntilReady(of: Omit<ProbeRequest, 'test'>, { probe, clock, readyTimeoutMs, health, isSwap, signal }: Readiness): Promise<Waited> {
  const over = new AbortController();
  const all = AbortSignal.any([signal, over.signal]);
  const startedAt = clock.monotonic();
  const waited = () => clock.monotonic() - startedAt;
  let ready = false;
  let seen: ProbeResult = { kind: 'silence' };
  const isReady = () => ready;
  const isGood = (result: ProbeResult) => {
    if (health) return isHealthy(result, health.test);
    return result.kind === 'answer' && (result.status < 500 || (!isSwap && waited() >= TOLERATE_5XX_AFTER_MS));
  };
  const ask = async () => {
    const result = await (health ? probeWithin({ ...of, test: health.test }, health.timeoutMs, { probe, clock, signal: all }) : probe(of, all));
    if (result.kind !== 'silence') seen = result;
    if (!isGood(result)) return;
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
    return { ready: isReady(), seen };
  } finally {
    over.abort();
  }
}
