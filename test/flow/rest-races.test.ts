import { createFakeClock, type FakeClock } from '../support/fake-clock.js';
import { echo, gate, startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';
import { until } from '../support/until.js';

const MANY = 100;
const IDLE = { 'idle.sleep': '10s', 'idle.stop': '60s' } as const;
const hostOf = (app: TestApp) => app.commitHost(app.repository.head());
const bearer = ({ token }: TestApp) => ({ authorization: `Bearer ${token}` });
const times = <Answer>(ask: () => Promise<Answer>, many = MANY): Promise<Answer[]> => Promise.all(Array.from({ length: many }, ask));
const count = (values: readonly number[]) => Object.fromEntries([...new Set(values)].sort().map((value) => [value, values.filter((other) => other === value).length]));
const reset = (app: TestApp) => app.control('/?branch=main&reset=1', { headers: bearer(app) });
const post = (app: TestApp, path: string, body: object) => app.control(path, { method: 'POST', headers: bearer(app), body: JSON.stringify(body) });
const paused = async (app: TestApp) => (await app.engine.list()).map((each) => each.paused);

/** A preview that runs, under a clock that stands. */
async function startIdle(options: TestAppOptions = {}): Promise<{ readonly app: TestApp; readonly clock: FakeClock } & AsyncDisposable> {
  const clock = createFakeClock();
  const app = await startTestApp({ clock, settings: IDLE, ...options });
  await app.get(hostOf(app), '/');
  return { app, clock, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

describe('K22: a request that meets a rest', () => {
  it('waits while the preview is being frozen, and is answered by the same container', async () => {
    await using idle = await startIdle();
    const { app, clock } = idle;
    const freeze = app.engine.hold('pause');
    await clock.advance(12_000);
    await until(() => app.engine.calls.pause === 1, 'it is being frozen');
    const answer = app.get(hostOf(app), '/late', { method: 'POST', body: 'kept' });
    await app.control('/healthz');
    expect(app.engine.calls.resume).toBe(0);
    freeze();
    expect((await answer).json()).toMatchObject({ url: '/late', body: 'kept' });
    expect([app.engine.calls.start, app.engine.calls.resume, await paused(app)]).toEqual([1, 1, [false]]);
  });

  it('waits while the preview is being stopped, and is answered by the next container', async () => {
    await using idle = await startIdle();
    const { app, clock } = idle;
    const stop = app.engine.hold('stop');
    await until(async () => { await clock.advance(10_000); return app.engine.calls.stop === 1; }, 'it is being stopped');
    const answer = app.get(hostOf(app), '/late', { method: 'POST', body: 'kept' });
    await app.control('/healthz');
    expect(app.engine.calls.start).toBe(1);
    stop();
    expect((await answer).json()).toMatchObject({ url: '/late', body: 'kept' });
    expect([app.engine.calls.start, app.engine.calls.build]).toEqual([2, 1]);
  });

  it('is answered on whichever side of the moment it comes', async () => {
    await using idle = await startIdle();
    const { app, clock } = idle;
    for (let round = 0; round < 30; round += 1) {
      // The round in which it sleeps is another one each time.
      const resting = clock.advance(9_000 + 100 * round);
      const answers = await times(() => app.get(hostOf(app), `/${round}`), 5);
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
      await resting;
    }
    expect(app.engine.calls.pause).toBeGreaterThan(0);
    expect(app.engine.calls.pause).toBe(app.engine.calls.resume + (await paused(app)).filter(Boolean).length);
  });

  it('that is long blocks both rests, however long it takes', async () => {
    const { opened, open } = gate();
    await using idle = await startIdle({ program: (spec) => ({ serve: (req, res) => { if (req.url === '/download') { res.write('begun'); void opened.then(() => { res.end('done'); }); } else echo(spec)(req, res); } }) });
    const { app, clock } = idle;
    const download = app.get(hostOf(app), '/download');
    await app.get(hostOf(app), '/');
    await clock.advance(30 * 60_000);
    expect([app.engine.calls.pause, app.engine.calls.stop]).toEqual([0, 0]);
    open();
    expect((await download).text).toBe('begundone');
  });
});

describe('K22: a reset', () => {
  it('a hundred times at once is one: the first is taken, the others are told to wait', async () => {
    const second = gate();
    let builds = 0;
    await using app = await startTestApp({ builds: () => (++builds === 2 ? { until: second.opened } : {}) });
    await app.open('branch=main');
    const answers = await times(() => reset(app));
    expect(count(answers.map(({ status }) => status))).toEqual({ 202: 1, 429: MANY - 1 });
    second.open();
    await until(async () => (await app.open('branch=main')).json().release === 'v2', 'the new image runs');
    expect([app.engine.calls.build, app.engine.calls.start]).toEqual([2, 2]);
  });

  it('by a hundred programs at once, which may, is one build and one start too', async () => {
    const second = gate();
    let builds = 0;
    await using app = await startTestApp({ builds: () => (++builds === 2 ? { until: second.opened } : {}) });
    await app.open('branch=main');
    const answers = await times(() => post(app, '/apps/repository/restart', { invalidate: true }));
    expect(answers.every(({ status }) => status < 300)).toBe(true);
    second.open();
    await until(async () => (await app.open('branch=main')).json().release === 'v2', 'the new image runs');
    expect([app.engine.calls.build, app.engine.calls.start]).toEqual([2, 2]);
  });

  it('during traffic costs no request', async () => {
    await using app = await startTestApp();
    await app.open('branch=main');
    const statuses: number[] = [];
    let over = false;
    const traffic = times(async () => { while (!over) statuses.push((await app.get(hostOf(app), '/')).status); }, 10);
    await reset(app);
    await until(async () => (await app.open('branch=main')).json().release === 'v2', 'the new image runs');
    await until(async () => (await app.engine.list()).length === 1, 'the old container is removed');
    over = true;
    await traffic;
    expect(count(statuses)).toEqual({ 200: statuses.length });
    expect(statuses.length).toBeGreaterThan(10);
  });
});
