import { remember } from '../kernel/remember.js';

const HOP_BY_HOP = [
  'connection', 'http2-settings', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection',
  'te', 'trailer', 'transfer-encoding', 'upgrade',
];
const ANSWER_DROPS: ReadonlySet<string> = new Set(HOP_BY_HOP);
// Lines about the body are set apart; `__proto__` would be no line but an object's ancestor.
const REQUEST_DROPS: ReadonlySet<string> = new Set([...HOP_BY_HOP, 'content-length', 'expect', 'forwarded', 'x-real-ip', 'x-request-id', '--proto--']);
const FORWARDED_BY_US: ReadonlySet<string> = new Set(['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port']);
// CGI-like servers take `_` for `-` and so read `X_Slipway_User` and `X-Slipway-User` as one name (CVE-2025-64484).
const RESERVED = /^x[^a-z0-9]slipway(?:[^a-z0-9]|$)/;

/** What is done with a header line by its name alone. */
export interface HeaderName {
  /** In lower case. */
  readonly key: string;
  /** A line of a request that the application does not get: from a proxy of ours, or from anybody else. */
  readonly dropped: { readonly trusted: boolean; readonly untrusted: boolean };
  /** A line of an answer that the client does not get. */
  readonly droppedFromAnswer: boolean;
}

/** Names are few and come again, and each answer and request has twenty of them; but anybody can make up new ones. */
const REMEMBERED = { most: 1_000, longest: 64 };

/** Reads a name as it was sent. */
export const readHeaderName = remember((name): HeaderName => {
  const key = name.toLowerCase();
  return {
    key, dropped: { trusted: isDroppedFromRequest(key, true), untrusted: isDroppedFromRequest(key, false) },
    droppedFromAnswer: ANSWER_DROPS.has(key) || (key.startsWith('x') && RESERVED.test(key)),
  };
}, REMEMBERED);

function isDroppedFromRequest(key: string, trusted: boolean): boolean {
  const plain = key.includes('_') ? key.replaceAll('_', '-') : key;
  if (plain.startsWith('x')) {
    if (RESERVED.test(plain)) return true;
    if (plain.startsWith('x-forwarded-')) return !trusted || FORWARDED_BY_US.has(plain);
  }
  return REQUEST_DROPS.has(plain) && !(trusted && key === 'x-real-ip');
}
