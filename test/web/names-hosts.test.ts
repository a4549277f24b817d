import type { CommitHash } from '../../src/domain/ids.js';
import { createFakeClock } from '../support/fake-clock.js';
import { createTestFolder } from '../support/git.js';
import { recordGit, type GitRecorder } from '../support/git-recorder.js';
import { roundTrip } from '../support/raw-http.js';
import { NAVIGATION, startTestApp, type TestApp } from '../support/test-app.js';

const folder = createTestFolder();
let app: TestApp;
let recorder: GitRecorder;
let commit: CommitHash;
beforeAll(async () => {
  recorder = recordGit(folder.path);
  // A clock that stands: whatever happens, a request was the cause.
  app = await startTestApp({ clock: createFakeClock(), configure: (config) => ({ ...config, surroundings: { ...config.surroundings, path: recorder.path } }) });
  commit = app.repository.head();
});
afterAll(async () => {
  await app[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
const UPGRADE = 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13';
const send = (line: string, host: string, more = 'Connection: close') => roundTrip(app.port, `${line} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n\r\n`);
/** All that a request could have set going. */
const traces = () => ({ engine: { ...app.engine.calls }, gits: recorder.calls().length });

const FOREIGN = ['evil.com', 'evil.com:3000', 'localhost.evil.com', 'evillocalhost', 'repository.localhost.evil.com', '169.254.169.254.nip.io', 'localhost@evil.com', 'evil.com#localhost', 'x_y.example', 'localhost..', 'localhost:3000:80', 'localhost,evil.com', 'xn--e1afmkfd.example', '*.localhost', 'null', '-'];
const REQUESTS = [
  'GET /', 'GET /?branch=main', 'GET /?branch=nobody-has-it', 'GET /?hash=0123456', 'GET /?branch=main&reset=1', 'HEAD /', 'POST /', 'OPTIONS /', 'DELETE /', 'PROPFIND /', 'GET /healthz', 'GET /readyz', 'GET /log', 'GET /status', 'GET /assets/slipway.css',
  'GET /api/status?branch=main', 'GET /api/wait?branch=main', 'GET /api/builds', 'GET /confirm?action=reset&hash=abcd', 'POST /actions/reset', 'POST /webhooks', 'POST /api/webhooks', 'GET /__slipway/events', 'GET /nothing',
];

describe('A12: a Host that is not ours', () => {
  it.each(FOREIGN)('%s gets 421 for everything, no cookie, no way on, and nothing happens', async (host) => {
    const before = traces();
    const claims = `X-Forwarded-Host: localhost\r\nX-Forwarded-Proto: https\r\nForwarded: host=localhost\r\nX-Original-Host: localhost\r\nAuthorization: Bearer ${app.token}\r\nCookie: slw_sid=x\r\nConnection: close`;
    for (const line of REQUESTS) {
      for (const more of ['Connection: close', claims]) {
        const answer = await send(line, host, more);
        expect([line, host, statusOf(answer)]).toEqual([line, host, 421]);
        expect(answer).not.toMatch(/^(?:set-cookie|location|access-control-[a-z-]+):/im);
        if (!line.startsWith('HEAD')) expect(answer).toContain('"error":"unknown_host"');
      }
    }
    for (const path of ['/', '/ws', '/__slipway/events', '/api/builds']) {
      const answer = await send(`GET ${path}`, host, UPGRADE);
      expect([path, host, statusOf(answer)]).toEqual([path, host, 421]);
      expect(answer).not.toMatch(/^(?:set-cookie|location):/im);
    }
    expect(traces()).toEqual(before);
  });

  it('a person is told so on a page, with the right address and without what they asked for', async () => {
    const answer = await app.get('evil.com', '/?branch=<b>', { headers: { ...NAVIGATION, 'x-forwarded-host': 'localhost' } });
    expect([answer.status, answer.headers['content-type'], answer.headers['cache-control']]).toEqual([421, 'text/html; charset=utf-8', 'no-store']);
    expect(answer.text).toContain(`http://localhost:${app.port}/`);
    expect(answer.text).not.toContain('<b>');
  });

  it('forwarded headers of a stranger change neither the host nor where anybody is sent', async () => {
    for (const headers of [{ 'x-forwarded-host': 'evil.com' }, { 'x-forwarded-host': 'evil.com', 'x-forwarded-proto': 'https', 'x-forwarded-port': '8443' }, { forwarded: 'for=1.2.3.4;host=evil.com;proto=https' }, { 'x-original-host': 'evil.com', 'x-host': 'evil.com', 'x-forwarded-server': 'evil.com' }]) {
      expect((await app.control('/p?branch=main', { headers })).headers.location).toBe(`http://hash-${commit}.localhost:${app.port}/p`);
      const reset = await app.control('/?branch=main&reset=1', { headers: { ...NAVIGATION, ...headers } });
      expect(new URL(reset.headers.location ?? '', `http://localhost:${app.port}/`).host).toBe(`localhost:${app.port}`);
    }
  });

  it.each(['127.0.0.1', '[::1]', '10.0.0.1', '0.0.0.0', '169.254.169.254'])('the address %s is for health and programs only: 421 for all that a browser could be made to do', async (address) => {
    for (const line of REQUESTS.filter((each) => !/ \/(?:healthz|readyz|api\/|\?| |$)/.test(each))) {
      const answer = await send(line, `${address}:${app.port}`);
      expect([line, statusOf(answer)]).toEqual([line, 421]);
      expect(answer).not.toMatch(/^set-cookie:/im);
    }
    const home = await send('GET /?branch=main', address);
    expect(home).toContain(`\r\nLocation: http://localhost:${app.port}/\r\n`);
    expect([200, 404]).toContain(statusOf(await send('GET /healthz', address)));
  });
});

describe('A15: spellings and disguises of a preview’s host', () => {
  it('takes every spelling of one host for that host', async () => {
    const full = `hash-${commit}.localhost`;
    const spellings = [full, full.toUpperCase(), `HASH-${commit.toUpperCase()}.localhost`, `${full}.`, `${full.toUpperCase()}.`, `${full}:${app.port}`, `${full}:80`, `${full}:65535`, `${full}.:${app.port}`, `hash-${commit}.repository.localhost`, `Hash-${commit}.Repository.Localhost.`];
    for (const host of spellings) {
      const answer = await send('GET /p?q=1', host);
      expect([host, statusOf(answer)]).toEqual([host, 200]);
      expect(answer).toContain(`"commit":"${commit}"`);
      expect(answer).toContain('"url":"/p?q=1"');
    }
    expect([app.engine.calls.build, app.engine.calls.start]).toEqual([1, 1]);
  });

  it.each([
    [421, 'LABEL.localhost.evil.com'], [421, 'LABEL.localhost.evil.com.'], [421, 'LABEL.evillocalhost'], [421, 'LABELlocalhost'], [421, 'LABEL.localhost2'], [421, 'LABEL.repository.localhost.evil.com'],
    [421, 'user@LABEL.localhost'], [421, 'user:password@LABEL.localhost'], [421, 'evil.com@LABEL.localhost'], [421, 'LABEL.localhost@evil.com'], [421, 'LABEL.localhost/'], [421, 'LABEL.localhost\\evil.com'], [421, 'LABEL.localhost,evil.com'],
    [421, 'LABEL.localhost:80:80'], [421, 'LABEL.localhost:x'], [421, 'LABEL.localhost..'], [421, '.LABEL.localhost'], [421, 'LABEL..localhost'], [421, '%68LABEL.localhost'], [421, `${'a'.repeat(64)}.localhost`], [421, `${'a'.repeat(24)}-LABEL.localhost`],
    [404, 'x.LABEL.localhost'], [404, 'www.LABEL.localhost'], [404, 'LABEL.LABEL.localhost'], [404, 'a.b.LABEL.localhost'], [404, 'a.b.localhost'], [404, `${'a'.repeat(63)}.localhost`], [404, 'x-LABEL.localhost'], [404, 'xLABEL.localhost'],
    [404, 'LABEL0.localhost'], [404, 'hash_0123456.localhost'], [404, 'hash-.localhost'], [404, 'hash-abc.localhost'], [404, 'hash-zzzz.localhost'], [404, 'x.LABEL.repository.localhost'],
  ])('%d for a disguise: %s', async (status, disguise) => {
    const host = disguise.replaceAll('LABEL', `hash-${commit}`);
    const before = traces();
    for (const more of ['Connection: close', UPGRADE]) {
      const answer = await send('GET /', host, more);
      expect(statusOf(answer)).toBe(status);
      expect(answer).not.toMatch(/^(?:set-cookie|location|x-slipway-commit):/im);
    }
    expect(traces()).toEqual(before);
  });
});
