import type { IncomingHttpHeaders } from 'node:http';
import { classifyRequest, type RequestKind } from '../../src/serve/request-kind.js';

const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36';
const HTML = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

type Row = readonly [what: string, kind: RequestKind, request: IncomingHttpHeaders & { readonly method?: string }];
const ROWS: readonly Row[] = [
  ['a browser that opens a page', 'navigation', { 'user-agent': CHROME, 'accept': HTML, 'sec-fetch-mode': 'navigate' }],
  ['a browser on plain http', 'navigation', { 'user-agent': CHROME, 'accept': HTML }],
  ['a headless browser', 'navigation', { 'user-agent': CHROME.replace('Chrome/', 'HeadlessChrome/'), 'accept': HTML, 'sec-fetch-mode': 'navigate' }],
  ['a frame', 'navigation', { 'accept': HTML, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }],
  ['curl', 'program', { 'user-agent': 'curl/8.5.0', 'accept': '*/*' }],
  ['curl that asks for a page', 'navigation', { 'user-agent': 'curl/8.5.0', 'accept': 'text/html' }],
  ['axios', 'program', { 'user-agent': 'axios/1.7.2', 'accept': 'application/json, text/plain, */*' }],
  ['fetch that accepts a page', 'program', { 'accept': HTML, 'sec-fetch-mode': 'cors' }],
  ['a script of a page', 'program', { 'accept': '*/*', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'script' }],
  ['a stream of events', 'program', { accept: 'text/event-stream' }],
  ['nothing said at all', 'program', {}],
  ['a form', 'program', { 'accept': HTML, 'sec-fetch-mode': 'navigate', method: 'POST' }],
  ['OPTIONS', 'program', { accept: '*/*', method: 'OPTIONS' }],
  ['DELETE', 'program', { method: 'DELETE' }],
  ['HEAD', 'passive', { accept: HTML, method: 'HEAD' }],
  ['prefetch', 'passive', { 'accept': HTML, 'sec-purpose': 'prefetch' }],
  ['prerender', 'passive', { 'accept': HTML, 'sec-fetch-mode': 'navigate', 'sec-purpose': 'prefetch;prerender' }],
  ['an old prefetch', 'passive', { accept: HTML, purpose: 'prefetch' }],
  ['Safari’s preview of its top sites', 'passive', { 'accept': HTML, 'purpose': 'preview' }],
  ['Firefox’s old prefetch', 'passive', { 'accept': HTML, 'x-moz': 'prefetch' }],
  ['Slack', 'passive', { 'user-agent': 'Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)' }],
  ['Teams', 'passive', { 'user-agent': 'Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5' }],
  ['a search engine', 'passive', { 'user-agent': 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)', 'accept': HTML }],
  ['what a chat service sends for its users', 'program', { 'user-agent': 'Slackbot 1.0 (+https://api.slack.com/robots)', method: 'POST' }],
  ['a monitor', 'passive', { 'user-agent': 'kube-probe/1.29' }],
  ['wget', 'program', { 'user-agent': 'Wget/1.21', 'accept': '*/*' }],
  ['a test runner', 'program', { 'user-agent': 'node' }],
  ['Cypress', 'navigation', { 'user-agent': `${CHROME} Cypress/13`, 'accept': HTML, 'sec-fetch-mode': 'navigate' }],
  ['a browser with “bot” in its name', 'navigation', { 'user-agent': 'Cubot KingKong (Android 13)', 'accept': HTML }],
];

describe('request kinds', () => {
  it.each(ROWS)('%s: %s', (_what, kind, { method = 'GET', ...headers }) => {
    expect(classifyRequest({ method, headers })).toBe(kind);
  });
});
