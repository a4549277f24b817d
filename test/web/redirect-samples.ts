import { roundTrip } from '../support/raw-http.js';

/** Sends a target as it is and gives the bytes of the answer's head. */
export async function headOf({ port, host, target, more = '' }: { readonly port: number; readonly host: string; readonly target: string; readonly more?: string }): Promise<string> {
  const answer = await roundTrip(port, `GET ${target} HTTP/1.1\r\nHost: ${host}:${port}\r\n${more}Connection: close\r\n\r\n`);
  return answer.slice(0, answer.indexOf('\r\n\r\n') + 4);
}

export const statusOf = (head: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]);

/** The value of the only line of that name, to the byte. @throws Error when there are more */
export function lineOf(head: string, name: string): string | undefined {
  const lines = head.split('\r\n').filter((line) => line.toLowerCase().startsWith(`${name}: `));
  if (lines.length > 1) throw new Error(`more than one ${name}:\n${head}`);
  return lines[0]?.slice(name.length + 2);
}

/** The names of all header lines. */
export const namesIn = (head: string): string[] => head.split('\r\n').slice(1, -2).map((line) => line.split(':', 1)[0]?.toLowerCase() ?? '');

/** Hosts as careless programs find them in a URL, beside what a browser makes of it. */
export const READINGS: readonly ((url: string) => string | undefined)[] = [
  (url) => new URL(url).host, (url) => new URL(url, 'http://evil.com/').host,
  (url) => /^https?:\/\/([^/?#]*)/.exec(url)?.[1], (url) => /:\/\/([^/]+)/.exec(url)?.[1], (url) => /^(?:https?:)?\/\/([^/\\?#]+)/.exec(url)?.[1], (url) => /^[a-z]+:\/\/(?:[^@/]*@)?([^/?#\\]+)/i.exec(url)?.[1], (url) => url.split('/')[2],
];

/** Paths that somebody could take for a host; all but the one without a slash are targets that HTTP allows. */
export const HOST_LIKE = [
  '//evil.com/', '//evil.com', '///evil.com/', '////evil.com', '/\\evil.com', '\\evil.com', '/\\\\evil.com', '/%2f%2fevil.com', '//%65vil.com', '/%5cevil.com', '/%5c%5cevil.com', '/.//evil.com', '/..//evil.com', '/;//evil.com', '//evil.com:80/', '//evil.com@localhost/', '/@evil.com', '//user@evil.com/', '//evil.com%23',
  '//evil.com%00', '/http://evil.com', '/http:/evil.com', '//http://evil.com', '/javascript:alert(1)', '//localhost/', '//hash-abcd.localhost/', '/%09/evil.com', '/%0a/evil.com', '//', '///', '//[::1]/', '//evil.com/..;/', '/%E3%80%82evil.com', '/?//evil.com', '/.evil.com', '/:80', '/.localhost.evil.com', '/%40evil.com',
];
