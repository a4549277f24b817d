import { eventually } from '../support/eventually.js';
import { openEvents } from '../support/sse.js';
import { NAVIGATION, gate, startTestApp, type TestApp } from '../support/test-app.js';

const BEARER = ({ token }: TestApp) => ({ authorization: `Bearer ${token}` });
const wordOf = async (app: TestApp, query = 'branch=main') => (await app.control(`/status?${query}`)).text;

describe('/status', () => {
  it('D8: says each of the five words once, as text', async () => {
    const { opened, open } = gate();
    let fails = false;
    await using app = await startTestApp({
      builds: () => (fails ? { fail: 'no' } : { until: opened }),
      prepare: (repository) => { repository.commit({ a: 'a' }, { branch: 'bad' }); },
    });
    const answer = await app.control('/status?branch=main');
    expect([answer.status, answer.headers['content-type'], answer.text]).toEqual([200, 'text/plain; charset=utf-8', 'NotBuilt']);
    const opening = app.open('branch=main');
    await eventually(async () => (await wordOf(app)) === 'Building', { what: 'Building' });
    open();
    await opening;
    expect(await wordOf(app)).toBe('Ready');
    expect(await wordOf(app, `hash=${app.repository.head('main').slice(0, 8)}`)).toBe('Ready');
    const [container] = await app.engine.list();
    if (container) app.engine.exit(container.id, 0);
    await eventually(async () => (await wordOf(app)) === 'FAIL', { what: 'an end by itself is a failure' });
    await app.control(`/actions/restart?preview=hash-${app.repository.head('main')}`, { method: 'POST', headers: BEARER(app) });
    await eventually(async () => (await wordOf(app)) === 'Ready', { what: 'it runs again' });
    fails = true;
    await app.open('branch=bad');
    expect(await wordOf(app, 'branch=bad')).toBe('FAIL');
    expect((await app.control('/status?branch=nobody')).status).toBe(404);
    expect((await app.control('/status?branch=main&hash=abcd')).status).toBe(400);
  });

  it('D8: NeedsPriming is an image that is not started', async () => {
    await using app = await startTestApp({ prepare: (repository) => { repository.commit({ Dockerfile: 'FROM scratch\n' }, { branch: 'same', message: 'same tree' }); } });
    await app.open('branch=main');
    const same = app.repository.head('same');
    await app.open(`hash=${same}`);
    await app.stop();
    for (const { id } of await app.engine.list()) await app.engine.remove(id);
    await app.start();
    expect(await wordOf(app)).toBe('NeedsPriming');
  });

  it('D8: lists every preview there is, for people and programs', async () => {
    await using app = await startTestApp();
    await app.open('branch=main');
    await app.get('branch-main.localhost', '/');
    const rows = JSON.parse((await app.control('/status')).text) as Record<string, unknown>[];
    expect(rows.map(({ label, word, release }) => [label, word, release]).sort()).toEqual([['branch-main', 'Ready', 'v2'], [`hash-${app.repository.head()}`, 'Ready', 'v1']]);
    const page = await app.control('/status', { headers: NAVIGATION });
    expect(page.text).toContain(`http://branch-main.localhost:${app.port}/`);
  });
});

