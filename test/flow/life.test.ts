import { Agent, request } from 'node:http';
import { createFakeClock } from '../support/fake-clock.js';
import { eventually } from '../support/eventually.js';
import { openEvents } from '../support/sse.js';
import { gate, startTestApp, type TestApp } from '../support/test-app.js';

const calls = ({ engine }: TestApp) => [engine.calls.build, engine.calls.start];

describe('a preview that nobody uses', () => {
  it('D11: stops, and the next visit starts it from its release without a build', async () => {
    const clock = createFakeClock();
    await using app = await startTestApp({ clock, settings: { 'idle.stop': '10s' } });
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    await clock.advance(9_000);
    expect(await app.engine.list()).toHaveLength(1);
    await app.get(host, '/');
    await clock.advance(9_000);
    expect(await app.engine.list()).toHaveLength(1);
    await clock.advance(3_000);
    await eventually(async () => (await app.engine.list()).length === 0, { what: 'the container is removed' });
    expect((await app.control('/api/status?branch=main')).json()).toMatchObject({ status: 'stopped', release: 'v1', lastError: null });
    expect((await app.get(host, '/')).json()).toMatchObject({ release: 1 });
    expect(calls(app)).toEqual([1, 2]);
  });

  it('is not kept awake by HEAD', async () => {
    const clock = createFakeClock();
    await using app = await startTestApp({ clock, settings: { 'idle.stop': '10s' } });
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    await clock.advance(8_000);
    expect((await app.get(host, '/', { method: 'HEAD' })).status).toBe(200);
    await clock.advance(4_000);
    await eventually(async () => (await app.engine.list()).length === 0, { what: 'the container is removed' });
  });

  it('stays while an answer is in flight, however long that takes', async () => {
    const clock = createFakeClock();
    const { opened, open } = gate();
    await using app = await startTestApp({
      clock, settings: { 'idle.stop': '10s' },
      program: () => ({ serve: (req, res) => { if (req.url === '/slow') void opened.then(() => { res.end('done'); }); else res.end('quick'); } }),
    });
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    const slow = app.get(host, '/slow');
    await app.get(host, '/');
    await clock.advance(30_000);
    expect(await app.engine.list()).toHaveLength(1);
    open();
    expect((await slow).text).toBe('done');
    await clock.advance(12_000);
    await eventually(async () => (await app.engine.list()).length === 0, { what: 'the container is removed' });
  });
});

