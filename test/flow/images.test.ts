import { systemClock } from '../../src/kernel/clock.js';
import { openDatabase } from '../../src/state/database.js';
import type { FakePull } from '../support/fake-registry.js';
import { createFakeClock } from '../support/fake-clock.js';
import { APP, hostOf, labelOf, REGISTRY, startImageApp } from '../support/image-app.js';
import { openEvents } from '../support/sse.js';
import { echo, gate, NAVIGATION, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

const bearer = (app: TestApp) => ({ headers: { authorization: `Bearer ${app.token}` } });
const query = (reference: string, more = '') => `image=${encodeURIComponent(reference)}${more}`;
const word = async (app: TestApp, reference = APP) => (await app.control(`/status?${query(reference)}`)).text;
const pulledAndStarted = ({ engine }: TestApp) => [engine.calls.pull, engine.calls.start];

describe('opening an image', () => {
  it('D13: redirects to a host of its own, path and other parameters as they came, and causes nothing yet', async () => {
    await using app = await startImageApp();
    const answer = await app.control(`/any/p%61th?y=1&${query(APP)}&z=a+b`);
    expect(answer.status).toBe(302);
    expect(answer.headers.location).toMatch(new RegExp(`^http://container-team-app-v1-[0-9a-f]{12}\\.localhost:${app.port}/any/p%61th\\?y=1&z=a\\+b$`));
    expect(answer.headers).toMatchObject({ 'cache-control': 'no-store' });
    expect(pulledAndStarted(app)).toEqual([0, 0]);
  });

  it('D13, D14: pulls and starts at the first visit, answers that first request properly, and does neither again', async () => {
    await using app = await startImageApp();
    const host = await hostOf(app, APP);
    const answer = await app.get(host, '/any/path?y=1', { headers: NAVIGATION });
    expect(answer.status).toBe(200);
    expect(answer.json()).toMatchObject({ method: 'GET', url: '/any/path?y=1', commit: null });
    expect(answer.headers).toMatchObject({ 'x-slipway-release': 'v1' });
    expect(answer.headers).not.toHaveProperty('x-slipway-commit');
    expect((await app.get(host, '/again')).status).toBe(200);
    expect([...pulledAndStarted(app), app.engine.calls.build]).toEqual([1, 1, 0]);
  });

  it('D14: an application that resets its first connections gets no visitor before it is ready', async () => {
    let connections = 0;
    await using app = await startImageApp({
      program: (spec) => ({ serve: (req, res) => { connections += 1; if (connections <= 3) req.socket.resetAndDestroy(); else echo(spec)(req, res); } }),
    });
    const answers = await Promise.all(Array.from({ length: 5 }, async () => app.get(await hostOf(app, APP), '/', { method: 'POST', body: 'x' })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(connections).toBeGreaterThanOrEqual(3 + 1 + 5);
  });

  it('D13: tells the application what it is, without a commit', async () => {
    await using app = await startImageApp();
    const host = await hostOf(app, APP);
    const { env } = (await app.get(host, '/')).json();
    expect(env).toMatchObject({ SLIPWAY_COMMIT: '', SLIPWAY_BRANCH: '', SLIPWAY_RELEASE: 'v1', SLIPWAY_ENV: '', SLIPWAY_URL: `http://${host}:${app.port}`, PORT: '3000' });
    expect((env as Record<string, string>).SLIPWAY_BUILD).toMatch(/^b_/);
  });

  it('D13: gives each image and environment a container of its own, with the image pulled once', async () => {
    await using app = await startImageApp({ images: new Map<string, FakePull>([[APP, { exposedPorts: [8080] }], [`${REGISTRY}/team/app:v2`, {}]]) });
    const [plain, jetpack, other] = [await hostOf(app, APP), await hostOf(app, APP, '&env=jetpack'), await hostOf(app, `${REGISTRY}/team/app:v2`)];
    expect(new Set([plain, jetpack, other]).size).toBe(3);
    const envOf = async (host: string) => (await app.get(host, '/')).json().env as Record<string, string>;
    expect([(await envOf(plain)).MODE, (await envOf(jetpack)).MODE, (await envOf(jetpack)).SLIPWAY_ENV]).toEqual([undefined, 'jetpack', 'jetpack']);
    expect([(await envOf(plain)).PORT, (await envOf(other)).PORT]).toEqual(['8080', '3000']);
    expect(pulledAndStarted(app)).toEqual([2, 3]);
  });

  it('D13: a host that stands for another image is never taken for this one', async () => {
    const other = `${REGISTRY}/team/other:v1`;
    await using app = await startImageApp({ images: new Map([[APP, {}], [other, {}]]) });
    const host = await hostOf(app, APP);
    await app.stop();
    // Nobody can find two references with one host: the record says that there are.
    const database = await openDatabase({ folder: app.stateDir, clock: systemClock, log: app.log });
    await database.db.updateTable('routes').set({ subject: other }).where('subject', '=', APP).execute();
    await database.close();
    await app.start();
    for (const path of ['/?', '/api/wait?']) {
      const refused = await app.control(`${path}${query(APP)}`);
      expect([refused.status, refused.json().error]).toEqual([400, 'invalid_image']);
    }
    expect((await app.get(host, '/')).text).not.toContain(APP);
    expect(app.engine.pulls.map(({ reference }) => reference.text)).not.toContain(APP);
  });

  it('D13: pulls no reference of another spelling twice', async () => {
    await using app = await startImageApp();
    const host = await hostOf(app, APP);
    expect(await hostOf(app, APP.replace('registry.example', 'REGISTRY.Example'))).toBe(host);
    await app.get(host, '/');
    expect(app.engine.pulls.map(({ reference, tags }) => [reference.text, tags.length])).toEqual([[APP, 2]]);
  });

  it('D13: shows the progress of the pull live, on the waiting page and by its events', async () => {
    const { opened, open } = gate();
    await using app = await startImageApp({ images: new Map([[APP, { lines: ['v1: Pulling from team/app', '1.0 of 30.0 MB fetched'], until: opened }]]), settings: { 'hold.navigation': '50ms' } });
    const host = await hostOf(app, APP);
    using events = await openEvents(app, { host, path: '/__slipway/events' });
    await events.until(({ event, data }) => event === 'line' && data.text === '1.0 of 30.0 MB fetched');
    const page = await app.get(host, '/', { headers: NAVIGATION });
    expect(page.status).toBe(503);
    expect(page.headers).toMatchObject({ 'retry-after': '2', 'x-slipway-state': 'building' });
    expect(page.text).toContain(`<h1><bdi>${APP}</bdi></h1>`);
    expect(page.text).toContain('Pulling the image');
    expect(await word(app)).toBe('Building');
    open();
    await events.until(({ event, data }) => event === 'state' && data.state === 'running');
    expect(await word(app)).toBe('Ready');
  });
});

describe('single flight', () => {
  it('K18: 50 visitors at once, of the link and of its host, cause one pull and one start', async () => {
    const { opened, open } = gate();
    await using app = await startImageApp({ images: new Map([[APP, { until: opened }]]) });
    const visitors = Array.from({ length: 50 }, async (_, at) => app.get(await hostOf(app, APP), `/${at}`));
    await until(() => app.engine.calls.pull === 1, 'the pull began');
    open();
    const answers = await Promise.all(visitors);
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 200));
    expect(answers.map((answer) => answer.json().url)).toEqual(Array.from({ length: 50 }, (_, at) => `/${at}`));
    expect(pulledAndStarted(app)).toEqual([1, 1]);
  });

  it('K18: environments that are opened at once share the pull', async () => {
    await using app = await startImageApp();
    const answers = await Promise.all(['', '&env=jetpack'].map((env) => app.open(query(APP, env))));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(pulledAndStarted(app)).toEqual([1, 2]);
  });

  it('waits for a place like a build, and is refused when the queue is full', async () => {
    const { opened, open } = gate();
    const names = ['a', 'b', 'c'].map((name) => `${REGISTRY}/${name}:1`);
    await using app = await startImageApp({ images: new Map(names.map((name) => [name, { until: opened }])), settings: { 'builds.concurrency': '1', 'builds.queue': '1' } });
    const waiting = names.slice(0, 2).map((name) => app.open(query(name)));
    await until(async () => (await app.control('/api/queue-size')).json().size === 2, 'one pulls and one waits');
    const refused = await app.open(query(names[2] ?? ''));
    expect([refused.status, refused.json().error]).toEqual([503, 'queue_full']);
    open();
    for (const each of await Promise.all(waiting)) expect(each.status).toBe(200);
  });
});

describe('a life', () => {
  it('D13: a container that ended is revived by the next visit, without another pull', async () => {
    await using app = await startImageApp();
    const host = await hostOf(app, APP);
    await app.get(host, '/');
    const [container] = await app.engine.list();
    if (!container) throw new Error('nothing runs');
    app.engine.exit(container.id, 1, ['out of patience']);
    expect([200, 502]).toContain((await app.get(host, '/')).status);
    expect((await app.get(host, '/')).status).toBe(200);
    expect(pulledAndStarted(app)).toEqual([1, 2]);
  });

  it('D13: idles and wakes like any other preview', async () => {
    const clock = createFakeClock();
    await using app = await startImageApp({ clock, settings: { 'idle.stop': '30m' } });
    const host = await hostOf(app, APP);
    await app.get(host, '/');
    await clock.advance(31 * 60_000);
    await until(async () => (await app.engine.list()).length === 0, 'it stops');
    expect(await word(app)).toBe('NeedsPriming');
    expect((await app.get(host, '/')).headers['x-slipway-release']).toBe('v1');
    expect(pulledAndStarted(app)).toEqual([1, 2]);
  });

  it('D13: survives a restart of the server: what runs serves on, and its URL stays good', async () => {
    await using app = await startImageApp();
    const host = await hostOf(app, APP);
    await app.get(host, '/');
    await app.restart();
    expect((await app.get(host, '/')).headers['x-slipway-release']).toBe('v1');
    expect(pulledAndStarted(app)).toEqual([1, 1]);
  });

  it('a pull that the server left behind is taken up again', async () => {
    const { opened, open } = gate();
    const images = new Map<string, FakePull>([[APP, { until: opened }]]);
    await using app = await startImageApp({ images });
    const waiting = app.get(await hostOf(app, APP), '/');
    await until(() => app.engine.calls.pull === 1, 'the pull runs');
    await app.restart();
    expect((await waiting).status).toBe(503);
    open();
    expect((await app.open(query(APP))).json()).toMatchObject({ status: 'running', build: { status: 'succeeded', reference: APP, commit: null } });
    expect(app.engine.calls.pull).toBe(2);
  });

  it('K20: an image that was removed behind our back is pulled again', async () => {
    await using app = await startImageApp();
    const host = await hostOf(app, APP);
    await app.get(host, '/');
    const image = (await app.engine.list())[0]?.image;
    if (!image) throw new Error('nothing runs');
    for (const { id } of await app.engine.list()) await app.engine.remove(id);
    await app.engine.removeImage(image);
    await until(async () => (await app.get(host, '/')).status === 200, 'it serves again');
    expect(app.engine.calls.pull).toBe(2);
  });
});

describe('a request that causes nothing', () => {
  it.each([
    ['HEAD', { method: 'HEAD' }],
    ['a prefetch', { headers: { ...NAVIGATION, 'sec-purpose': 'prefetch' } }],
    ['an unfurler', { headers: { ...NAVIGATION, 'user-agent': 'Slackbot-LinkExpanding 1.0' } }],
  ])('D13: %s is answered, pulls nothing and starts nothing', async (_kind, init) => {
    await using app = await startImageApp();
    expect((await app.control(`/?${query(APP)}`, init)).status).toBe(302);
    expect((await app.control(`/status`)).json()).toEqual([]);
    const host = await hostOf(app, APP);
    expect((await app.get(host, '/', init)).status).toBe(503);
    expect((await app.control(`/api/wait?${query(APP)}`, init)).status).toBe(503);
    expect(pulledAndStarted(app)).toEqual([0, 0]);
    await app.get(host, '/');
    expect((await app.get(host, '/', init)).status).toBe(200);
  });
});

describe('pulling again', () => {
  it('D13: brings what the registry has now, serves on meanwhile, and stops what it replaced', async () => {
    const images = new Map<string, FakePull>([[APP, { content: 'first' }]]);
    await using app = await startImageApp({ images });
    const host = await hostOf(app, APP);
    const { image } = (await app.get(host, '/')).json();
    images.set(APP, { content: 'second' });
    expect((await app.get(host, '/')).json()).toMatchObject({ image });
    const answer = await app.control(`/?${query(APP, '&reset=1')}`, bearer(app));
    expect([answer.status, answer.json().build]).toMatchObject([202, { reference: APP, noCache: false }]);
    await until(async () => (await app.get(host, '/')).json().image !== image, 'the new image serves');
    expect((await app.get(host, '/')).headers['x-slipway-release']).toBe('v2');
    await until(async () => (await app.engine.list()).length === 1, 'the old container is gone');
  });

  it('changes nothing when the registry has nothing new', async () => {
    await using app = await startImageApp();
    await app.open(query(APP));
    await app.control(`/?${query(APP, '&reset=1')}`, bearer(app));
    await until(async () => ((await app.control(`/api/status?${query(APP)}`)).json().build as { id: string; status: string }).status === 'succeeded' && app.engine.calls.pull === 2, 'it is pulled again');
    expect((await app.get(await hostOf(app, APP), '/')).headers['x-slipway-release']).toBe('v1');
    expect([app.engine.calls.start, labelOf(await hostOf(app, APP))]).toEqual([1, expect.stringMatching(/^container-/)]);
  });
});