describe('the API', () => {
  it('/api/status says what is known and starts nothing', async () => {
    await using app = await startTestApp();
    const commit = app.repository.head();
    const before = await app.control('/api/status?branch=main');
    expect(before.json()).toEqual({ project: 'repository', commit, reference: null, environment: null, status: 'unknown', url: `http://${app.commitHost(commit)}:${app.port}/`, build: null, release: null, lastError: null, restarts: 0 });
    expect(app.engine.calls.build).toBe(0);
    await app.open('branch=main');
    expect((await app.control(`/api/status?hash=${commit}`)).json()).toMatchObject({ status: 'running', release: 'v1', build: { status: 'succeeded', attempt: 1, reusedFrom: null, error: null } });
    for (const query of ['', 'branch=main&hash=abcd', 'branch=main&branch=main', 'hash=zz']) expect((await app.control(`/api/status?${query}`)).status).toBe(400);
    expect((await app.control('/api/status?branch=main&env=prod')).status).toBe(404);
  });

  it('/api/wait answers when it runs, and with the failure otherwise', async () => {
    await using app = await startTestApp({ prepare: (repository) => { repository.commit({ Dockerfile: null }, { branch: 'bare' }); } });
    const answer = await app.control(`/api/wait?branch=main&timeout=20s`);
    expect([answer.status, answer.json().status]).toEqual([200, 'running']);
    const failed = await app.control('/api/wait?branch=bare');
    expect([failed.status, failed.json().error]).toEqual([424, 'no_dockerfile']);
    for (const timeout of ['soon', '-1', '2h', '']) expect((await app.control(`/api/wait?branch=main&timeout=${timeout}`)).status).toBe(400);
  });

  it('/api/wait gives up after its timeout, and what it waited for goes on', async () => {
    const { opened, open } = gate();
    await using app = await startTestApp({ builds: () => ({ until: opened }) });
    const late = await app.control('/api/wait?branch=main&timeout=100ms');
    expect([late.status, late.json().error]).toEqual([503, 'preview_pending']);
    expect(Number(late.headers['retry-after'])).toBeGreaterThan(0);
    open();
    expect((await app.control('/api/wait?branch=main&timeout=20')).status).toBe(200);
    expect(app.engine.calls.build).toBe(1);
  });

  it('shows builds, newest first, with place in the queue and log', async () => {
    const { opened, open } = gate();
    await using app = await startTestApp({
      settings: { 'builds.concurrency': '1' }, builds: ({ onLine }) => { onLine('<b>bold</b>'); return { lines: ['done soon'], until: opened }; },
      prepare: (repository) => { repository.commit({ a: 'a' }, { branch: 'other' }); },
    });
    const opens = [app.open('branch=main')];
    await eventually(() => app.engine.calls.build === 1, { what: 'the first build' });
    opens.push(app.open('branch=other'));
    await eventually(async () => (await app.control('/api/queue-size')).json().waiting === 1, { what: 'the second build waits' });
    expect((await app.control('/api/queue-size')).json()).toEqual({ size: 2, waiting: 1, building: 1 });
    const list = JSON.parse((await app.control('/api/builds')).text) as Record<string, unknown>[];
    expect(list.map(({ status, queuePosition }) => [status, queuePosition])).toEqual([['queued', 1], ['building', null]]);
    open();
    await Promise.all(opens);
    const id = String(list[1]?.id);
    expect((await app.control(`/api/builds/${id}`)).json()).toMatchObject({ id, status: 'succeeded' });
    const log = await app.control(`/api/builds/${id}/log`);
    expect(log.text).toMatch(/^\d{4}-\S+Z build b_\w+ of commit [\s\S]*Z <b>bold<\/b>\n[\s\S]*Z built sha256:/);
    expect((await app.control(`/builds/${id}`, { headers: NAVIGATION })).text).toContain('&lt;b&gt;bold&lt;/b&gt;');
  });

  it('J12: gives a log as plain text that no browser runs', async () => {
    await using app = await startTestApp({ program: () => ({ lines: ['<script>alert(1)</script>'], serve: (_req, res) => { res.end(); } }) });
    const { build } = (await app.open('branch=main')).json() as { build: { id: string } };
    const label = `hash-${app.repository.head()}`;
    for (const [path, name] of [[`/api/builds/${build.id}/log`, build.id], [`/api/previews/${label}/log`, label]] as const) {
      const { headers } = await app.control(path, { headers: NAVIGATION });
      expect(headers).toMatchObject({ 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff', 'content-security-policy': "sandbox; default-src 'none'", 'content-disposition': `inline; filename="${name}.log"` });
    }
    expect((await app.control(`/api/previews/${label}/log`)).text).toContain('<script>alert(1)</script>');
    expect((await app.control(`/previews/${label}`, { headers: NAVIGATION })).text).toContain('&lt;script&gt;alert(1)');
    expect((await app.control('/api/previews/branch-main/log')).status).toBe(404);
  });

  it('streams a build’s lines and states, goes on behind the last line seen, and ends with the build', async () => {
    const gates = [gate(), gate()];
    let builds = 0;
    await using app = await startTestApp({
      settings: { 'builds.concurrency': '1' }, builds: () => ({ lines: ['one', 'two'], until: gates[builds++]?.opened ?? Promise.resolve() }),
      prepare: (repository) => { repository.commit({ a: 'a' }, { branch: 'other' }); },
    });
    const opens = [app.open('branch=main')];
    await eventually(() => builds === 1, { what: 'the first build' });
    opens.push(app.open('branch=other'));
    const queued = await eventually(async () => (JSON.parse((await app.control('/api/builds')).text) as { id: string; status: string }[]).find(({ status }) => status === 'queued'), { what: 'the second build waits' });
    const path = `/api/builds/${queued.id}/events`;
    using viewer = await openEvents(app, { host: 'localhost', path });
    await viewer.until(({ data }) => data.status === 'queued');
    gates[0]?.open();
    const { id } = await viewer.until(({ data }) => data.text === 'one');
    using again = await openEvents(app, { host: 'localhost', path, headers: { 'last-event-id': id ?? '' } });
    expect((await again.until(({ event }) => event === 'line')).data.text).toBe('two');
    gates[1]?.open();
    await Promise.all([viewer.ended, again.ended, ...opens]);
    expect(viewer.events.at(-1)).toMatchObject({ event: 'state', data: { status: 'succeeded' } });
    expect(viewer.events.filter(({ event }) => event === 'line').at(-1)?.data.text).toMatch(/^built sha256:/);
    using after = await openEvents(app, { host: 'localhost', path });
    await after.ended;
    expect(after.events.filter(({ event }) => event === 'line').map(({ data }) => data.n)).toEqual(viewer.events.filter(({ event }) => event === 'line').map(({ data }) => data.n));
  });

  it('streams what a running application prints, and its state', async () => {
    await using app = await startTestApp();
    await app.open('branch=main');
    const [container] = await app.engine.list();
    if (!container) throw new Error('nothing runs');
    app.engine.print(container.id, 'before');
    using viewer = await openEvents(app, { host: 'localhost', path: `/api/previews/hash-${app.repository.head()}/events` });
    await viewer.until(({ data }) => data.state === 'running');
    await viewer.until(({ data }) => data.text === 'before');
    app.engine.print(container.id, 'after');
    await viewer.until(({ data }) => data.text === 'after');
    app.engine.exit(container.id, 1);
    await viewer.until(({ data }) => data.state === 'error');
  });

  it('cancels a build for the token only', async () => {
    await using app = await startTestApp({ builds: () => ({ until: new Promise(() => undefined) }) });
    const opening = app.open('branch=main');
    await eventually(() => app.engine.calls.build === 1, { what: 'the build' });
    const [build] = JSON.parse((await app.control('/api/builds')).text) as { id: string }[];
    const path = `/api/builds/${build?.id ?? ''}/cancel`;
    for (const headers of [{}, { authorization: 'Bearer wrong-token-wrong' }, { authorization: `Basic ${app.token}` }]) {
      const refused = await app.control(path, { method: 'POST', headers });
      expect([refused.status, refused.json().error]).toEqual([401, 'missing_token']);
    }
    expect((await app.control(`${path}?token=${app.token}`, { method: 'POST' })).status).toBe(401);
    expect((await app.control('/api/queue-size')).json()).toMatchObject({ building: 1 });
    expect((await app.control(path, { method: 'POST', headers: BEARER(app) })).json()).toEqual({ id: build?.id, status: 'cancelled' });
    expect((await opening).json()).toMatchObject({ error: 'build_cancelled' });
    expect((await app.control(path, { method: 'POST', headers: BEARER(app) })).status).toBe(409);
    expect((await app.control('/api/builds/b_01ARZ3NDEKTSV4RRFFQ69G5FAV/cancel', { method: 'POST', headers: BEARER(app) })).status).toBe(404);
  });
});

describe('maintainers’ pages', () => {
  it('D9: the application log, newest first, as a page and as JSON', async () => {
    await using app = await startTestApp();
    app.log.info('first <b>', { value: '<i>' });
    app.log.info('second');
    const records = JSON.parse((await app.control('/log')).text) as { message: string }[];
    const messages = records.map(({ message }) => message);
    expect(messages.indexOf('second')).toBeLessThan(messages.indexOf('first <b>'));
    const page = await app.control('/log', { headers: NAVIGATION });
    expect(page.headers['content-type']).toContain('text/html');
    expect(page.text).toContain('first &lt;b&gt;');
    expect(page.text).not.toContain(app.token);
  });

  it('health and readiness', async () => {
    await using app = await startTestApp();
    expect((await app.control('/healthz')).json()).toEqual({ status: 'ok' });
    expect((await app.control('/readyz')).json()).toMatchObject({ status: 'ok', builder: 'buildkit' });
    app.engine.down();
    expect((await app.control('/readyz')).status).toBe(503);
    expect((await app.control('/healthz')).status).toBe(200);
  });

  it('the project page lists branches, searches them, and shows what runs', async () => {
    await using app = await startTestApp({ prepare: (repository) => { for (let at = 0; at < 3; at += 1) repository.commit({ a: `${at}` }, { branch: `fix/cart-${at}`, message: `subject <${at}>` }); } });
    await app.open('branch=fix/cart-1');
    const page = (await app.control('/', { headers: NAVIGATION })).text;
    for (const part of ['fix/cart-0', 'fix/cart-2', 'subject &lt;1&gt;', 'main', `http://${app.commitHost(app.repository.head('fix/cart-1'))}:${app.port}/`]) expect(page).toContain(part);
    const found = (await app.control('/?q=CART-2', { headers: NAVIGATION })).text;
    expect(found).toContain('/?branch=fix%2Fcart-2');
    expect(found).not.toContain('/?branch=fix%2Fcart-0');
    expect((await app.control('/?page=99&q=%3Cscript%3Ealert(1)%3C/script%3E', { headers: NAVIGATION })).text).not.toContain('<script>alert');
  });
});
