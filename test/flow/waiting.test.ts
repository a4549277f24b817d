import type { FakeBuild } from '../support/fake-engine.js';
import { openEvents } from '../support/sse.js';
import { NAVIGATION, gate, startTestApp, type Gate, type TestApp } from '../support/test-app.js';

const EVENTS = '/__slipway/events';
const states = ({ events }: { events: readonly { event: string; data: Record<string, unknown> }[] }) => {
  const all = events.filter(({ event }) => event === 'state').map(({ data }) => data.state);
  return all.filter((state, at) => state !== all[at - 1]);
};
const lines = ({ events }: { events: readonly { event: string; data: Record<string, unknown> }[] }) => events.filter(({ event }) => event === 'line').map(({ data }) => data.text);

/** A server whose builds wait for their own gate, in the order they begin. */
async function startGated(settings: Record<string, string> = {}, branches: readonly string[] = []): Promise<{ app: TestApp; gates: Gate[] } & AsyncDisposable> {
  const gates: Gate[] = [];
  const builds = (): FakeBuild => {
    const own = gate();
    gates.push(own);
    return { lines: [`line one of ${gates.length}`, 'line two'], until: own.opened };
  };
  const app = await startTestApp({ settings, builds, prepare: (repository) => { for (const name of branches) repository.commit({ [name]: name }, { branch: name }); } });
  return { app, gates, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

describe('the events of the waiting page', () => {
  it('tell the state and the log’s lines, and end in running', async () => {
    await using world = await startGated();
    const { app, gates } = world;
    const commit = app.repository.head();
    using viewer = await openEvents(app, { host: app.commitHost(commit), path: EVENTS });
    expect(viewer.status).toBe(200);
    expect(viewer.headers).toMatchObject({ 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    await viewer.until(({ data }) => data.text === 'line two');
    const building = await viewer.until(({ data }) => data.state === 'building');
    expect(building.data).toMatchObject({ queuePosition: null, buildUrl: expect.stringMatching(/^http:\/\/localhost:\d+\/builds\/b_/) as string });
    gates[0]?.open();
    await viewer.until(({ data }) => data.state === 'running');
    expect(states(viewer).at(-1)).toBe('running');
    expect((await app.get(app.commitHost(commit), '/', { headers: NAVIGATION })).status).toBe(200);
    expect(app.engine.calls.build).toBe(1);
  });

  it('tell the place in the queue, and the lines once the build’s turn has come', async () => {
    await using world = await startGated({ 'builds.concurrency': '1' }, ['a', 'b']);
    const { app, gates } = world;
    const [first, second] = ['a', 'b'].map((name) => app.commitHost(app.repository.head(name)));
    using one = await openEvents(app, { host: first ?? '', path: EVENTS });
    await one.until(({ data }) => data.text === 'line two');
    using two = await openEvents(app, { host: second ?? '', path: EVENTS });
    const pending = await two.until(({ data }) => data.state === 'pending' && data.queuePosition !== null);
    expect(pending.data.queuePosition).toBe(1);
    gates[0]?.open();
    await two.until(({ data }) => data.text === 'line one of 2');
    gates[1]?.open();
    await two.until(({ data }) => data.state === 'running');
    expect(lines(two)).toContain('line two');
  });

  it('go on behind the last line the viewer has', async () => {
    await using world = await startGated();
    const { app, gates } = world;
    const host = app.commitHost(app.repository.head());
    using viewer = await openEvents(app, { host, path: EVENTS });
    const { id } = await viewer.until(({ data }) => data.text === 'line one of 1');
    using again = await openEvents(app, { host, path: EVENTS, headers: { 'last-event-id': id ?? '' } });
    const { data } = await again.until(({ event }) => event === 'line');
    expect(data.text).toBe('line two');
    gates[0]?.open();
  });

  it('end in error when the build fails', async () => {
    await using app = await startTestApp({ builds: () => ({ lines: ['oh'], fail: 'no' }) });
    using viewer = await openEvents(app, { host: app.commitHost(app.repository.head()), path: EVENTS });
    await viewer.until(({ data }) => data.state === 'error');
    expect(states(viewer).at(-1)).toBe('error');
  });

  it('take a viewer over a restart of the server to running', async () => {
    await using world = await startGated();
    const { app, gates } = world;
    const host = app.commitHost(app.repository.head());
    using viewer = await openEvents(app, { host, path: EVENTS });
    await viewer.until(({ data }) => data.text === 'line one of 1');
    await app.restart();
    await viewer.ended;
    using again = await openEvents(app, { host, path: EVENTS });
    await again.until(({ data }) => data.text === 'line one of 2');
    gates[1]?.open();
    await again.until(({ data }) => data.state === 'running');
  });

  it('start nothing for a crawler', async () => {
    await using app = await startTestApp();
    using viewer = await openEvents(app, { host: app.commitHost(app.repository.head()), path: EVENTS, headers: { 'user-agent': 'Googlebot/2.1' } });
    const { data } = await viewer.until(({ event }) => event === 'state');
    expect(data.state).toBe('unknown');
    expect(app.engine.calls.build).toBe(0);
  });
});

describe('the one reserved prefix', () => {
  it('A20: answers state, and nothing else, also while the application runs', async () => {
    await using app = await startTestApp();
    const host = app.commitHost(app.repository.head());
    expect((await app.get(host, '/__slipway/state')).json()).toMatchObject({ state: 'unknown', queuePosition: null });
    await app.open('branch=main');
    const state = await app.get(host, '/__slipway/state?x=1');
    expect(state.status).toBe(200);
    expect(state.json()).toMatchObject({ state: 'running' });
    for (const path of ['/__slipway/', '/__slipway/log', '/__slipway/states', '/__slipway/events/x', '/__slipway/%2e%2e/']) {
      const answer = await app.get(host, path);
      expect([answer.status, answer.json().error]).toEqual([404, 'not_found']);
    }
    const posted = await app.get(host, '/__slipway/state', { method: 'POST' });
    expect([posted.status, posted.headers.allow]).toEqual([405, 'GET']);
  });

  it('A20: all other paths of the control plane belong to the application', async () => {
    await using app = await startTestApp();
    const host = app.commitHost(app.repository.head());
    const paths = ['/status', '/log', '/localimages', '/api/status?branch=main', '/api/builds', '/healthz', '/?branch=main&reset=1', '/confirm?action=reset&hash=abcd', '/__slipway', '/__SLIPWAY/state'];
    for (const path of paths) expect((await app.get(host, path)).json().url).toBe(path);
    expect((await app.get(host, '/actions/reset', { method: 'POST', body: 'hash=x' })).json()).toMatchObject({ method: 'POST', url: '/actions/reset', body: 'hash=x' });
    expect(app.engine.calls.build).toBe(1);
  });
});
