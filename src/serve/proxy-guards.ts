import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { CommitHash, ReleaseNumber } from '../domain/ids.js';
import { formatRelease } from '../domain/ids.js';
import { AppError } from '../domain/errors.js';
import { readHeaderName } from './header-names.js';

/** Header lines as node:http reads and writes them: name, value, name, value …, so that order, case and duplicates survive. */
export type RawHeaders = readonly string[];

/** What an application is told about the connection it cannot see itself. */
export interface Forwarded {
  /** Address of the peer on the client's connection. */
  readonly for: string;
  readonly host: string;
  readonly proto: 'http' | 'https';
  readonly port: string;
}

export interface RequestRules {
  readonly forwarded: Forwarded;
  /** The peer is a proxy of ours: what it says about its own peer is kept and added to. */
  readonly trusted: boolean;
  readonly requestId: string;
}

export interface AnswerRules {
  /** Null when its image was pulled. */
  readonly commit: CommitHash | null;
  readonly release: ReleaseNumber;
  /** Host of the preview as it was asked for, in any case, with or without port. */
  readonly previewHost: string;
}

export interface AnswerHead {
  readonly status: number;
  readonly reason: string;
  readonly headers: string[];
}

export type Framing = 'none' | 'length' | 'chunked';

/** A peer that names these in `Connection` would take framing or routing away from the next hop (CVE-2025-48865). */
const NEVER_NAMED: ReadonlySet<string> = new Set(['host', 'content-length', 'set-cookie']);
/** For all others node:http would declare a missing body as chunked. */
const BODYLESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE', 'CONNECT']);
const NOTHING: ReadonlySet<string> = new Set();
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

// A cookie without a name comes back as its value alone, which may read like one with a name.
const RESERVED_COOKIE = /^[\s=]*(?:__(?:host|secure)-(?:slw|slipway)|slw_|slipway_)/i;
const RESERVED_BEARER = /^bearer\s+slw_/i;
const UNWRITABLE = /[^\t\x20-\x7e\x80-\xff]/;
const UNWRITABLE_TARGET = /[^\x21-\x7e\x80-\xff]/;
const UNWRITABLE_ALL = /[^\t\x20-\x7e\x80-\xff]/g;

/** How the body of a request is delimited. @throws AppError `invalid_request` for any transfer coding but chunked */
export function requestFraming({ headers }: Pick<IncomingMessage, 'headers'>): Framing {
  const coding = headers['transfer-encoding'];
  const length = headers['content-length'];
  if (coding !== undefined) {
    if (coding.trim().toLowerCase() !== 'chunked') throw new AppError('invalid_request', 'The only transfer coding taken here is chunked.');
    if (length !== undefined) throw new AppError('invalid_request', 'A body has a length or is chunked, never both.');
    return 'chunked';
  }
  return length === undefined || length === '0' ? 'none' : 'length';
}

/** Whether a request may be sent again: it changes nothing by being repeated, and carries no body. */
export function isRepeatable(req: Pick<IncomingMessage, 'method' | 'headers'>): boolean {
  return IDEMPOTENT.has(req.method ?? '') && requestFraming(req) === 'none';
}

/** The lines about a request's body, which `requestHeaders` leaves out. */
export function bodyLines({ method = 'GET', headers }: Pick<IncomingMessage, 'method' | 'headers'>, framing: Framing): string[] {
  const lines = headers.expect === undefined ? [] : ['Expect', headers.expect];
  if (framing === 'chunked') lines.push('Transfer-Encoding', 'chunked');
  else if (headers['content-length'] !== undefined) lines.push('Content-Length', headers['content-length']);
  else if (!BODYLESS.has(method)) lines.push('Content-Length', '0');
  return lines;
}

