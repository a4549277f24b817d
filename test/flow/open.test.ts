import { once } from 'node:events';
import { request } from 'node:http';
import { openEvents } from '../support/sse.js';
import { startTestApp, NAVIGATION, gate, type TestApp } from '../support/test-app.js';

const builtAndStarted = ({ engine }: TestApp) => [engine.calls.build, engine.calls.start];

describe('opening a preview', () => {
  it('D1, A19: redirects a branch to its commit, path and other parameters as they came', async () => {
    await using app = await startTestApp({ prepare: (repository) => { repository.commit({ a: 'x' }, { branch: 'feature/x' }); } });
    const commit = app.repository.head('feature/x');
    const answer = await app.control('/any/path?branch=feature/x&y=1');
    expect(answer.status).toBe(302);
    expect(answer.headers).toMatchObject({ 'location': `http://hash-${commit}.localhost:${app.port}/any/path?y=1`, 'cache-control': 'no-store' });
    expect(answer.headers['set-cookie']).toBeUndefined();
    const odd = await app.control('/a%2Fb//c?x=1&x=2&y=a+b&branch=feature/x&z');
    expect(odd.headers.location).toBe(`http://hash-${commit}.localhost:${app.port}/a%2Fb//c?x=1&x=2&y=a+b&z`);
    expect(builtAndStarted(app)).toEqual([0, 0]);
  });

  it('D4: builds and starts at the first visit, serves at once that path and query, and does neither again', async () => {
    await using app = await startTestApp();
    const commit = app.repository.head();
    const answer = await app.get(app.commitHost(commit), '/any/path?y=1', { headers: NAVIGATION });
    expect(answer.status).toBe(200);
    expect(answer.json()).toMatchObject({ method: 'GET', url: '/any/path?y=1', commit });
    expect(answer.headers).toMatchObject({ 'x-slipway-commit': commit, 'x-slipway-release': 'v1' });
    expect((await app.get(app.commitHost(commit), '/')).status).toBe(200);
    expect(builtAndStarted(app)).toEqual([1, 1]);
  });

  it('tells the application its commit, branch, release and own URL', async () => {
    await using app = await startTestApp();
    const commit = app.repository.head();
    const { env } = (await app.get(app.commitHost(commit), '/')).json();
    expect(env).toMatchObject({
      SLIPWAY_COMMIT: commit, SLIPWAY_BRANCH: 'main', SLIPWAY_RELEASE: 'v1', SLIPWAY_ENV: '', SLIPWAY_URL: `http://hash-${commit}.localhost:${app.port}`, PORT: '3000',
    });
  });

  it('answers on the project’s own host as on the server’s', async () => {
    await using app = await startTestApp();
    const commit = app.repository.head();
    const redirect = await app.get('repository.localhost', '/?branch=main');
    expect(redirect.headers.location).toBe(`http://hash-${commit}.repository.localhost:${app.port}/`);
    expect((await app.get(`hash-${commit}.repository.localhost`, '/')).json()).toMatchObject({ commit });
    expect((await app.get(app.commitHost(commit), '/')).status).toBe(200);
    expect(builtAndStarted(app)).toEqual([1, 1]);
  });

  it('reuses the image of a commit with the same content, and says so', async () => {
    await using app = await startTestApp();
    const first = app.repository.head();
    await app.open(`hash=${first}`);
    const second = app.repository.commit({}, { message: 'nothing changed' });
    const status = (await app.open(`hash=${second}`)).json();
    expect(status).toMatchObject({ commit: second, status: 'running', build: { status: 'reused' } });
    expect(app.engine.calls.build).toBe(1);
    expect((await app.get(app.commitHost(second), '/')).json()).toMatchObject({ commit: second });
  });

  it('keeps apart the instances of routes that share an image', async () => {
    await using app = await startTestApp();
    const commit = app.repository.head();
    const byCommit = (await app.get(app.commitHost(commit), '/')).json();
    const byBranch = (await app.get('branch-main.localhost', '/')).json();
    expect(byBranch).toMatchObject({ commit, image: byCommit.image, release: 2 });
    expect(builtAndStarted(app)).toEqual([1, 2]);
  });
});

