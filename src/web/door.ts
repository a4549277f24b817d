import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Request } from 'express';
import { AppError } from '../domain/errors.js';
import type { Urls } from '../domain/urls.js';

/** Who may change something. Sign-in will add ways to be known here; routes only ask. */
export interface Door {
  /** Whether the request bears the token. @throws AppError `missing_token` when it bears a wrong one */
  bearsToken(req: Request): boolean;
  /**
   * Lets a change through: a bearer of the token, or a form of ours that this browser was given.
   *
   * @throws AppError `missing_token`, `cross_site`
   */
  assertMayChange(req: Request): void;
  /** The token for a form in this browser's session; begins the session. */
  formToken(req: Request): string;
}

export function createDoor({ token, urls }: { token: string; urls: Urls }): Door {
  const bearsToken = (req: Request): boolean => {
    const { authorization } = req.headers;
    if (authorization === undefined) return false;
    const [, given = ''] = /^Bearer +(\S+)$/i.exec(authorization) ?? [];
    if (!equal(given, token)) throw new AppError('missing_token', 'The token is not the right one.');
    return true;
  };
  return {
    bearsToken,
    assertMayChange: (req) => {
      if (bearsToken(req)) return;
      const given = formField(req, 'token');
      if (given === undefined) throw new AppError('missing_token', 'Changes need a token.');
      if (!isSameOrigin(req, urls)) throw new AppError('cross_site', 'The form was not sent from a page of this server.');
      const { forgeryToken } = req.session;
      if (forgeryToken === undefined || !equal(given, forgeryToken)) throw new AppError('cross_site', 'The form is too old, or of another browser.');
    },
    formToken: (req) => (req.session.forgeryToken ??= randomBytes(32).toString('hex')),
  };
}

/** Browsers say where a request comes from; where they leave `Sec-Fetch-Site` out (plain http), `Origin` must be our own. */
function isSameOrigin({ headers }: Request, urls: Urls): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') return false;
  const own = headers.host === undefined ? undefined : urls.at(headers.host.replace(/:\d+$/, ''), '');
  return headers.origin === undefined ? site === 'same-origin' : headers.origin === own;
}

/** A field of a urlencoded body; undefined when it is missing or given twice. */
export function formField(req: Request, name: string): string | undefined {
  const body: unknown = req.body;
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, name)) return undefined;
  const value: unknown = Reflect.get(body, name);
  return typeof value === 'string' ? value : undefined;
}

/** Compares digests, so that neither length nor content shows in the time taken. */
function equal(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
