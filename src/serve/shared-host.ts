import type { IncomingMessage } from 'node:http';
import { AppError } from '../domain/errors.js';
import type { HostReader } from '../domain/hosts.js';
import { CHOICE, CONTROL_PREFIX } from '../domain/urls.js';

/** What a request on a host is for that applications and the control plane share (`routing: session`). */
export interface SharedHost {
  /**
   * Puts aside what belongs to the control plane, its prefix taken away, and points everything else at the preview
   * that the browser chose. @throws AppError `preview_not_chosen`
   */
  settle(req: IncomingMessage): Promise<void>;
  /** The host that a settled request is for. */
  hostOf(req: IncomingMessage): string | undefined;
}

export interface SharedHostDeps {
  readonly hosts: HostReader;
  /** The label that the browser chose; undefined when it did not. */
  readonly readChoice: (req: IncomingMessage) => Promise<string | undefined>;
}

/** These lead to another preview, wherever they stand. */
const CHOOSES = new RegExp(`[?&](?:branch|hash|image|${CHOICE})=`);
/** Below the prefix these belong to the preview, as on a host of its own. */
const OF_THE_PREVIEW = /^\/__slipway\/(?:state|events)(?:\?|$)/;

export function createSharedHost({ hosts, readChoice }: SharedHostDeps): SharedHost {
  const chosen = new WeakMap<IncomingMessage, string>();
  return {
    hostOf: (req) => chosen.get(req) ?? req.headers.host,
    settle: async (req) => {
      const meaning = hosts.read(req.headers.host);
      if (meaning.kind !== 'control') return;
      const url = req.url ?? '/';
      const isControl = url === CONTROL_PREFIX || url.startsWith(`${CONTROL_PREFIX}/`) || url.startsWith(`${CONTROL_PREFIX}?`);
      if (isControl && !OF_THE_PREVIEW.test(url)) { req.url = withoutPrefix(url); return; }
      if (!isControl && CHOOSES.test(url) && ['GET', 'HEAD'].includes(req.method ?? '')) return;
      const label = meaning.project === null ? undefined : await readChoice(req);
      if (label === undefined) throw new AppError('preview_not_chosen', 'This browser has not chosen a preview.');
      chosen.set(req, `${label}.${meaning.host}`);
    },
  };
}

function withoutPrefix(url: string): string {
  const rest = url.slice(CONTROL_PREFIX.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}
