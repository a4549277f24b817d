import type { IncomingMessage } from 'node:http';
import { AppError } from '../domain/errors.js';
import type { HostReader } from '../domain/hosts.js';
import { letsImagesRun } from '../domain/image-policy.js';
import type { Project } from '../domain/project.js';
import { CHOICE, CONTROL_PREFIX } from '../domain/urls.js';
import { classifyRequest } from './request-kind.js';

/** What a request on a host is for that applications and the control plane share (`routing: session`). */
export interface SharedHost {
  /**
   * Settles, once and for all that follows, whose a request is.
   *
   * Below the prefix it is the control plane's, its prefix taken away. Without the prefix it is the application's that
   * the browser chose, unless it chooses: a GET or HEAD of any path chooses by `__slipway=LABEL` always, and by
   * `branch=`, `hash=` and, where the project lets images run, `image=` if it is a navigation or nothing is chosen yet.
   * So a person who types `/?branch=b` goes there, and so does a program without a cookie, while the scripts and
   * images of the chosen application have these names to themselves.
   *
   * @throws AppError `preview_not_chosen`
   */
  settle(req: IncomingMessage): Promise<void>;
  /** Whether a settled request chooses: it is led to a preview or refused, and no page of ours answers it. */
  chooses(req: IncomingMessage): boolean;
  /** The host that a settled request is for. */
  hostOf(req: IncomingMessage): string | undefined;
}

export interface SharedHostDeps {
  readonly hosts: HostReader;
  /** The label that the browser chose; undefined when it did not. */
  readonly readChoice: (req: IncomingMessage) => Promise<string | undefined>;
}

/** Below the prefix these belong to the preview, as on a host of its own. */
const OF_THE_PREVIEW = /^\/__slipway\/(?:state|events)(?:\?|$)/;
/** A parameter of the query itself: not of a URL inside of a value, and not of a fragment. */
const hasParameter = (...names: string[]): RegExp => new RegExp(`^[^?#]*\\?(?:[^#]*&)?(?:${names.join('|')})=`);
const BY_LABEL = hasParameter(CHOICE);
const BY_NAME = hasParameter('branch', 'hash');
const BY_IMAGE = hasParameter('image');

export function createSharedHost({ hosts, readChoice }: SharedHostDeps): SharedHost {
  const chosen = new WeakMap<IncomingMessage, string>();
  const choosing = new WeakSet<IncomingMessage>();
  return {
    hostOf: (req) => chosen.get(req) ?? req.headers.host,
    chooses: (req) => choosing.has(req),
    settle: async (req) => {
      const meaning = hosts.read(req.headers.host);
      if (meaning.kind !== 'control') return;
      const url = req.url ?? '/';
      const isControl = url === CONTROL_PREFIX || url.startsWith(`${CONTROL_PREFIX}/`) || url.startsWith(`${CONTROL_PREFIX}?`);
      if (isControl && !OF_THE_PREVIEW.test(url)) { req.url = withoutPrefix(url); return; }
      const mayChoose = !isControl && ['GET', 'HEAD'].includes(req.method ?? '');
      const names = mayChoose && namesPreview(url, meaning.project);
      if ((mayChoose && BY_LABEL.test(url)) || (names && isNavigation(req))) { choosing.add(req); return; }
      const label = meaning.project === null ? undefined : await readChoice(req);
      if (label !== undefined) chosen.set(req, `${label}.${meaning.host}`);
      else if (names) choosing.add(req);
      else throw new AppError('preview_not_chosen', 'This browser has not chosen a preview.');
    },
  };
}

const namesPreview = (url: string, project: Project | null): boolean => BY_NAME.test(url) || (letsImagesRun(project) && BY_IMAGE.test(url));

/** A page that a browser fetches ahead may be shown in place of the navigation, so it must be of the same preview. */
const isNavigation = (req: IncomingMessage): boolean => classifyRequest(req) === 'navigation' || req.headers['sec-fetch-mode'] === 'navigate';

function withoutPrefix(url: string): string {
  const rest = url.slice(CONTROL_PREFIX.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}
