import type { CommitHash } from '../../src/domain/ids.js';
import { roundTrip } from '../support/raw-http.js';
import { NAVIGATION, startTestApp, type TestApp } from '../support/test-app.js';
import { headOf as headOfAny, HOST_LIKE, lineOf, namesIn, READINGS, statusOf } from './redirect-samples.js';

let app: TestApp;
let commit: CommitHash;
let preview: string;
beforeAll(async () => {
  app = await startTestApp({ prepare: (repository) => { repository.setRef('refs/heads/feature/c++', repository.head()); repository.setRef('refs/heads/a#b&c=d', repository.head()); } });
  commit = app.repository.head();
  preview = `http://hash-${commit}.localhost:${app.port}`;
});
afterAll(async () => { await app[Symbol.asyncDispose](); });

const headOf = (target: string, more = '') => headOfAny({ port: app.port, host: 'localhost', target, more });

describe('A19: where ?branch= and ?hash= lead', () => {
  it.each([
    ['/a%2Fb//c?x=1&x=2&y=a+b&branch=main', '/a%2Fb//c?x=1&x=2&y=a+b'], ['/a%2Fb//c?x=1&x=2&y=a+b&branch=main#f', '/a%2Fb//c?x=1&x=2&y=a+b'], ['/?branch=main', '/'], ['/p?branch=main', '/p'], ['/p/?branch=main', '/p/'],
    ['/?branch=main&x=%00%ff%C3%A9&y', '/?x=%00%ff%C3%A9&y'], ['/?x=a%20b+c&branch=main&X=%2b', '/?x=a%20b+c&X=%2b'], ['/?x&&y=&=z&branch=main', '/?x&&y=&=z'], ['/?x=1;y=2&branch=main', '/?x=1;y=2'], ['/?x=?&branch=main&y=/?', '/?x=?&y=/?'],
    ['/?branch%20=x&branch=main', '/?branch%20=x'], ['/?branches=1&branch=main&mybranch=2', '/?branches=1&mybranch=2'], ['/?Branch=x&branch=main', '/?Branch=x'], ['/?%62ranch=main&x=1', '/?x=1'], ['/?b[]=1&b[]=2&branch=main', '/?b[]=1&b[]=2'], ['/?%=%&branch=main', '/?%=%'],
    ['/%E0%A4%A?branch=main', '/%E0%A4%A'], ['/%?branch=main', '/%'], ['/A/../b/./c?branch=main', '/A/../b/./c'], ['/%2e%2e/x?branch=main', '/%2e%2e/x'], ['/a;b=c,d?branch=main', '/a;b=c,d'], ["/!$&'()*+,;=:@~?branch=main", "/!$&'()*+,;=:@~"], ['/a|b^c`d{e}"f<g>?branch=main', '/a|b^c`d{e}"f<g>'],
    ['/?branch=feature/c++&x=1+1', '/?x=1+1'], ['/?branch=feature%2Fc%2B%2B', '/'], ['/?branch=a%23b%26c%3Dd&x=1', '/?x=1'], ['/?branch=main&env=&x=1', '/?x=1'], ['/?branch=main&reset=0&x=1', '/?x=1'], ['/?branch=main&', '/?'],
    ['/assets/app.js?branch=main', '/assets/app.js'], ['/statuses?branch=main', '/statuses'], ['/status-page?branch=main', '/status-page'], ['/status/page?branch=main', '/status/page'], ['/confirmation?branch=main', '/confirmation'], ['/confirm/email?branch=main', '/confirm/email'], ['/apiary?branch=main', '/apiary'], ['/actions?branch=main', '/actions'],
    ['/log?branch=main', '/log'], ['/builds/x?branch=main', '/builds/x'], ['/__slipway/state?branch=main', '/__slipway/state'], [`/${'x'.repeat(8_000)}?branch=main`, `/${'x'.repeat(8_000)}`], [`/?x=${'y'.repeat(8_000)}&branch=main`, `/?x=${'y'.repeat(8_000)}`],
  ])('%s goes on byte by byte: %s', async (target, rest) => {
    for (const asked of [target, target.replace(/([?&])(?:branch|%62ranch)=main/, `$1hash=${commit.slice(0, 8)}`)]) {
      const head = await headOf(asked);
      expect([asked, statusOf(head), lineOf(head, 'location')]).toEqual([asked, 302, `${preview}${rest}`]);
      expect(lineOf(head, 'cache-control')).toBe('no-store');
      expect(lineOf(head, 'content-length')).toBe('0');
    }
  });

  it('depends on nothing but the URL: any client is sent to the same place', async () => {
    for (const more of ['Accept: text/html\r\n', 'Accept: application/json\r\n', 'Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n', 'Cookie: a=b; slw_sid=x\r\n', 'User-Agent: Googlebot/2.1\r\n', 'Accept-Language: he\r\nAccept-Encoding: gzip\r\n', 'If-None-Match: "x"\r\nIf-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT\r\n']) {
      const head = await headOf('/p?branch=main&x=1', more);
      expect([more, statusOf(head), lineOf(head, 'location'), lineOf(head, 'set-cookie'), lineOf(head, 'etag')]).toEqual([more, 302, `${preview}/p?x=1`, undefined, undefined]);
    }
    expect(app.engine.calls.build).toBe(0);
  });

  it('is said to HEAD as to GET', async () => {
    const answer = await app.control('/p?branch=main', { method: 'HEAD' });
    expect([answer.status, answer.headers.location, answer.text]).toEqual([302, `${preview}/p`, '']);
  });
});

