import { createFakeClock, type FakeClock } from '../support/fake-clock.js';
import { eventually } from '../support/eventually.js';
import { openEvents } from '../support/sse.js';
import { gate, NAVIGATION, startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';

const stateOf = async (app: TestApp, query = 'branch=main') => (await app.control(`/api/status?${query}`)).json().status;
const paused = async (app: TestApp) => (await app.engine.list()).map((each) => each.paused);

interface Asleep { readonly app: TestApp; readonly clock: FakeClock; readonly host: string }

/** A preview that was opened and fell asleep. */
async function fallAsleep(options: TestAppOptions = {}): Promise<Asleep & AsyncDisposable> {
  const clock = createFakeClock();
  const app = await startTestApp({ clock, ...options, settings: { 'idle.sleep': '10s', 'idle.stop': '60s', ...options.settings } });
  const host = app.commitHost(app.repository.head());
  await app.get(host, '/');
  await nod({ app, clock });
  return { app, clock, host, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

async function nod({ app, clock }: Pick<Asleep, 'app' | 'clock'>): Promise<void> {
  await clock.advance(12_000);
  await eventually(async () => (await paused(app)).every(Boolean), { what: 'it is frozen' });
}

describe('a preview that sleeps', () => {
  it('is woken by a visit, in the same container and without a look at git, records or images', async () => {
    await using asleep = await fallAsleep();
    const { app, host } = asleep;
    expect(await stateOf(app)).toBe('sleeping');
    const before = { ...app.engine.calls };
    expect((await app.get(host, '/cart', { headers: NAVIGATION })).json()).toMatchObject({ url: '/cart', release: 1 });
    const { resume, start, image, inspect } = app.engine.calls;
    expect([resume - before.resume, start - before.start, image - before.image, inspect - before.inspect]).toEqual([1, 0, 0, 0]);
    expect([await stateOf(app), await paused(app)]).toEqual(['running', [false]]);
  });

  it('is woken once by many at the same time, bodies and all, and answers each', async () => {
    await using asleep = await fallAsleep({ program: () => ({ serve: (req, res) => { req.on('data', () => undefined).on('end', () => { res.end(JSON.stringify({ url: req.url })); }); } }) });
    const { app, host } = asleep;
    const answers = await Promise.all(Array.from({ length: 100 }, (_, at) => app.get(host, `/${at}`, at % 2 ? { method: 'POST', body: 'x'.repeat(at) } : {})));
    expect(answers.map(({ status, text }) => [status, text])).toEqual(answers.map((_, at) => [200, JSON.stringify({ url: `/${at}` })]));
    expect(app.engine.calls.resume).toBe(1);
  });

  it('is neither woken nor kept by what does not open previews, and says that it sleeps', async () => {
    await using asleep = await fallAsleep();
    const { app, host } = asleep;
    const head = await app.get(host, '/', { method: 'HEAD' });
    const bot = await app.get(host, '/', { headers: { 'user-agent': 'Slackbot-LinkExpanding 1.0' } });
    expect([head.status, bot.status, bot.json().error, await paused(app)]).toEqual([503, 503, 'preview_unavailable', [true]]);
    expect(app.engine.calls.resume).toBe(0);
  });

  it('stays awake for whoever woke it and comes later, as a waiting page does', async () => {
    await using asleep = await fallAsleep({ settings: { 'idle.stop': 'never' } });
    const { app, clock, host } = asleep;
    await clock.advance(120_000);
    using viewer = await openEvents(app, { host, path: '/__slipway/events' });
    await viewer.until(({ data }) => data.state === 'running');
    await clock.advance(9_000);
    expect([await stateOf(app), await paused(app)]).toEqual(['running', [false]]);
    expect((await app.get(host, '/')).status).toBe(200);
    expect(app.engine.calls).toMatchObject({ resume: 1, start: 1 });
  });

  it('stops after a longer time, counted from the last visit, and the next one starts it', async () => {
    await using asleep = await fallAsleep();
    const { app, clock, host } = asleep;
    await clock.advance(52_000);
    await eventually(async () => (await app.engine.list()).length === 0, { what: 'the container is removed' });
    expect(await stateOf(app)).toBe('stopped');
    expect((await app.get(host, '/')).json()).toMatchObject({ release: 1 });
    expect(app.engine.calls.start).toBe(2);
  });

  it('is started anew when its container went meanwhile', async () => {
    await using asleep = await fallAsleep();
    const { app, host } = asleep;
    for (const { id } of await app.engine.list()) await app.engine.remove(id);
    expect((await app.get(host, '/')).status).toBe(200);
    expect(app.engine.calls.start).toBe(2);
  });

  it('is told of honestly when the engine does not answer, and wakes when it does again', async () => {
    await using asleep = await fallAsleep();
    const { app, host } = asleep;
    app.engine.down();
    expect((await app.get(host, '/')).json().error).toBe('engine_unavailable');
    app.engine.up();
    expect((await app.get(host, '/')).json()).toMatchObject({ release: 1 });
    expect(app.engine.calls.start).toBe(1);
  });

  it('serves again after a restart of the server', async () => {
    await using asleep = await fallAsleep();
    const { app, host } = asleep;
    await app.restart();
    expect((await app.get(host, '/')).json()).toMatchObject({ release: 1 });
    expect([app.engine.calls.start, await paused(app)]).toEqual([1, [false]]);
  });

  it('goes on when somebody else lets it, and what runs goes on when somebody freezes it', async () => {
    await using asleep = await fallAsleep();
    const { app, host } = asleep;
    const [container] = await app.engine.list();
    if (!container) throw new Error('nothing is there');
    await app.engine.resume(container.id);
    await eventually(async () => await stateOf(app) === 'running', { what: 'it counts as running' });
    await app.engine.pause(container.id);
    expect((await app.get(host, '/')).status).toBe(200);
    expect(await paused(app)).toEqual([false]);
  });

  it('of a branch that moved is stopped, and the next visitor gets the new commit', async () => {
    const clock = createFakeClock();
    await using app = await startTestApp({ clock, settings: { 'idle.sleep': '10s', 'idle.stop': '10m' } });
    await app.get('branch-main.localhost', '/');
    await nod({ app, clock });
    const commit = app.repository.commit({ b: 'b' });
    await app.fetch(commit);
    await eventually(async () => (await app.engine.list()).length === 0, { what: 'the old one stops' });
    expect(app.engine.calls.build).toBe(1);
    expect((await app.get('branch-main.localhost', '/')).json()).toMatchObject({ commit });
  });

  it('of a branch whose configuration changed comes back with the new one', async () => {
    const clock = createFakeClock();
    await using app = await startTestApp({ clock, settings: { 'idle.sleep': '10s', 'idle.stop': '10m' } });
    await app.get('branch-main.localhost', '/');
    await nod({ app, clock });
    const headers = { authorization: `Bearer ${app.token}` };
    await app.control('/api/projects/repository/config', { method: 'POST', headers, body: JSON.stringify({ set: { COLOUR: 'red' } }) });
    expect((await app.get('branch-main.localhost', '/')).json()).toMatchObject({ env: expect.objectContaining({ COLOUR: 'red' }) as object });
  });

  it('does not fall asleep under an answer that takes long', async () => {
    const { opened, open } = gate();
    const clock = createFakeClock();
    await using app = await startTestApp({
      clock, settings: { 'idle.sleep': '10s' },
      program: () => ({ serve: (req, res) => { if (req.url === '/slow') void opened.then(() => { res.end('done'); }); else res.end('quick'); } }),
    });
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    const slow = app.get(host, '/slow');
    await app.get(host, '/');
    await clock.advance(60_000);
    expect(await paused(app)).toEqual([false]);
    open();
    expect((await slow).text).toBe('done');
    await nod({ app, clock });
  });
});
