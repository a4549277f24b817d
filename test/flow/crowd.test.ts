import { recordGit } from '../support/git-recorder.js';
import { createTestFolder } from '../support/git.js';
import { createFakeClock } from '../support/fake-clock.js';
import { eventually } from '../support/eventually.js';
import { connectRaw } from '../support/raw-http.js';
import { gate, heldNow, NAVIGATION, startTestApp, type TestAnswer, type TestApp } from '../support/test-app.js';

const MANY = 1_000;
const HELD = { 'hold.request': '60s', 'hold.navigation': '60s' } as const;

/** A thousand of every kind: people, programs, and bodies that wait unread. */
function askAll(app: TestApp, host: string): Promise<TestAnswer[]> {
  return Promise.all(Array.from({ length: MANY }, (_, n) => {
    if (n % 3 === 0) return app.get(host, `/?n=${n}`, { headers: NAVIGATION });
    return n % 3 === 1 ? app.get(host, `/?n=${n}`) : app.get(host, `/?n=${n}`, { method: 'POST', body: `body ${n}` });
  }));
}

/** Each answer is the one to its own request. */
function expectAllAnswered(answers: readonly TestAnswer[], commit: string): void {
  const wrong = answers.filter(({ status, text }, n) => {
    const said = status === 200 ? JSON.parse(text) as { url: string; commit: string; body: string } : undefined;
    return said?.url !== `/?n=${n}` || said.commit !== commit || said.body !== (n % 3 === 2 ? `body ${n}` : '');
  });
  expect(wrong.map(({ status, text }) => `${status} ${text.slice(0, 200)}`)).toEqual([]);
}

const made = ({ engine }: TestApp) => ({ build: engine.calls.build, network: engine.networks.size, start: engine.calls.start });
const waiting = async (app: TestApp) => Number((await app.control('/api/queue-size')).json().size);

describe('K18: a thousand first requests at once', () => {
  it('for a commit that nobody built make one build and one start, and all are answered', async () => {
    const { opened, open } = gate();
    await using app = await startTestApp({ settings: HELD, builds: () => ({ until: opened }) });
    const commit = app.repository.head();
    const answers = askAll(app, app.commitHost(commit));
    await eventually(async () => await waiting(app) === 1, { what: 'it builds' });
    open();
    expectAllAnswered(await answers, commit);
    expect(made(app)).toEqual({ build: 1, network: 1, start: 1 });
  }, 60_000);

  it('for a commit that is built and does not run make one start and no build', async () => {
    await using app = await startTestApp({ settings: HELD });
    const commit = app.repository.head();
    await app.get(app.commitHost(commit), '/');
    for (const { id } of await app.engine.list()) await app.engine.remove(id);
    expectAllAnswered(await askAll(app, app.commitHost(commit)), commit);
    expect(made(app)).toEqual({ build: 1, network: 1, start: 2 });
  }, 60_000);

  it('for one that is being stopped wait for that, and make one start', async () => {
    await using app = await startTestApp({ settings: { ...HELD, 'idle.stop': '1s' } });
    const commit = app.repository.head();
    await app.get(app.commitHost(commit), '/');
    const stop = app.engine.hold('stop');
    await eventually(async () => (await app.control('/api/status?branch=main')).json().status === 'stopping', { what: 'it is stopped' });
    const answers = askAll(app, app.commitHost(commit));
    // Whatever came before this is read by now.
    await app.control('/healthz');
    expect(app.engine.calls.start).toBe(1);
    stop();
    expectAllAnswered(await answers, commit);
    expect(app.engine.calls.stop).toBeLessThanOrEqual(2);
    expect(made(app)).toEqual({ build: 1, network: 1, start: 2 });
  }, 60_000);

  it('for one that sleeps wake it, once', async () => {
    const clock = createFakeClock();
    await using app = await startTestApp({ clock, settings: { ...HELD, 'idle.sleep': '10s', 'idle.stop': '10m' } });
    const commit = app.repository.head();
    await app.get(app.commitHost(commit), '/');
    await clock.advance(12_000);
    await eventually(async () => (await app.engine.list()).every(({ paused }) => paused), { what: 'it sleeps' });
    expectAllAnswered(await askAll(app, app.commitHost(commit)), commit);
    expect([made(app), app.engine.calls.resume]).toEqual([{ build: 1, network: 1, start: 1 }, 1]);
  }, 60_000);

  it('for one that is being put to sleep wait for that, and wake it once', async () => {
    const clock = createFakeClock();
    await using app = await startTestApp({ clock, settings: { ...HELD, 'idle.sleep': '10s', 'idle.stop': '10m' } });
    const commit = app.repository.head();
    await app.get(app.commitHost(commit), '/');
    const freeze = app.engine.hold('pause');
    await clock.advance(12_000);
    await eventually(() => app.engine.calls.pause === 1, { what: 'it is being frozen' });
    const answers = askAll(app, app.commitHost(commit));
    await app.control('/healthz');
    expect(app.engine.calls.resume).toBe(0);
    freeze();
    expectAllAnswered(await answers, commit);
    expect([made(app), app.engine.calls.resume]).toEqual([{ build: 1, network: 1, start: 1 }, 1]);
  }, 60_000);

  it('for one whose container was removed behind our back, unheard of, make one start', async () => {
    await using app = await startTestApp({ settings: HELD });
    const commit = app.repository.head();
    const host = app.commitHost(commit);
    await app.get(host, '/');
    app.engine.cutEvents();
    for (const { id } of await app.engine.list()) await app.engine.remove(id);
    const answers = await Promise.all(Array.from({ length: MANY }, () => app.get(host, '/')));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(made(app)).toEqual({ build: 1, network: 1, start: 2 });
  }, 60_000);

  it('for a commit that was pushed just now cause a fetch or two', async () => {
    using folder = createTestFolder();
    const git = recordGit(folder.path);
    await using app = await startTestApp({ settings: HELD, configure: (config) => ({ ...config, surroundings: { ...config.surroundings, path: git.path } }) });
    const fetches = () => git.calls().filter((args) => args.includes('fetch')).length;
    const before = fetches();
    const commit = app.repository.commit({ pushed: 'now' }, { branch: 'pushed' });
    expectAllAnswered(await askAll(app, app.commitHost(commit)), commit);
    expect(fetches() - before).toBeGreaterThan(0);
    expect(fetches() - before).toBeLessThanOrEqual(2);
    expect(made(app)).toEqual({ build: 1, network: 1, start: 1 });
  }, 60_000);

  it('of people who do not wait are answered with the waiting page, 503, and make one build', async () => {
    const { opened, open } = gate();
    await using app = await startTestApp({ settings: { ...HELD, 'hold.navigation': '1ms' }, builds: () => ({ until: opened }) });
    const host = app.commitHost(app.repository.head());
    const pages = await Promise.all(Array.from({ length: MANY }, () => app.get(host, '/', { headers: NAVIGATION })));
    expect(new Set(pages.map(({ status, headers }) => `${status} ${headers['retry-after'] ?? 'without Retry-After'}`))).toEqual(new Set(['503 2']));
    expect(app.engine.calls.build).toBe(1);
    open();
  }, 60_000);
});