describe('A13: a path that looks like a host', () => {
  it.each(HOST_LIKE)('%s stays a path on the preview’s host, for browsers and for careless readers', async (path) => {
    for (const query of ['branch=main', `hash=${commit}`]) {
      const head = await headOf(`${path}${path.includes('?') ? '&' : '?'}${query}`);
      if (!path.startsWith('/')) { expect(statusOf(head)).toBe(400); expect(lineOf(head, 'location')).toBeUndefined(); continue; }
      const location = lineOf(head, 'location') ?? '';
      expect([statusOf(head), location]).toEqual([302, `${preview}${path}`]);
      for (const read of READINGS) expect([String(read), read(location)]).toEqual([String(read), `hash-${commit}.localhost:${app.port}`]);
    }
  });

  it.each(HOST_LIKE.filter((path) => path.startsWith('/')))('%s leads nowhere without a branch, and neither does a reset of it', async (path) => {
    const head = await headOf(path);
    if (path !== '/?//evil.com') expect(lineOf(head, 'location')).toBeUndefined();
    const reset = await headOf(`${path}${path.includes('?') ? '&' : '?'}branch=main&reset=1`, 'Accept: text/html\r\n');
    expect([statusOf(reset), new URL(lineOf(reset, 'location') ?? '', `http://localhost:${app.port}/`).host]).toEqual([303, `localhost:${app.port}`]);
    expect(lineOf(reset, 'location')).toMatch(/^(?:http:\/\/localhost:\d+)?\/confirm\?action=reset&hash=[0-9a-f]{40}$/);
  });

  it('a preview’s host that leads to the whole hash keeps it as well', async () => {
    for (const path of HOST_LIKE.filter((each) => each.startsWith('/'))) {
      const answer = await roundTrip(app.port, `GET ${path} HTTP/1.1\r\nHost: hash-${commit.slice(0, 9)}.localhost\r\nConnection: close\r\n\r\n`);
      expect([path, statusOf(answer), lineOf(answer.slice(0, answer.indexOf('\r\n\r\n') + 4), 'location')]).toEqual([path, 302, `${preview}${path}`]);
    }
  });

  it('an absolute target of our own host is its path, any other is refused', async () => {
    const own = await headOf(`http://localhost:${app.port}//evil.com/?branch=main`);
    expect([statusOf(own), lineOf(own, 'location')]).toEqual([302, `${preview}//evil.com/`]);
    for (const target of ['http://evil.com/?branch=main', 'http://localhost@evil.com/?branch=main', 'https://evil.com//localhost/?branch=main', 'evil.com:80', '*', '?branch=main']) {
      const head = await headOf(target);
      expect([target, statusOf(head) >= 400, lineOf(head, 'location')]).toEqual([target, true, undefined]);
    }
  });
});

