import type { IncomingMessage } from 'node:http';
import { AppError } from '../domain/errors.js';

const REFUSED_METHODS: ReadonlySet<string> = new Set(['TRACE', 'CONNECT']);

/** What a 405 of the data plane allows; everything else is the application's to refuse. */
export const ALLOWED_METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** What the control plane looks at; each of its paths says by itself which of them it takes. */
export const CONTROL_METHODS: ReadonlySet<string> = new Set(ALLOWED_METHODS.split(', '));

/** More than any program sends; node:http would leave out without a word what exceeds a limit of its own. */
const MOST_LINES = 200;

type Asked = Pick<IncomingMessage, 'method' | 'url' | 'rawHeaders' | 'httpVersionMajor'>;

/**
 * What node:http lets through and no host of ours takes: no Host line or two, TRACE, a target that is not a path, too many
 * lines, a transfer coding but chunked.
 */
export function faultOf({ method, url, rawHeaders, httpVersionMajor }: Asked): AppError | undefined {
  if (httpVersionMajor !== 1) return new AppError('invalid_request', 'This server speaks HTTP/1.');
  if (rawHeaders.length > 2 * MOST_LINES) return new AppError('header_too_large', `The request header has more than ${MOST_LINES} lines.`);
  if (REFUSED_METHODS.has(method ?? '') || url === '*') return new AppError('method_not_allowed', `${method ?? ''} is not allowed.`);
  if (url?.startsWith('/') !== true) return new AppError('invalid_request', 'The request target must be a path.');
  let hosts = 0;
  let codings = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    const value = rawHeaders[index + 1] ?? '';
    // An empty one beside another would be passed on with it.
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += value === '' ? 2 : 1;
    if (name?.length === 17 && name.toLowerCase() === 'transfer-encoding') codings += value.trim().toLowerCase() === 'chunked' ? 1 : 2;
  }
  if (codings > 1) return new AppError('invalid_request', 'The only transfer coding taken here is chunked.');
  return hosts === 1 ? undefined : new AppError('invalid_request', 'There must be exactly one Host header.');
}

/** Gives a target in absolute form the form of all others, if it is of the host that `Host` names (RFC 9112 section 3.2.2). */
export function toOriginForm(req: Pick<IncomingMessage, 'url' | 'headers'>): void {
  const [whole, authority = ''] = /^https?:\/\/([^/?#]*)/i.exec(req.url ?? '') ?? [];
  if (whole === undefined || authority.toLowerCase() !== req.headers.host?.toLowerCase()) return;
  const rest = (req.url ?? '').slice(whole.length);
  req.url = rest.startsWith('/') ? rest : `/${rest}`;
}
