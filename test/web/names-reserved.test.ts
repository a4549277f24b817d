import { controlParameters, controlRoutes } from '../support/control-routes.js';
import { roundTrip } from '../support/raw-http.js';
import { NAVIGATION, startTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let hosts: string[];
beforeAll(async () => {
  app = await startTestApp();
  hosts = [app.commitHost(app.repository.head()), 'branch-main.localhost'];
  for (const host of hosts) await app.get(host, '/');
});
afterAll(async () => { await app[Symbol.asyncDispose](); });

/** The path that the application saw, to the byte; undefined when the answer is not the application's. */
async function seenBy(host: string, path: string, method = 'GET'): Promise<string | undefined> {
  const answer = await roundTrip(app.port, `${method} ${path} HTTP/1.1\r\nHost: ${host}:${app.port}\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\nConnection: close\r\n\r\n`);
  const url = /"method":"[A-Z]+","url":("(?:[^"\\]|\\.)*")/.exec(answer)?.[1];
  return url === undefined ? undefined : JSON.parse(url) as string;
}

const ROUTES = [...new Set([...controlRoutes().map(({ path }) => path), '/localimages', '/debug', '/metrics', '/repo/update', '/api', '/api/releases', '/api/routes', '/api/events', '/assets/slipway.css', '/assets/pico.min.css', '/webhooks', '/favicon.ico', '/robots.txt'])];

describe('A20: on a preview’s host', () => {
  it.each(ROUTES)('%s belongs to the application, whatever is asked of it', async (route) => {
    const path = route.replace(/:\w+/g, 'x');
    for (const host of hosts) {
      for (const method of ['GET', 'POST', 'DELETE']) {
        for (const query of ['', '?branch=main', `?hash=${app.repository.head()}&reset=1`]) expect([method, host, await seenBy(host, `${path}${query}`, method)]).toEqual([method, host, `${path}${query}`]);
      }
    }
  });

  it('so do all parameters of the control plane', async () => {
    const all = controlParameters().map((name) => `${name}=1`);
    for (const path of [...all.map((pair) => `/?${pair}`), `/p?${all.join('&')}`, '/?branch[]=1&hash[a]=b', '/?reset=1&reset=1', '/?branch=%0d%0a', '/%E0%A4%A?branch=%']) expect([path, await seenBy(hosts[0] ?? '', path)]).toEqual([path, path]);
    expect([app.engine.calls.build, app.engine.calls.start]).toEqual([1, 2]);
  });

  it.each(['/__slipway', '/__slipway?x', '/__SLIPWAY/state', '/__Slipway/events', '/_slipway/state', '/__slipways/state', '/__slipway-x/', '/x/__slipway/state', '//__slipway/state', '/./__slipway/state', '/%5f%5fslipway/state', '/__slipway%2fstate', '/__slipway%2Fevents', '/__slipway\\state', '/?/__slipway/state', '/.__slipway/'])('%s only looks like ours', async (path) => {
    for (const host of hosts) expect(await seenBy(host, path)).toBe(path);
  });

  it.each(['/__slipway/', '/__slipway/state', '/__slipway/state?x=1', '/__slipway/nothing', '/__slipway/../status', '/__slipway//', '/__slipway/%2e%2e/', '/__slipway/log', '/__slipway/api/builds'])('%s is ours and never reaches the application', async (path) => {
    for (const host of hosts) {
      for (const method of ['GET', 'POST', 'HEAD', 'OPTIONS', 'PUT']) {
        const answer = await app.get(host, path, { method, headers: NAVIGATION });
        expect([method, path, answer.text.includes('"env":')]).toEqual([method, path, false]);
        expect([200, 404, 405]).toContain(answer.status);
        expect(answer.headers['set-cookie']).toBeUndefined();
      }
    }
  });

  it('answers under it what the waiting page asks for', async () => {
    const state = await app.get(hosts[0] ?? '', '/__slipway/state');
    expect([state.status, state.headers['cache-control'], state.json().state]).toEqual([200, 'no-store', 'running']);
  });

  it('offers of a WebSocket go to the application as well, but for that prefix', async () => {
    const offer = (path: string) => roundTrip(app.port, `GET ${path} HTTP/1.1\r\nHost: ${hosts[0] ?? ''}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`);
    for (const path of ['/api/events', '/', '/log?branch=main']) expect(await offer(path)).toContain(`"url":"${path}"`);
    expect(await offer('/__slipway/events')).toMatch(/^HTTP\/1\.1 404 /);
  });
});
