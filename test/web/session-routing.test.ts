import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { parseEnvironmentName } from '../../src/domain/ids.js';
import type { ContainerSpec } from '../../src/engine/port.js';
import { APP, REGISTRY } from '../support/image-app.js';
import { createSessionBrowser as createBrowser, urlsIn } from '../support/session-browser.js';
import { echo, NAVIGATION, startTestApp, TOKEN, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

describe('D3: routing by session', () => {
  let app: TestApp;
  let feature: string;
  let featureSpec: ContainerSpec | undefined;
  let echoing: Awaited<ReturnType<typeof startEchoing>>;
  const main = () => app.repository.head('main');

  beforeAll(async () => {
    echoing = await startEchoing(() => featureSpec);
    app = await startTestApp({
      settings: { routing: 'session' },
      configure: (config) => ({ ...config, projects: config.projects.map((project) => ({ ...project, environments: new Map([[parseEnvironmentName('jet-pack'), { env: { A: 'jet' } }]]), images: { registries: [REGISTRY], labels: {} } })) }),
      registry: () => ({}),
      prepare: (repository) => { feature = repository.commit({ feature: 'yes' }, { branch: 'feature/x' }); },
      program: (spec) => {
        if (spec.commit === feature) { featureSpec = spec; return { at: echoing.port }; }
        const answer = echo(spec);
        return { serve: (req, res) => { res.setHeader('Set-Cookie', 'app=1; Path=/'); answer(req, res); } };
      },
    });
  });
  afterAll(async () => { await app[Symbol.asyncDispose](); echoing.close(); });

  it('D2: shows the chooser, which is the project’s page, until a preview is chosen', async () => {
    const browser = createBrowser(app);
    expect((await browser.go('/about')).headers.location).toBe(`http://localhost:${app.port}/__slipway/`);
    const chooser = await browser.open('/about');
    expect(chooser.status).toBe(200);
    expect(chooser.text).toContain('href="/__slipway/?branch=feature%2Fx"');
    expect(chooser.text).toContain('href="/__slipway/assets/slipway.css"');
    const program = await app.get('localhost', '/about');
    expect([program.status, program.json()]).toEqual([404, expect.objectContaining({ error: 'preview_not_chosen' })]);
    expect(app.engine.calls.start).toBe(0);
  });

  it('remembers the choice: later requests need no parameter, and keep path and query', async () => {
    const browser = createBrowser(app);
    const chosen = await browser.open('/p%61th?x=%2F&branch=feature/x&y=1');
    expect(chosen.json()).toMatchObject({ url: '/p%61th?x=%2F&y=1', commit: feature });
    expect((await browser.go('/about?z=1')).json()).toMatchObject({ url: '/about?z=1', commit: feature });
    expect((await browser.open(`/?hash=${main().slice(0, 10)}`)).json()).toMatchObject({ url: '/', commit: main() });
    expect((await browser.go('/about')).json()).toMatchObject({ commit: main() });
    expect((await browser.open('/?branch=main&env=jet-pack')).json()).toMatchObject({ env: { A: 'jet', SLIPWAY_URL: `http://localhost:${app.port}` } });
  });

  it('is changed by nobody but a person or program: a prefetch, HEAD and a crawler leave it', async () => {
    const browser = createBrowser(app);
    await browser.open('/?branch=main');
    for (const headers of [{ ...NAVIGATION, 'sec-purpose': 'prefetch' }, { ...NAVIGATION, 'sec-purpose': 'prefetch;prerender' }, { ...NAVIGATION, 'user-agent': 'Slackbot-LinkExpanding 1.0' }]) {
      expect((await browser.go('/?__slipway=branch-feature-x-62b4a8', headers)).status).toBe(503);
    }
    expect((await app.get('localhost', `/?__slipway=hash-${feature}`, { method: 'HEAD', headers: { cookie: browser.cookie() } })).status).toBe(503);
    expect((await browser.go('/about')).json()).toMatchObject({ commit: main() });
  });

  it('is one browser’s own: another one and the cookie-less see the chooser', async () => {
    const browser = createBrowser(app);
    await browser.open('/?branch=main');
    expect((await createBrowser(app).go('/about')).status).toBe(302);
  });

  it('passes every method on with its body, and the cookie of neither to the other', async () => {
    const browser = createBrowser(app);
    await browser.open('/?branch=main');
    const posted = await app.get('localhost', '/form', { method: 'POST', body: 'ahoy', headers: { cookie: `app=1; ${browser.cookie()}; other=2` } });
    expect(posted.json()).toMatchObject({ method: 'POST', body: 'ahoy', headers: { cookie: 'app=1; other=2', host: `localhost:${app.port}` } });
    expect(posted.headers['set-cookie']).toEqual(['app=1; Path=/']);
    // A form of the application may have a field of our name in its URL.
    expect((await app.get('localhost', '/form?branch=x', { method: 'POST', body: '', headers: { cookie: browser.cookie() } })).json()).toMatchObject({ url: '/form?branch=x' });
  });

  it('answers the control plane below /__slipway/ only', async () => {
    const browser = createBrowser(app);
    await browser.open('/?branch=main');
    for (const path of ['/log', '/status', '/debug', '/localimages', '/api/builds', '/healthz']) {
      expect([path, (await browser.go(path)).json().url]).toEqual([path, path]);
      expect([path, (await app.get('localhost', `/__slipway${path}`)).status]).toEqual([path, 200]);
    }
    expect((await browser.go('/__slipway/status?branch=main')).text).toBe('Ready');
    expect((await browser.go('/__slipway/assets/slipway.css')).status).toBe(200);
    expect((await browser.go('/__slipway')).text).toContain('feature/x');
    expect((await app.get('localhost', '/__slipway/api/status?branch=main')).json()).toMatchObject({ url: `http://localhost:${app.port}/?__slipway=hash-${main()}` });
    expect((await app.get('localhost', '/__slipway/state', { headers: { cookie: browser.cookie() } })).json()).toMatchObject({ state: 'running' });
  });

  /** Pages with something of every kind on them: a branch, an image, builds of both. */
  const pagesOf = async (browser: ReturnType<typeof createBrowser>) => {
    await browser.open('/?branch=main');
    const [image = ''] = /container-[a-z0-9-]+/.exec((await browser.go(`/?image=${APP}`)).headers.location ?? '') ?? [];
    await browser.open(`/?image=${APP}`);
    const builds = (await browser.go('/__slipway/api/builds', {})).json() as unknown as { id: string }[];
    expect([image.length > 10, builds.length > 1]).toEqual([true, true]);
    return ['/', '/status', '/log', '/localimages', '/debug', `/previews/hash-${main()}`, `/previews/${image}`, ...builds.map(({ id }) => `/builds/${id}`), '/nowhere'];
  };

  it('has pages whose links all stay below the prefix or choose a preview', async () => {
    const browser = createBrowser(app);
    const own = `http://localhost:${app.port}`;
    const staysOrChooses = (url: string) => {
      const { origin, pathname, searchParams } = new URL(url, own);
      return origin !== own || /^\/__slipway(?:\/|$)/.test(pathname) || searchParams.has('__slipway');
    };
    for (const path of await pagesOf(browser)) {
      const urls = urlsIn((await browser.go(`/__slipway${path}`)).text);
      expect(urls.length).toBeGreaterThan(3);
      expect([path, urls.filter((url) => !staysOrChooses(url))]).toEqual([path, []]);
    }
  });

  it('asks whatever its pages let a person change', async () => {
    const browser = createBrowser(app);
    const asked = new Set<string>();
    for (const path of await pagesOf(browser)) {
      for (const url of urlsIn((await browser.go(`/__slipway${path}`)).text).filter((each) => each.includes('/confirm?'))) {
        const question = await browser.go(url);
        expect([url, question.status, urlsIn(question.text).some((each) => each.startsWith('/__slipway/actions/'))]).toEqual([url, 200, true]);
        asked.add(new URL(url, 'http://localhost').searchParams.get('action') ?? '');
      }
    }
    expect([...asked]).toEqual(expect.arrayContaining(['restart', 'pull-image', 'delete-preview', 'reset']));
  });

  it('makes changes by confirmed form below the prefix', async () => {
    const browser = createBrowser(app);
    const asked = await browser.go(`/?branch=main&reset=1`);
    expect(asked.headers.location).toBe(`http://localhost:${app.port}/__slipway/confirm?action=reset&hash=${main()}`);
    const { action, sent } = await browser.confirm(`/__slipway/confirm?action=reset&hash=${main()}`);
    expect(action).toBe('/__slipway/actions/reset');
    expect([sent.status, sent.headers.location]).toEqual([303, expect.stringMatching(/^\/__slipway\/builds\/b_/)]);
    const byToken = await app.get('localhost', `/__slipway/actions/reset?hash=${feature}`, { method: 'POST', headers: { authorization: `Bearer ${TOKEN}` } });
    expect([byToken.status, byToken.json().url]).toEqual([202, expect.stringMatching(/^\/__slipway\/builds\/b_/)]);
  });

  it('starts the chosen preview anew by confirmed form', async () => {
    const browser = createBrowser(app);
    await browser.open('/?branch=feature/x');
    const [label, before] = [`hash-${feature}`, app.engine.calls.start];
    const { action, sent } = await browser.confirm(`/__slipway/confirm?action=restart&preview=${label}`);
    expect([action, sent.status, sent.headers.location]).toEqual(['/__slipway/actions/restart', 303, `/__slipway/previews/${label}`]);
    expect((await browser.go('/about')).json()).toMatchObject({ commit: feature });
    await until(() => app.engine.calls.start > before, 'it is started again');
  });

  it('opens WebSockets of the chosen preview, and of no other', async () => {
    const browser = createBrowser(app);
    await browser.open('/?branch=feature/x');
    const socket = new WebSocket(`ws://127.0.0.1:${app.port}/ws`, { headers: { host: `localhost:${app.port}`, cookie: browser.cookie() } });
    await once(socket, 'open');
    socket.send('hello');
    expect(String((await once(socket, 'message'))[0])).toBe('hello');
    socket.close();
    const stranger = new WebSocket(`ws://127.0.0.1:${app.port}/ws`, { headers: { host: `localhost:${app.port}` } });
    const [, response] = await once(stranger, 'unexpected-response') as [unknown, { statusCode: number; resume(): void }];
    expect(response.statusCode).toBe(404);
    stranger.on('error', () => undefined).terminate();
  });

  it('refuses a preview that does not exist with a sentence, and keeps the choice', async () => {
    const browser = createBrowser(app);
    await browser.open('/?branch=main');
    for (const [query, status] of [['branch=nowhere', 404], ['__slipway=nonsense', 404], [`__slipway=hash-${'0'.repeat(40)}`, 404], ['__slipway=a&__slipway=b', 400], ['hash=zzz', 400]] as const) {
      expect([query, (await browser.go(`/x?${query}`)).status]).toEqual([query, status]);
    }
    expect((await browser.go('/about')).json()).toMatchObject({ commit: main() });
  });

  it('keeps the choice over a restart, and wakes the preview', async () => {
    const browser = createBrowser(app);
    await browser.open('/?branch=feature/x');
    await app.restart();
    expect((await browser.go('/about')).json()).toMatchObject({ url: '/about', commit: feature });
  });
});

/** An application of its own that says everything again, over HTTP as `echo` does and over WebSockets. */
async function startEchoing(specOf: () => ContainerSpec | undefined) {
  const http = createServer((req, res) => { const spec = specOf(); if (spec) echo(spec)(req, res); else res.destroy(); });
  const sockets = new WebSocketServer({ server: http });
  sockets.on('connection', (socket) => { socket.on('message', (data) => { socket.send(data, { binary: false }); }); });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    port: (http.address() as AddressInfo).port,
    close: () => { sockets.close(); http.closeAllConnections(); http.close(); },
  };
}
