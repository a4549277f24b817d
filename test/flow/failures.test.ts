import type { FakeBuild } from '../support/fake-engine.js';
import { NAVIGATION, echo, gate, startTestApp } from '../support/test-app.js';

const JSON_ONLY = { headers: { accept: 'application/json' } } as const;
const PAGE = { headers: NAVIGATION } as const;
const BEARER = (token: string) => ({ authorization: `Bearer ${token}` });

describe('a build that fails', () => {
  const fails: FakeBuild = { lines: ['step 1', 'npm error <missing> script'], fail: 'executor failed running [npm ci]: exit code: 1' };

  it('ends in a page with its last lines, in JSON for programs, and is not tried again by a reload', async () => {
    await using app = await startTestApp({ builds: () => fails });
    const host = app.commitHost(app.repository.head());
    const page = await app.get(host, '/', PAGE);
    expect(page.status).toBe(424);
    expect(page.headers).toMatchObject({ 'x-slipway-state': 'error', 'cache-control': 'no-store' });
    expect(page.text).toContain('npm error &lt;missing&gt; script');
    expect(page.text).toMatch(/href="http:\/\/localhost:\d+\/builds\/b_\w+"/);
    const answer = await app.get(host, '/', JSON_ONLY);
    expect(answer.status).toBe(424);
    expect(answer.json()).toMatchObject({ error: 'build_failed', status: 'error' });
    expect((await app.open('branch=main')).status).toBe(424);
    expect((await app.control('/status?branch=main')).text).toBe('FAIL');
    expect(app.engine.calls.build).toBe(1);
  });

  it('is built again by reset, and serves then', async () => {
    let tries = 0;
    await using app = await startTestApp({ builds: () => (++tries === 1 ? fails : {}) });
    const host = app.commitHost(app.repository.head());
    expect((await app.get(host, '/', PAGE)).status).toBe(424);
    const reset = await app.control('/?branch=main&reset=1', { headers: BEARER(app.token) });
    expect(reset.status).toBe(202);
    expect(reset.json()).toMatchObject({ build: { status: 'queued', noCache: true } });
    expect((await app.get(host, '/', PAGE)).status).toBe(200);
    expect(app.engine.calls.build).toBe(2);
  });

  it('D14: still says so after a restart of the server', async () => {
    await using app = await startTestApp({ builds: () => fails });
    await app.open('branch=main');
    await app.restart();
    expect((await app.control('/status?branch=main')).text).toBe('FAIL');
    expect((await app.open('branch=main')).status).toBe(424);
    expect(app.engine.calls.build).toBe(1);
  });

  it('is named by its fault when there is no Dockerfile', async () => {
    await using app = await startTestApp({ files: { 'readme.txt': 'no recipe' } });
    const answer = await app.get(app.commitHost(app.repository.head()), '/', JSON_ONLY);
    expect(answer.status).toBe(424);
    expect(answer.json()).toMatchObject({ error: 'no_dockerfile', status: 'error' });
  });
});