describe('a request that has to wait', () => {
  it('holds a POST, its body unread, and then delivers it whole', async () => {
    const { opened, open } = gate();
    await using app = await startTestApp({ builds: () => ({ until: opened }) });
    const body = Buffer.alloc(3 * 1024 * 1024, 'x');
    const held = app.get(app.commitHost(app.repository.head()), '/upload', { method: 'POST', body });
    using events = await watchBuilding(app);
    await events.building;
    open();
    const answer = await held;
    expect(answer.status).toBe(200);
    expect(answer.json()).toMatchObject({ method: 'POST', url: '/upload', bytes: body.length });
  });

  it('shows a person the waiting page when hold.navigation has passed', async () => {
    const { opened, open } = gate();
    await using app = await startTestApp({ builds: () => ({ until: opened }), settings: { 'hold.navigation': '50ms' } });
    using events = await watchBuilding(app);
    await events.building;
    const answer = await app.get(app.commitHost(app.repository.head()), '/', { headers: NAVIGATION });
    open();
    expect(answer.status).toBe(503);
    expect(answer.headers).toMatchObject({ 'retry-after': '2', 'x-slipway-state': 'building', 'cache-control': 'no-store', 'content-type': 'text/html; charset=utf-8' });
    expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
    expect(answer.text).toContain('data-events="/__slipway/events"');
  });

  it('tells a program to come back when hold.request has passed', async () => {
    const { opened, open } = gate();
    await using app = await startTestApp({ builds: () => ({ until: opened }), settings: { 'hold.request': '50ms' } });
    using events = await watchBuilding(app);
    await events.building;
    const answer = await app.get(app.commitHost(app.repository.head()), '/data', { headers: { accept: 'application/json' } });
    open();
    expect(answer.status).toBe(503);
    expect(answer.json()).toMatchObject({ error: 'preview_pending', status: 'building', requestId: expect.any(String) as string });
    expect(answer.headers).toMatchObject({ 'retry-after': '2', 'x-slipway-state': 'building', 'cache-control': 'no-store' });
  });

  it('forgets a client that left', async () => {
    const { opened, open } = gate();
    await using app = await startTestApp({ builds: () => ({ until: opened }) });
    const host = app.commitHost(app.repository.head());
    const leaving = request({ host: '127.0.0.1', port: app.port, path: '/gone', agent: false, headers: { host: `${host}:${app.port}` } });
    leaving.on('error', () => undefined);
    leaving.end();
    await once(leaving, 'finish');
    const staying = app.get(host, '/stays');
    using events = await watchBuilding(app);
    await events.building;
    leaving.destroy();
    open();
    expect((await staying).json()).toMatchObject({ url: '/stays' });
  });
});

describe('a request that causes nothing', () => {
  const kinds: readonly (readonly [string, { method?: string; headers?: Record<string, string> }])[] = [
    ['HEAD', { method: 'HEAD' }],
    ['a prefetch', { headers: { ...NAVIGATION, 'sec-purpose': 'prefetch;prerender' } }],
    ['an unfurler', { headers: { ...NAVIGATION, 'user-agent': 'Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)' } }],
    ['a crawler that watches', { headers: { 'user-agent': 'Mozilla/5.0 (compatible; bingbot/2.0)' } }],
  ];

  it('is answered 503 on a preview that does not run, and builds and starts nothing', async () => {
    await using app = await startTestApp();
    const host = app.commitHost(app.repository.head());
    for (const [, init] of kinds) {
      expect((await app.get(host, '/', init)).status).toBe(503);
      expect((await app.control(`/api/wait?branch=main`, init)).status).toBe(503);
      expect((await app.control(`/?branch=main`, init)).status).toBe(302);
    }
    expect((await app.get(host, '/__slipway/state', { headers: { 'user-agent': 'Twitterbot/1.0' } })).json()).toMatchObject({ state: 'unknown' });
    expect(app.engine.calls).toMatchObject({ build: 0, start: 0 });
  });

  it('reaches a preview that runs', async () => {
    await using app = await startTestApp();
    await app.open('branch=main');
    for (const [, init] of kinds) expect((await app.get(app.commitHost(app.repository.head()), '/', init)).status).toBe(200);
  });
});

/** Tells when the only preview's build has begun. */
async function watchBuilding(app: TestApp) {
  const events = await openEvents(app, { host: app.commitHost(app.repository.head()), path: '/__slipway/events' });
  return { building: events.until(({ data }) => data.state === 'building'), [Symbol.dispose]: () => { events[Symbol.dispose](); } };
}
