/** One message as RFC 9112 has it, and nothing more lenient: the second opinion on where it begins and ends. */
export interface Message {
  /** Request line or status line, in its three parts. */
  readonly first: readonly [string, string, string];
  /** Names in lower case. */
  readonly lines: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

export type Reading =
  | { readonly kind: 'whole'; readonly message: Message; readonly end: number }
  /** More must come; `message` is there once its head is, with as much of the body as could be read. */
  | { readonly kind: 'partial'; readonly message: Message | undefined }
  | { readonly kind: 'malformed'; readonly why: string; /** There when the fault lies behind it. */ readonly message: Message | undefined };

/** How a body is delimited: by its length, or otherwise. */
type Framing = number | 'chunked' | 'close';

class Malformed extends Error {}

/** What node:http takes, less what it counts otherwise. */
const MOST_HEAD = 16_000;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e\x80-\xff]+) (HTTP\/1\.[01])$/;
/** With what node:http puts right: several spaces, and names that it takes for those of the same protocol. */
const LOOSE_REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) +([\x21-\x7e\x80-\xff]+) +((?:HTTP|RTSP|ICE)\/\d\.\d)$/;
const STATUS_LINE = /^(HTTP\/1\.[01]) ([1-9]\d\d) ([\t\x20-\x7e\x80-\xff]*)$/;

/** The request that begins there; with a loose first line, it may be written as the front puts it right. Text is latin1. */
export function readRequest(text: string, from = 0, loose = false): Reading {
  return read(text, from, { line: loose ? LOOSE_REQUEST_LINE : REQUEST_LINE, mostHead: MOST_HEAD, framingOf: (lines) => framingOf(lines) ?? 0 });
}

const LOOSE_STATUS_LINE = /^((?:HTTP|RTSP|ICE)\/\d\.\d) +([1-9]\d\d)(?: ([^\r\n]*))?$/;

export interface Answered {
  /** The method that was asked with. */
  readonly method: string;
  /** The connection has ended. */
  readonly ended: boolean;
  /** With what node:http puts right: the first line, and a coding that is named twice. */
  readonly loose?: boolean;
}

/** The answer that begins there; those of 1xx are answers of their own. */
export function readAnswer(text: string, from: number, { method, ended, loose = false }: Answered): Reading {
  const framing = (lines: Message['lines'], [, status]: Message['first']): Framing => {
    const given = framingOf(lines, loose);
    const bodyless = method === 'HEAD' || status.startsWith('1') || status === '204' || status === '304';
    return bodyless ? 0 : given ?? 'close';
  };
  return read(text, from, { line: loose ? LOOSE_STATUS_LINE : STATUS_LINE, mostHead: Infinity, framingOf: framing, ended });
}

interface Rules {
  readonly line: RegExp;
  readonly mostHead: number;
  readonly framingOf: (lines: Message['lines'], first: Message['first']) => Framing;
  readonly ended?: boolean;
}

function read(text: string, from: number, rules: Rules): Reading {
  let head: Message | undefined;
  try {
    const end = text.indexOf('\r\n\r\n', from);
    if ((end < 0 ? text.length : end) - from > rules.mostHead) throw new Malformed('too large a head');
    if (end < 0) return { kind: 'partial', message: undefined };
    const [first = '', ...rest] = text.slice(from, end).split('\r\n');
    const parts = rules.line.exec(first);
    if (!parts) throw new Malformed(`first line ${JSON.stringify(first.slice(0, 200))}`);
    head = { first: [parts[1] ?? '', parts[2] ?? '', parts[3] ?? ''], lines: rest.map(readLine), body: '' };
    return readBody({ head, text, from: end + 4 }, rules.framingOf(head.lines, head.first), rules.ended === true);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { kind: 'malformed', why: error.message, message: head };
  }
}

function readLine(line: string): readonly [string, string] {
  const colon = line.indexOf(':');
  const name = line.slice(0, Math.max(colon, 0));
  const value = line.slice(colon + 1);
  if (!TOKEN.test(name) || !VALUE.test(value)) throw new Malformed(`header line ${JSON.stringify(line.slice(0, 200))}`);
  return [name.toLowerCase(), value.replace(/^[\t ]+|[\t ]+$/g, '')];
}

function framingOf(lines: Message['lines'], loose = false): Framing | undefined {
  const lengths = valuesOf(lines, 'content-length');
  const written = valuesOf(lines, 'transfer-encoding').map((coding) => coding.toLowerCase());
  const codings = loose ? [...new Set(written)] : written;
  if (lengths.length + codings.length > 1) throw new Malformed('two framings');
  if (codings.length === 1) {
    if (codings[0] !== 'chunked') throw new Malformed(`coding ${JSON.stringify(codings[0])}`);
    return 'chunked';
  }
  if (lengths.length === 0) return undefined;
  if (!/^\d{1,15}$/.test(lengths[0] ?? '')) throw new Malformed(`length ${JSON.stringify(lengths[0])}`);
  return Number(lengths[0]);
}

interface Begun { readonly head: Message; readonly text: string; readonly from: number }

function readBody({ head, text, from }: Begun, framing: Framing, ended: boolean): Reading {
  if (framing === 'chunked') return readChunks({ head, text, from });
  const end = framing === 'close' ? text.length : from + framing;
  const message = { ...head, body: text.slice(from, end) };
  const isWhole = framing === 'close' ? ended : text.length >= end;
  return isWhole ? { kind: 'whole', message, end } : { kind: 'partial', message };
}

function readChunks({ head, text, from }: Begun): Reading {
  let body = '';
  for (let at = from; ;) {
    const partial = { kind: 'partial', message: { ...head, body } } as const;
    const line = text.indexOf('\r\n', at);
    if (line < 0) return partial;
    const [, digits] = /^0*([0-9a-fA-F]{1,12})(?:;[\t\x20-\x7e\x80-\xff]*)?$/.exec(text.slice(at, line)) ?? [];
    if (digits === undefined) throw new Malformed(`chunk ${JSON.stringify(text.slice(at, line).slice(0, 100))}`);
    const size = parseInt(digits, 16);
    at = line + 2;
    if (size === 0) {
      const end = endOfTrailers(text, at);
      return end < 0 ? partial : { kind: 'whole', message: { ...head, body }, end };
    }
    body += text.slice(at, at + size);
    if (text.length < at + size + 2) return { kind: 'partial', message: { ...head, body } };
    if (text.slice(at + size, at + size + 2) !== '\r\n') throw new Malformed('chunk without its end');
    at += size + 2;
  }
}

function endOfTrailers(text: string, from: number): number {
  for (let at = from; ;) {
    const end = text.indexOf('\r\n', at);
    if (end < 0) return -1;
    if (end === at) return end + 2;
    readLine(text.slice(at, end));
    at = end + 2;
  }
}

/** All values of a name, which is in lower case. */
export const valuesOf = (lines: Message['lines'], name: string): string[] => lines.flatMap(([key, value]) => (key === name ? [value] : []));
