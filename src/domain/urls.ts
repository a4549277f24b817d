/** Makes absolute URLs in the scheme and port of the configured `url`, whatever the listener is. */
export interface Urls {
  /** `hash-….shop.localhost`, `/path?query` → a URL. */
  at(host: string, pathAndQuery?: string): string;
  /** The `Host` header of such a URL: with the port unless it is the scheme's own. */
  authority(host: string): string;
  readonly serverHost: string;
  readonly secure: boolean;
}

/** `base` is asked at each use, since the port may be known only once the server listens. */
export function createUrls(base: () => URL): Urls {
  const authority = (host: string) => (base().port === '' ? host : `${host}:${base().port}`);
  return {
    authority,
    at: (host, pathAndQuery = '/') => `${base().protocol}//${authority(host)}${pathAndQuery}`,
    get serverHost() { return base().hostname; },
    get secure() { return base().protocol === 'https:'; },
  };
}
