/** A time as a page shows it. */
export interface Moment {
  /** ISO 8601 in UTC with milliseconds, for `datetime`. */
  readonly iso: string;
  /** Such as `5 minutes ago`, as of when the page was made. */
  readonly relative: string;
  /** Such as `2026-03-01 14:05:09 UTC`, for `title`. */
  readonly full: string;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const UNITS: readonly (readonly [string, number])[] = [
  ['year', 365 * DAY], ['month', 30 * DAY], ['day', DAY], ['hour', HOUR], ['minute', MINUTE], ['second', SECOND],
];

/** Says how long ago a time was, or how far ahead it is, in its largest whole unit; both in milliseconds since the epoch. */
export function relativeTime(at: number, now: number): string {
  const distance = Math.abs(now - at);
  const unit = UNITS.find(([, length]) => distance >= length);
  if (unit === undefined || distance < 10 * SECOND) return 'just now';
  const count = Math.floor(distance / unit[1]);
  const words = `${count} ${unit[0]}${count === 1 ? '' : 's'}`;
  return at > now ? `in ${words}` : `${words} ago`;
}

/** Prepares a time for a page; both in milliseconds since the epoch. */
export function toMoment(at: number, now: number): Moment {
  const iso = new Date(at).toISOString();
  return { iso, relative: relativeTime(at, now), full: `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC` };
}

/** Writes milliseconds with two units at most: `0.8 s`, `12 s`, `3 min 5 s`, `2 h 4 min`, `3 d 2 h`. Negative counts as none. */
export function formatDuration(ms: number): string {
  const length = Math.max(0, ms);
  if (length < 10 * SECOND) return `${(Math.floor(length / 100) / 10).toString()} s`;
  if (length < MINUTE) return `${Math.floor(length / SECOND)} s`;
  if (length < HOUR) return pair([length, MINUTE, 'min'], [SECOND, 's']);
  if (length < DAY) return pair([length, HOUR, 'h'], [MINUTE, 'min']);
  return pair([length, DAY, 'd'], [HOUR, 'h']);
}

function pair([length, large, largeName]: [number, number, string], [small, smallName]: [number, string]): string {
  const rest = Math.floor((length % large) / small);
  return `${Math.floor(length / large)} ${largeName}${rest === 0 ? '' : ` ${rest} ${smallName}`}`;
}

/** Writes an estimate in seconds as people say it: `a few seconds`, `about 40 s`, `about 2 min`; null stays null. */
export function formatEta(seconds: number | null): string | null {
  if (seconds === null) return null;
  if (seconds < 10) return 'a few seconds';
  if (seconds < 60) return `about ${Math.ceil(seconds / 10) * 10} s`;
  return `about ${Math.ceil(seconds / 60)} min`;
}

/** Writes bytes in binary units with one decimal at most: `512 B`, `1.5 KiB`, `2 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${Number((bytes / 1024 ** step).toFixed(1)).toString()} ${units[step] ?? ''}`;
}

/** The first 8 of a commit's digits: what people compare. */
export const shortHash = (commit: string): string => commit.slice(0, 8);

/** The first 12 digits of a build key. */
export const shortKey = (key: string): string => key.slice(0, 12);

/** What somebody else wrote about URLs, such as git about a remote, without the names and passwords in them. */
export const withoutCredentials = (text: string): string => text.replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi, '$1');

/** What a page may show of a repository's address: no credentials, and a link only where a browser can follow it. */
export function repositoryLink(address: string): { text: string; url: string | null } {
  if (!/^https?:\/\//i.test(address) || !URL.canParse(address)) {
    return { text: address.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/@:]*):[^@/]*@/i, '$1@'), url: null };
  }
  const url = new URL(address);
  url.username = '';
  url.password = '';
  url.search = '';
  return { text: url.href, url: url.href };
}
