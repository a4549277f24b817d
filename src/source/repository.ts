import { isAbsolute, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AppError } from '../domain/errors.js';

/** Where a project's commits come from, with its credentials taken apart from its address. */
export interface Repository {
  /** What git fetches from: a URL without password, an scp-like address or an absolute path. */
  readonly address: string;
  /** The folder of a repository on this machine; null for a remote one. */
  readonly path: string | null;
  /** The header that carries the credentials of an http(s) URL; null without credentials. */
  readonly authorization: string | null;
  /** Arguments for ssh, quoted for a shell. */
  readonly sshOptions: string;
  /** Takes credentials out of what git says. */
  redact(text: string): string;
}

const ALLOWED = 'https://…, http://…, ssh://…, user@host:path or an absolute path';
const MASK = '***';
/** `user@host:path` as ssh has it; a second colon would make it one of git's helper programs, such as `ext::`. */
const SCP_LIKE = /^(?:[A-Za-z0-9_][\w.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*:(?!:|\/\/)[^:].*$/;

/**
 * Reads the address of a repository. Helper transports (`ext::`, `fd::`) and other protocols are refused.
 *
 * @throws AppError `invalid_request` naming what is allowed
 */
export function parseRepository(text: string): Repository {
  // eslint-disable-next-line no-control-regex
  if (text === '' || /[\x00-\x1f\x7f]/.test(text)) throw refusal('the address is empty or has a control character');
  if (isAbsolute(text)) return localRepository(text);
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text)) return urlRepository(text);
  if (!SCP_LIKE.test(text)) throw refusal(`“${maskUserInfo(text)}” is not one`);
  return { address: text, path: null, authorization: null, sshOptions: '', redact: (said) => said };
}

const refusal = (why: string): AppError => new AppError('invalid_request', `A repository is ${ALLOWED}: ${why}.`);

function localRepository(text: string): Repository {
  const path = normalize(text).replace(/(?<=.)\/+$/, '');
  return { address: path, path, authorization: null, sshOptions: '', redact: (said) => said };
}

function urlRepository(text: string): Repository {
  if (!URL.canParse(text)) throw refusal(`“${maskUserInfo(text)}” is not a URL`);
  const url = new URL(text);
  if (url.protocol === 'file:') return localRepository(filePath(url));
  if (!['https:', 'http:', 'ssh:'].includes(url.protocol)) throw refusal(`“${url.protocol}” is not allowed`);
  if (url.hostname === '' || url.hostname.startsWith('-')) throw refusal('the host is missing or begins with a hyphen');
  const secrets = secretsOf(url);
  const authorization = authorizationOf(url);
  const address = withoutCredentials(url);
  return {
    address, path: null, authorization, sshOptions: '',
    redact: (said) => secrets.reduce((safe, secret) => safe.replaceAll(secret, MASK), maskUserInfo(said)),
  };
}

function filePath(url: URL): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new AppError('invalid_request', `A repository is ${ALLOWED}: give the path itself.`, { cause });
  }
}

/** The user of an ssh URL is part of the address; every other user information is a credential. */
function withoutCredentials(url: URL): string {
  const bare = new URL(url);
  bare.password = '';
  if (bare.protocol !== 'ssh:') bare.username = '';
  return bare.href;
}

function authorizationOf(url: URL): string | null {
  if (url.protocol === 'ssh:' || (url.username === '' && url.password === '')) return null;
  const pair = `${decode(url.username)}:${decode(url.password)}`;
  return `Authorization: Basic ${Buffer.from(pair).toString('base64')}`;
}

/** A token may stand in either place, so that a lone user name counts as one. */
function secretsOf(url: URL): string[] {
  const lone = url.password === '' && url.protocol !== 'ssh:' ? url.username : '';
  const header = authorizationOf(url)?.replace('Authorization: Basic ', '') ?? '';
  const all = [url.password, decode(url.password), lone, decode(lone), header];
  return [...new Set(all)].filter((secret) => secret !== '').sort((a, b) => b.length - a.length);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const maskUserInfo = (text: string): string => text.replace(/(\w+:\/\/)[^/\s@]*@/g, `$1${MASK}@`);