describe('many at once', () => {
  it('K18: 200 first requests for one commit cause one build and one start, and all are answered', async () => {
    const { opened, open } = gate();
    await using app = await startTestApp({ builds: () => ({ until: opened }) });
    const commit = app.repository.head();
    const requests = Array.from({ length: 200 }, (_, at) => app.get(app.commitHost(commit), `/${at}`));
    await eventually(() => app.engine.calls.build === 1, { what: 'the build' });
    open();
    const answers = await Promise.all(requests);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(answers.map((answer) => answer.json().url)).toEqual(answers.map((_, at) => `/${at}`));
    expect(calls(app)).toEqual([1, 1]);
  });

  it('A8: branch, short and full hash of one commit at once cause one build', async () => {
    await using app = await startTestApp();
    const commit = app.repository.head();
    const answers = await Promise.all([app.open('branch=main'), app.open(`hash=${commit}`), app.open(`hash=${commit.slice(0, 7)}`), app.get('branch-main.localhost', '/')]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(app.engine.calls.build).toBe(1);
  });

  it('commits of equal content at once cause one build', async () => {
    await using app = await startTestApp({ prepare: (repository) => { for (let at = 0; at < 5; at += 1) repository.commit({}, { message: `same ${at}` }); } });
    const commits = app.repository.git('rev-list', 'main').split('\n');
    const answers = await Promise.all(commits.map((commit) => app.open(`hash=${commit}`)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(calls(app)).toEqual([1, 6]);
  });
});

describe('a restart of the server', () => {
  it('adopts what runs, without a new start and without a failed request', async () => {
    await using app = await startTestApp();
    const commit = app.repository.head();
    await app.get(app.commitHost(commit), '/');
    await app.get('branch-main.localhost', '/');
    await app.restart();
    expect(await app.engine.list()).toHaveLength(2);
    expect((await app.get(app.commitHost(commit), '/')).json()).toMatchObject({ commit, release: 1 });
    expect((await app.get('branch-main.localhost', '/')).json()).toMatchObject({ commit, release: 2 });
    expect(calls(app)).toEqual([1, 2]);
    expect((await app.control('/status?branch=main')).text).toBe('Ready');
  });

  it('goes on with builds that ran and that waited', async () => {
    let isHanging = true;
    await using app = await startTestApp({
      settings: { 'builds.concurrency': '1' }, builds: () => (isHanging ? { until: new Promise(() => undefined) } : {}),
      prepare: (repository) => { repository.commit({ other: 'other' }, { branch: 'other' }); },
    });
    const commits = [app.repository.head('main'), app.repository.head('other')];
    const visits = commits.map((commit) => app.get(app.commitHost(commit), '/').catch(() => undefined));
    await eventually(async () => (await app.control('/api/queue-size')).json().size === 2, { what: 'both builds' });
    isHanging = false;
    await app.restart();
    await Promise.all(visits);
    await eventually(async () => {
      const builds = JSON.parse((await app.control('/api/builds')).text) as Record<string, unknown>[];
      return builds.length === 2 && builds.every(({ status }) => status === 'succeeded');
    }, { what: 'both builds succeed' });
    for (const commit of commits) expect((await app.get(app.commitHost(commit), '/')).json()).toMatchObject({ commit });
  });

  it('removes a container that serves no current release', async () => {
    await using app = await startTestApp();
    await app.get('branch-main.localhost', '/');
    await app.stop();
    const [running] = await app.engine.list();
    if (!running) throw new Error('nothing runs');
    const { project, image, commit, build } = running;
    await app.engine.start({
      project, image, commit, build, environment: null, process: null, command: null, release: 9 as typeof running.release, env: {}, port: 3000, memoryBytes: 1, cpus: 1, pids: 1, profile: 'compat', stopTimeoutMs: 1,
    });
    await app.start();
    expect((await app.engine.list()).map(({ release }) => release)).toEqual([1]);
  });

  it('lets an answer end that is in flight, and then does not wait for the next request of its connection', async () => {
    const clock = createFakeClock();
    const { opened, open } = gate();
    const arrived = gate();
    await using app = await startTestApp({
      clock, program: () => ({ serve: (req, res) => { if (req.url === '/slow') { arrived.open(); void opened.then(() => { res.end('done'); }); } else res.end('quick'); } }),
    });
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    const agent = new Agent({ keepAlive: true });
    const slow = new Promise<string>((resolve, reject) => {
      request({ host: '127.0.0.1', port: app.port, path: '/slow', agent, headers: { host } }, (res) => { res.setEncoding('utf8').on('data', resolve); }).on('error', reject).end();
    });
    await arrived.opened;
    const stopped = app.stop();
    open();
    expect(await slow).toBe('done');
    await stopped;
    agent.destroy();
    expect(await app.engine.list()).toHaveLength(1);
  });

  it('ends streams and held requests at once', async () => {
    const clock = createFakeClock();
    await using app = await startTestApp({ clock, builds: () => ({ until: new Promise(() => undefined) }) });
    const host = app.commitHost(app.repository.head());
    const held = app.get(host, '/', { headers: { accept: 'application/json' } });
    using events = await openEvents(app, { host, path: '/__slipway/events' });
    await events.until(({ data }) => data.state === 'building');
    await app.stop();
    await events.ended;
    expect((await held).status).toBe(503);
  });
});