/** The request target in the form an origin server expects, otherwise byte for byte as it came. @throws AppError `invalid_request` */
export function originForm(target: string): string {
  if (UNWRITABLE_TARGET.test(target)) throw new AppError('invalid_request', 'The request target has a character in it that it may not have.');
  if (target.startsWith('/')) return target;
  const absolute = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(target);
  if (absolute === null) return target;
  const rest = target.slice(absolute[0].length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/**
 * What the application gets of a request's header lines: hop-by-hop lines, Slipway's own names, cookies and tokens
 * are gone, forwarding lines say what this server saw; all else is untouched. The lines about the body and
 * `Connection` are the caller's.
 *
 * @param token the bearer of this server's own API, where it has no prefix to know it by
 */
export function requestHeaders(raw: RawHeaders, rules: RequestRules, token?: string): string[] {
  const { forwarded, trusted, requestId } = rules;
  const named = namedInConnection(raw);
  const kept: string[] = [];
  let hasHost = false;
  let hasForwarded = false;
  let hasRealIp = false;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] ?? '';
    const { key, dropped } = readHeaderName(name);
    if (trusted ? dropped.trusted : dropped.untrusted) {
      hasForwarded ||= key === 'forwarded';
      hasRealIp ||= key === 'x-real-ip';
      continue;
    }
    if (named.has(key)) continue;
    const value = trusted && key === 'host' ? forwarded.host : withoutOwnSecrets(key, raw[at + 1] ?? '', token);
    if (value === null) continue;
    kept.push(name, value);
    hasHost ||= key === 'host';
  }
  if (!hasHost) kept.push('Host', forwarded.host);
  if (hasForwarded) kept.push('Forwarded', trusted ? appended(raw, 'forwarded', forwardedElement(forwarded)) : forwardedElement(forwarded));
  if (hasRealIp) kept.push('X-Real-IP', forwarded.for);
  kept.push(
    'X-Forwarded-For', trusted ? appended(raw, 'x-forwarded-for', forwarded.for) : forwarded.for,
    'X-Forwarded-Host', forwarded.host, 'X-Forwarded-Proto', forwarded.proto, 'X-Forwarded-Port', forwarded.port, 'X-Request-Id', requestId,
  );
  return kept;
}

/** What the client gets of an answer's first lines. @throws AppError `bad_upstream` when they cannot be passed on */
export function answerHead(answer: IncomingMessage, rules: AnswerRules): AnswerHead {
  const status = answer.statusCode ?? 0;
  if (status < 200 || status > 999) throw new AppError('bad_upstream', `The application answered with the status ${status}, which no client takes.`);
  const headers = answerHeaders(answer.rawHeaders, rules);
  return { status, reason: printable(answer.statusMessage ?? ''), headers: status === 204 ? without(headers, 'content-length') : headers };
}

/** What the client gets of an answer's header lines. @throws AppError `bad_upstream` for a coding that its body keeps */
export function answerHeaders(raw: RawHeaders, { commit, release, previewHost }: AnswerRules): string[] {
  const named = namedInConnection(raw);
  const kept: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] ?? '';
    const { key, droppedFromAnswer } = readHeaderName(name);
    if (key === 'transfer-encoding') requireKnownCoding(raw[at + 1] ?? '');
    if (droppedFromAnswer || named.has(key)) continue;
    const value = key === 'set-cookie' ? ownCookieOnly(raw[at + 1] ?? '', previewHost) : raw[at + 1] ?? '';
    if (value !== null) kept.push(name, value);
  }
  if (commit !== null) kept.push('X-Slipway-Commit', commit);
  kept.push('X-Slipway-Release', formatRelease(release), 'X-Robots-Tag', 'noindex');
  return kept;
}

/** Header lines as text. @throws AppError `bad_upstream` for one that cannot be written */
function headerText(lines: RawHeaders): string {
  const written: string[] = [];
  for (let at = 0; at + 1 < lines.length; at += 2) written.push(`${lines[at] ?? ''}: ${lines[at + 1] ?? ''}\r\n`);
  if (lines.some((part) => UNWRITABLE.test(part))) throw new AppError('bad_upstream', 'The application sent a header with a control character in it.');
  return written.join('');
}