describe('A14: line breaks in what is asked for', () => {
  const USUAL = ['cache-control', 'connection', 'content-length', 'content-type', 'date', 'location', 'retry-after', 'vary'];
  const extra = (head: string) => namesIn(head).filter((name) => !USUAL.includes(name) && !/^(?:x-|content-security-policy|cross-origin-|permissions-policy|referrer-policy|keep-alive|transfer-encoding)/.test(name));
  const BREAKS = ['%0d%0a', '%0a', '%0d', '%E5%98%8D%E5%98%8A', '%0d%0a%0d%0a', '%250d%250a', '%u000d%u000a', '%c4%8d%c4%8a', '%e2%80%a8', '%00%0d%0a', '\\r\\n'];

  it.each(BREAKS)('%s makes no header, wherever it stands', async (lineBreak) => {
    const header = `${lineBreak}Set-Cookie:%20a=b`;
    for (const target of [`/?branch=main${header}`, `/?hash=${commit}${header}`, `/?branch=main&env=${header}`, `/?branch=main&returnTo=/${header}`, `/p${header}?branch=main`, `/${header}?branch=main`, `/?x${header}=1&branch=main`, `/?branch=main&reset=1${header}`, `/confirm?action=reset&hash=${commit}${header}`, `/log?format=json${header}`, `/nothing${header}`, `/assets/${header}`]) {
      for (const more of ['', 'Accept: text/html\r\n']) {
        const head = await headOf(target, more);
        expect([target, extra(head)]).toEqual([target, []]);
        expect(head).not.toMatch(/^set-cookie/im);
        expect(head.split('\r\n\r\n')).toHaveLength(2);
        // eslint-disable-next-line no-control-regex
        expect(head.replaceAll('\r\n', '')).not.toMatch(/[\x00-\x1f]/);
      }
    }
  });

  it('is a bad request in a name, and stays what it is in the path and in other parameters', async () => {
    const injected = '%0d%0aSet-Cookie:%20a=b';
    expect(statusOf(await headOf(`/?branch=main${injected}`))).toBe(400);
    expect(statusOf(await headOf(`/?hash=${commit}${injected}`))).toBe(400);
    expect(lineOf(await headOf(`/p${injected}?branch=main`), 'location')).toBe(`${preview}/p${injected}`);
    expect(lineOf(await headOf(`/?returnTo=/x${injected}&branch=main`), 'location')).toBe(`${preview}/?returnTo=/x${injected}`);
  });

  it.each(['\r\nSet-Cookie: a=b', '\nSet-Cookie: a=b', '\rSet-Cookie: a=b', '\0', '\x0b', '\x7f', ' x', '\xe5\x98\x8a'])('raw %j in a target is no request', async (bytes) => {
    for (const target of [`/p${bytes}?branch=main`, `/?branch=main${bytes}`, `/?x=${bytes}&branch=main`]) {
      const head = await headOf(target);
      // What stands in front of a line break is a whole request; the rest is a header of it.
      if (!/^[\r\n]/.test(bytes)) expect([statusOf(head), lineOf(head, 'location')]).toEqual([400, undefined]);
      expect(head).not.toMatch(/^set-cookie/im);
    }
  });

  it('never reaches a header of an error page either', async () => {
    for (const path of ['/%0d%0aX-Injected:%20y', '/builds/%0d%0aX-Injected:%20y', '/previews/%0d%0aX-Injected:%20y', '/api/builds/%0d%0aX-Injected:%20y/log']) {
      const answer = await app.control(path, { headers: NAVIGATION });
      expect([path, answer.status >= 400, answer.headers['x-injected']]).toEqual([path, true, undefined]);
    }
  });
});