describe('an application that fails', () => {
  it('ends in 502 with its exit code and last lines when it exits at once, and starts again after restart', async () => {
    let starts = 0;
    await using app = await startTestApp({ program: (spec) => (++starts === 1 ? { lines: ['Error: no database'], exits: { code: 3 } } : { serve: echo(spec) }) });
    const host = app.commitHost(app.repository.head());
    const page = await app.get(host, '/', PAGE);
    expect(page.status).toBe(502);
    expect(page.text).toContain('exited with code 3');
    expect(page.text).toContain('Error: no database');
    const answer = await app.get(host, '/', JSON_ONLY);
    expect(answer.json()).toMatchObject({ error: 'crashed', lastLines: ['Error: no database'] });
    expect(starts).toBe(1);
    const restart = await app.control(`/actions/restart?preview=${host.split('.')[0] ?? ''}`, { method: 'POST', headers: { ...BEARER(app.token), accept: 'application/json' } });
    expect(restart.status).toBe(202);
    expect((await app.get(host, '/', JSON_ONLY)).status).toBe(200);
    expect(app.engine.calls.build).toBe(1);
  });

  it('serves again at the next visit when it ended by itself', async () => {
    await using app = await startTestApp();
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    const [container] = await app.engine.list();
    if (!container) throw new Error('nothing runs');
    app.engine.exit(container.id, 1, ['out of patience']);
    expect([200, 502]).toContain((await app.get(host, '/')).status);
    expect((await app.get(host, '/')).status).toBe(200);
    expect([app.engine.calls.build, app.engine.calls.start]).toEqual([1, 2]);
  });

  it('costs at most one failed request when its container is removed behind our back', async () => {
    await using app = await startTestApp();
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    for (const { id } of await app.engine.list()) await app.engine.remove(id);
    const statuses: number[] = [];
    for (let request = 0; request < 5; request += 1) statuses.push((await app.get(host, '/')).status);
    expect(statuses.filter((status) => status !== 200).length).toBeLessThanOrEqual(1);
    expect(statuses.at(-1)).toBe(200);
    expect(app.engine.calls.build).toBe(1);
  });

  it('never ready: 504 that says what to do', async () => {
    await using app = await startTestApp({ program: () => ({ listens: [{ port: 8080, loopbackOnly: false }] }), settings: { 'run.readyTimeout': '200ms' } });
    const answer = await app.get(app.commitHost(app.repository.head()), '/', JSON_ONLY);
    expect(answer.status).toBe(504);
    expect(answer.json()).toMatchObject({ error: 'start_timeout', message: expect.stringContaining('It listens on 8080 instead') as string });
  });
});

describe('an engine that is down', () => {
  it('K7: the server starts without it, says so, and everything works once it is there', async () => {
    await using app = await startTestApp({ started: false });
    app.engine.down();
    await app.start();
    const host = app.commitHost(app.repository.head());
    expect((await app.control('/healthz')).status).toBe(200);
    const ready = await app.control('/readyz');
    expect(ready.status).toBe(503);
    expect(ready.json()).toMatchObject({ error: 'engine_unavailable' });
    const page = await app.get(host, '/', PAGE);
    expect(page.status).toBe(503);
    expect(page.headers).toMatchObject({ 'retry-after': '2', 'refresh': '2' });
    expect(page.text).toContain('Start Docker');
    expect((await app.control('/')).status).toBe(200);
    app.engine.up();
    expect((await app.control('/readyz')).status).toBe(200);
    expect((await app.get(host, '/', PAGE)).status).toBe(200);
  });

  it('K7: failing in the middle of a build lets the next visit try again', async () => {
    await using app = await startTestApp({ builds: () => ({}) });
    const host = app.commitHost(app.repository.head());
    app.engine.down();
    expect((await app.open('branch=main')).status).toBe(503);
    app.engine.up();
    expect((await app.get(host, '/', PAGE)).status).toBe(200);
    expect((await app.control('/api/status?branch=main')).json()).toMatchObject({ status: 'running', lastError: null });
  });
});

describe('a full house', () => {
  it('answers 503 with Retry-After when the queue is full', async () => {
    const { opened, open } = gate();
    await using app = await startTestApp({
      builds: () => ({ until: opened }), settings: { 'builds.queue': '1', 'builds.concurrency': '1', 'hold.request': '20s' },
      prepare: (repository) => { for (const name of ['a', 'b', 'c']) repository.commit({ [name]: name }, { branch: name }); },
    });
    const hosts = ['a', 'b', 'c'].map((name) => app.commitHost(app.repository.head(name)));
    const waiting = hosts.slice(0, 2).map((host) => app.get(host, '/'));
    while ((await app.control('/api/queue-size')).json().size !== 2);
    const answer = await app.get(hosts[2] ?? '', '/', JSON_ONLY);
    expect(answer.status).toBe(503);
    expect(answer.json()).toMatchObject({ error: 'queue_full' });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    open();
    for (const each of await Promise.all(waiting)) expect(each.status).toBe(200);
    expect(app.engine.mostBuilds).toBe(1);
  });
});