describe('INV7: requests that one connection sends without waiting for answers', () => {
  const MOST_OF_A_CONNECTION = 100;
  const pipeline = async (app: TestApp, requests: number) => {
    const client = await connectRaw(app.port);
    client.send(`GET /pipelined HTTP/1.1\r\nHost: ${app.commitHost(app.repository.head())}:${app.port}\r\n\r\n`.repeat(requests));
    return client;
  };
  const held = (app: TestApp, requests: number) => eventually(async () => await heldNow(app) === requests, { what: `${requests} are held` });

  it('K18: wait up to a bound and are refused beyond it; others wait beside them', async () => {
    const { opened, open } = gate();
    await using app = await startTestApp({ settings: HELD, builds: () => ({ until: opened }) });
    using client = await pipeline(app, 3 * MOST_OF_A_CONNECTION);
    await held(app, MOST_OF_A_CONNECTION);
    const other = app.get(app.commitHost(app.repository.head()), '/other');
    await held(app, MOST_OF_A_CONNECTION + 1);
    open();
    expect((await other).status).toBe(200);
    const text = await client.until((all) => (all.match(/too_busy/g) ?? []).length === 2 * MOST_OF_A_CONNECTION);
    expect([...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status)).toEqual([...Array<string>(MOST_OF_A_CONNECTION).fill('200'), ...Array<string>(2 * MOST_OF_A_CONNECTION).fill('503')]);
  }, 60_000);

  it('G35: give back their places when their client leaves, whatever is answered before them', async () => {
    const { opened, open } = gate();
    await using app = await startTestApp({ settings: HELD, builds: () => ({ until: opened }) });
    using client = await pipeline(app, MOST_OF_A_CONNECTION);
    await held(app, MOST_OF_A_CONNECTION);
    client.socket.destroy();
    await held(app, 0);
    open();
  }, 60_000);
});
