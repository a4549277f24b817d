import { text as textOf } from 'node:stream/consumers';
import type { z } from 'zod';
import { cleanLine } from '../domain/log-line.js';
import { errorCode } from '../kernel/error-code.js';
import { FAILURE } from './answers.js';
import { CommandFailure, EXIT, exitCodeOf, withWait } from './failure.js';
import type { Received, Send } from './transport.js';

/** An answer as it came, which `--json` prints, and as it was understood. */
export interface Answer<Value> {
  readonly text: string;
  readonly value: Value;
}

export interface Question {
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Asks one server. Everything but a success is thrown. */
export interface Asking {
  /** @throws CommandFailure with the server's words, or when it cannot be reached */
  json<Value>(schema: z.ZodType<Value>, question: Question): Promise<Answer<Value>>;
  /** The same for an answer of this media type that is read while it comes. */
  stream(type: string, question: Question): Promise<AsyncIterable<Uint8Array>>;
}

export interface AskingDeps {
  /** May have a path, below which the API is then. */
  readonly server: URL;
  readonly token: string | undefined;
  /** Where the token came from, for who is refused. */
  readonly tokenNote: string;
  readonly send: Send;
}

export function createAsking({ server, token, tokenNote, send }: AskingDeps): Asking {
  const called = server.href.replace(/\/$/, '');

  const failed = (why: string, cause: unknown) => new CommandFailure(EXIT.unreachable, why, { cause });
  const unreachable = (error: unknown): CommandFailure => failed(`Cannot reach ${called} (${codeOf(error)}): is it running there? Name another with --server or SLIPWAY_SERVER.`, error);
  const lost = (error: unknown): CommandFailure => failed(`Lost the connection to ${called} (${codeOf(error)}): is it still running there?`, error);
  /** Whether the server did it, only its records know. */
  const lostChange = (error: unknown): CommandFailure =>
    failed(`The connection to ${called} broke (${codeOf(error)}) before its answer was through: what was asked for may have happened, or not. Look with slipway status before you try again.`, error);

  const ask = async (question: Question): Promise<Received> => {
    const { method = 'GET', path, query = {}, body, headers = {} } = question;
    const broken = method === 'POST' ? lostChange : lost;
    const url = new URL(`${called}${path}${queryText(query)}`);
    const text = body === undefined ? undefined : JSON.stringify(body);
    const received = await send({
      method, url, body: text,
      headers: {
        accept: 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }), ...headers,
      },
    }).catch((error: unknown) => { throw isBroken(error) ? broken(error) : unreachable(error); });
    if (received.status < 200 || received.status > 299) throw await failureFrom(received, { called, tokenNote });
    return { ...received, body: withWords(received.body, broken) };
  };

  return {
    stream: async (type, question) => {
      const { status, headers, body } = await ask({ ...question, headers: { ...question.headers, accept: `${type}, application/json` } });
      const given = headers['content-type'];
      if (given === undefined || given.startsWith(type)) return body;
      throw new CommandFailure(EXIT.failed, `${called} answered ${status} with ${cleanLine(given)}, and not in Slipway’s words: ${WHICH_SERVER}`);
    },
    json: async (schema, question) => {
      const text = await textOf((await ask(question)).body);
      return { text: text.trimEnd(), value: understand(schema, { text, called }) };
    },
  };
}

const WHICH_SERVER = 'does --server name the server host of a Slipway?';

const codeOf = (error: unknown): string => errorCode(error) || 'no answer';
const isBroken = (error: unknown): boolean => typeof error === 'object' && error !== null && 'isBroken' in error && error.isBroken === true;

/** Reads JSON. @throws CommandFailure when it is none, or not what was expected */
export function understand<Value>(schema: z.ZodType<Value>, { text, called }: { text: string; called: string }): Value {
  const parsed = schema.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue && issue.path.length > 0 ? ` at ${issue.path.join('.')}` : '';
  throw new CommandFailure(EXIT.failed, `${called} answered something that this version does not understand${where}: is it Slipway, and of the same version?`, { cause: parsed.error });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function* withWords(body: AsyncIterable<Uint8Array>, broken: (error: unknown) => CommandFailure): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw broken(error);
  }
}

/** The server's own words, which say what to do next. */
async function failureFrom({ status, headers, body }: Received, { called, tokenNote }: { called: string; tokenNote: string }): Promise<CommandFailure> {
  const { data } = FAILURE.safeParse(jsonOf(await textOf(body).catch(() => '')));
  if (!data) {
    const elsewhere = headers.location === undefined ? '' : `, leading to ${cleanLine(headers.location)}`;
    return new CommandFailure(exitCodeOf(status), `${called} answered ${status}${elsewhere}, and not in Slipway’s words: ${WHICH_SERVER}`);
  }
  const { error, message, requestId, lastLines, nearest, projects, candidates } = data;
  const meant = [...nearest, ...projects, ...candidates];
  const said = withWait(message, headers['retry-after']);
  const retry = headers['retry-after'] === undefined || said !== message ? '' : `, Retry-After: ${headers['retry-after']}`;
  const note = status === 401 ? ` ${tokenNote}` : '';
  return new CommandFailure(exitCodeOf(status), `${cleanLine(said)}${meant.length === 0 ? '' : ` Could be: ${cleanLine(meant.join(', '))}.`}${note} (${error}${retry}${requestId === null ? '' : `, request ${requestId}`})`, { lines: lastLines });
}

function queryText(query: NonNullable<Question['query']>): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return given.length === 0 ? '' : `?${given.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join('&')}`;
}
