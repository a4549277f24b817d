/** The headers by which a browser says on whose behalf it asks. */
export interface SiteHeaders {
  readonly origin?: string | undefined;
  readonly 'sec-fetch-site'?: string | string[] | undefined;
}

/**
 * Whether a page of another origin asks. A browser that says nothing about it (plain http) sends `Origin` with all
 * that such a page could read; a program sends neither.
 */
export function isForeign(headers: SiteHeaders, own: string): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  return headers.origin !== undefined && headers.origin !== own;
}
