/** How a preview is reached: by a host of its own, or on the project host by what the browser chose. */
export type Routing = 'subdomain' | 'session';

/** Where the control plane is when applications have the rest of the host, and what is reserved on every preview host. */
export const CONTROL_PREFIX = '/__slipway';
/**
 * The parameter that names the preview a browser wants to see from now on; only with `routing: session`. Applications
 * have all other names to themselves.
 */
export const CHOICE = '__slipway';

/** Makes absolute URLs in the scheme and port of the configured `url`, whatever the listener is. */
export interface Urls {
  /** `hash-….shop.localhost`, `/path?query` → a URL. */
  at(host: string, pathAndQuery?: string): string;
  /** A path of a preview, by its label and the host of its project. */
  preview(label: string, projectHost: string, pathAndQuery?: string): string;
  /** Where a preview takes itself to be: what it is told as its own URL. `host` is the preview's. */
  application(host: string, label: string): string;
  /** A page of the control plane. */
  control(host: string, pathAndQuery?: string): string;
  /** The `Host` header of such a URL: with the port unless it is the scheme's own. */
  authority(host: string): string;
  readonly routing: Routing;
  readonly serverHost: string;
  readonly secure: boolean;
}

/** `base` is asked at each use, since the port may be known only once the server listens. */
export function createUrls(base: () => URL, routing: Routing = 'subdomain'): Urls {
  const authority = (host: string) => (base().port === '' ? host : `${host}:${base().port}`);
  const at: Urls['at'] = (host, pathAndQuery = '/') => `${base().protocol}//${authority(host)}${pathAndQuery}`;
  return {
    at, authority, routing,
    preview: (label, projectHost, pathAndQuery = '/') => (routing === 'subdomain'
      ? at(`${label}.${projectHost}`, pathAndQuery)
      : at(projectHost, `${pathAndQuery === '' ? '/' : pathAndQuery}${pathAndQuery.includes('?') ? '&' : '?'}${CHOICE}=${label}`)),
    application: (host, label) => at(routing === 'subdomain' ? host : host.slice(label.length + 1), ''),
    control: (host, pathAndQuery = '/') => at(host, routing === 'subdomain' ? pathAndQuery : `${CONTROL_PREFIX}${pathAndQuery}`),
    get serverHost() { return base().hostname; },
    get secure() { return base().protocol === 'https:'; },
  };
}