/** The first lines of an answer as bytes. @throws AppError `bad_upstream` for a header that cannot be written */
export function messageHead({ status, reason, headers }: AnswerHead): string {
  return `HTTP/1.1 ${status} ${reason === '' ? STATUS_CODES[status] ?? '' : reason}\r\n${headerText(headers)}\r\n`;
}

/** A reason phrase without the bytes that a status line may not carry. */
export function printable(reason: string): string {
  return reason.replace(UNWRITABLE_ALL, '');
}

/** A cookie line without Slipway's own cookies, the bytes of the others untouched; null when none is left. */
export function withoutReservedCookies(line: string): string | null {
  if (!/slw|slipway/i.test(line)) return line;
  const others = line.split(';').filter((pair) => !RESERVED_COOKIE.test(pair));
  return others.length === 0 ? null : others.join(';').trimStart();
}

/** A `Set-Cookie` value that stays on the preview's own host; null for a name that is Slipway's. */
export function ownCookieOnly(line: string, previewHost: string): string | null {
  if (RESERVED_COOKIE.test(line)) return null;
  if (!/domain/i.test(line)) return line;
  const host = previewHost.toLowerCase().replace(/\.?(?::\d*)?$/, '');
  const [pair = '', ...attributes] = line.split(';');
  return [pair, ...attributes.filter((attribute) => !coversParent(attribute, host))].join(';');
}

/** By hand: an expression for this takes quadratic time on a long line of blanks. */
function coversParent(attribute: string, host: string): boolean {
  const equals = attribute.indexOf('=');
  if (attribute.slice(0, Math.max(equals, 0)).trim().toLowerCase() !== 'domain') return false;
  let domain = attribute.slice(equals + 1).trim().toLowerCase().replaceAll('"', '');
  if (domain.startsWith('.')) domain = domain.slice(1);
  if (domain.endsWith('.')) domain = domain.slice(0, -1);
  return domain !== '' && host.endsWith(`.${domain}`);
}

function withoutOwnSecrets(key: string, value: string, token: string | undefined): string | null {
  if (key === 'cookie') return withoutReservedCookies(value);
  if (key !== 'authorization') return value;
  const isOurs = RESERVED_BEARER.test(value) || (token !== undefined && /^bearer\s+(.*)$/i.exec(value)?.[1]?.trim() === token);
  return isOurs ? null : value;
}

function namedInConnection(raw: RawHeaders): ReadonlySet<string> {
  let named: Set<string> | undefined;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] ?? '';
    if (name.length !== 10 || name.toLowerCase() !== 'connection') continue;
    const value = (raw[at + 1] ?? '').toLowerCase();
    if (value === 'keep-alive' || value === 'close') continue;
    for (const token of value.split(',')) {
      const key = token.trim();
      if (!NEVER_NAMED.has(key)) (named ??= new Set()).add(key);
    }
  }
  return named ?? NOTHING;
}

function appended(raw: RawHeaders, key: string, value: string): string {
  const chain = raw.filter((_, at) => at % 2 === 1 && raw[at - 1]?.toLowerCase() === key);
  return [...chain, value].join(', ');
}

/** @see RFC 7239 section 6: an IPv6 address is bracketed, and what has colons is quoted */
const forwardedElement = ({ for: address, host, proto }: Forwarded): string =>
  `for=${address.includes(':') ? `"[${address}]"` : address};host="${host}";proto=${proto}`;

/** What remains coded after node:http took the chunks apart would reach the client without its label. */
function requireKnownCoding(coding: string): void {
  if (coding.trim().toLowerCase() !== 'chunked') throw new AppError('bad_upstream', `The application sent its answer with the transfer coding ${coding}.`);
}

/** Header lines but for those of a name, given in lower case. */
export function without(headers: string[], key: string): string[] {
  return headers.filter((_, at) => headers[at - (at % 2)]?.toLowerCase() !== key);
}
