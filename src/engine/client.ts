import { Agent } from 'node:http';
import { inspect } from 'node:util';
import Docker from 'dockerode';
import { AppError } from '../domain/errors.js';
import type { Clock } from '../kernel/clock.js';
import { withDeadline } from '../kernel/deadline.js';
import { findEngineAddress, formatAddress } from './address.js';
import type { EngineAddress, EngineSearch } from './address.js';

/** How long each kind of call may take, in milliseconds. */
export interface Deadlines {
  readonly describe: number;
  /** Lists, inspections, tags, networks. */
  readonly read: number;
  readonly start: number;
  /** On top of the container's own grace. */
  readonly stop: number;
  readonly remove: number;
  /** How long the builder may look for a base image's description. */
  readonly baseImage: number;
}

export const DEFAULT_DEADLINES: Deadlines = { describe: 5_000, read: 15_000, start: 60_000, stop: 15_000, remove: 60_000, baseImage: 50_000 };

/** An answer of the engine with a failure status, for the verbs to judge; it does not leave this folder. */
export class EngineRefusal extends Error {
  readonly status: number;

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EngineRefusal';
    this.status = status;
  }
}

export interface Call<Result> {
  /** What is done, for the message: “list containers”. */
  readonly what: string;
  readonly ms: number;
  readonly run: (docker: Docker) => Promise<Result>;
  /** Repeats it once when the connection broke or the engine stumbled; for calls that change nothing. */
  readonly again?: boolean;
}

/** Finds the engine when it is needed and again after it was lost; nothing connects before the first call. */
export interface EngineClient {
  /**
   * @throws EngineRefusal when the engine refuses
   * @throws AppError `engine_unavailable` or `engine_timeout` when it does not answer
   */
  call<Result>(call: Call<Result>): Promise<Result>;
  /** For streams and waits, which have no deadline of their own; report their failures through `failure`. */
  connect(): Promise<Docker>;
  /** Turns what dockerode threw into a refusal or an `AppError`, and forgets an address that is lost. */
  failure(error: unknown, what: string): Error;
  /** Where the engine was last found; undefined before and after it was lost. */
  address(): EngineAddress | undefined;
}

const LOST = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'EACCES', 'ENOTFOUND', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH']);

export function createEngineClient({ search, clock }: { search: EngineSearch; clock: Clock }): EngineClient {
  const agent = createAgent();
  let found: EngineAddress | undefined;

  const locate = async (): Promise<EngineAddress> => (found ??= await findEngineAddress(search));

  const failure = (error: unknown, what: string): Error => {
    if (error instanceof AppError || error instanceof EngineRefusal) return error;
    const { code, statusCode } = error as { code?: string; statusCode?: number };
    if (statusCode !== undefined) return new EngineRefusal(statusCode, ownWords(error), { cause: error });
    if (code !== undefined && LOST.has(code)) {
      const where = found ? ` at ${formatAddress(found)}` : '';
      found = undefined;
      return new AppError('engine_unavailable', `The container engine${where} broke the connection (${code}), so it could not ${what}. Start Docker, or set DOCKER_HOST.`, { cause: error });
    }
    return error instanceof Error ? error : new Error(String(error));
  };

  const attempt = <Result>({ what, ms, run }: Call<Result>): Promise<Result> => withDeadline(async () => {
    try {
      // The socket's own limit ends the request itself; the deadline, a little earlier, ends the waiting for it.
      return await run(open(await locate(), { agent, timeout: ms + 500 }));
    } catch (error) {
      throw failure(error, what);
    }
  }, {
    ms, clock,
    error: () => new AppError('engine_timeout', `The container engine did not ${what} within ${ms / 1000} s. Try again; restart Docker if it stays so.`),
  });

  return {
    call: async (call) => {
      try {
        return await attempt(call);
      } catch (error) {
        if (call.again !== true || !isStumble(error)) throw error;
        return await attempt(call);
      }
    },
    connect: async () => open(await locate(), { agent }),
    failure,
    address: () => found,
  };
}

/** A connection that broke under us or a 5xx: both happen once around a restart of the engine. */
function isStumble(error: unknown): boolean {
  return error instanceof EngineRefusal ? error.status >= 500 : error instanceof AppError && error.code === 'engine_unavailable' && error.cause !== undefined;
}

/** The explicit `undefined`s keep the modem from taking its own view of DOCKER_HOST. */
function open(address: EngineAddress, options: { agent: Agent; timeout?: number }): Docker {
  const where = address.kind === 'socket'
    ? { socketPath: address.path, host: undefined, port: undefined, protocol: 'http' as const }
    : { socketPath: undefined, host: address.host, port: address.port, protocol: 'http' as const };
  return new Docker({ ...where, ...options });
}

/** The engine's message without dockerode's wrapping: `(HTTP code 404) no such image - …`. */
function ownWords(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^\(HTTP code \d+\) .*? - /s, '').trim();
}

/** The status of a refusal; undefined for every other failure. */
export const refusalStatus = (error: unknown): number | undefined => (error instanceof EngineRefusal ? error.status : undefined);

/** Lets the given refusals pass as undefined: what was to be done is done already, or its object is gone. */
export async function accepting<Result>(statuses: readonly number[], work: Promise<Result>): Promise<Result | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof EngineRefusal && statuses.includes(error.status)) return undefined;
    throw error;
  }
}

/** Gives a refusal that no verb expected its place in the table of errors. */
export function toEngineError(error: unknown): unknown {
  if (!(error instanceof EngineRefusal)) return error;
  return new AppError('engine_unavailable', `The container engine refused (status ${error.status}): ${error.message}`, { cause: error });
}

/** docker-modem prints its options, hidden properties and all, for each request: over a real agent that takes milliseconds. */
function createAgent(): Agent {
  return Object.assign(new Agent({ keepAlive: true, maxFreeSockets: 8 }), { [inspect.custom]: () => 'Agent' });
}
