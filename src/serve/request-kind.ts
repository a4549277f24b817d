import type { IncomingMessage } from 'node:http';
import { isAutomaticAgent } from './automatic-agents.js';

/**
 * How a request that cannot be forwarded yet is answered: a navigation gets a page, anything else is held longer
 * and then told to come back, and a passive one neither causes anything nor keeps anything alive.
 */
export type RequestKind = 'navigation' | 'program' | 'passive';

export function classifyRequest({ method, headers }: Pick<IncomingMessage, 'method' | 'headers'>): RequestKind {
  if (isPassive(method, headers)) return 'passive';
  if (method !== 'GET') return 'program';
  const mode = headers['sec-fetch-mode'];
  if (mode !== undefined) return mode === 'navigate' ? 'navigation' : 'program';
  return /\btext\/html\b/i.test(headers.accept ?? '') ? 'navigation' : 'program';
}

/** Who sends something wants it done, whatever they call themselves: chat services deliver their users' commands under the name of their link previews. */
function isPassive(method: string | undefined, headers: IncomingMessage['headers']): boolean {
  if (method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS') return false;
  const purpose = headers['sec-purpose'] ?? headers.purpose ?? headers['x-moz'];
  if (method === 'HEAD' || (typeof purpose === 'string' && /prefetch|prerender|preview/i.test(purpose))) return true;
  return isAutomaticAgent(headers['user-agent'] ?? '');
}
