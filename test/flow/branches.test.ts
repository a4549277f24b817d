import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually.js';
import { gate, startTestApp, type TestApp } from '../support/test-app.js';

const MAIN = 'branch-main.localhost';
const commitServed = async (app: TestApp, host = MAIN) => (await app.get(host, '/')).json().commit;
const push = (app: TestApp, file: string) => app.repository.commit({ [file]: file });

describe('a branch preview', () => {
  it('moves to the new tip while it runs, without a failed request, and ends the old instance', async () => {
    await using app = await startTestApp();
    const before = app.repository.head();
    expect(await commitServed(app)).toBe(before);
    const after = push(app, 'new');
    await app.fetch(after);
    const seen: unknown[] = [];
    await eventually(async () => {
      const answer = await app.get(MAIN, '/');
      expect(answer.status).toBe(200);
      seen.push(answer.json().commit);
      return seen.at(-1) === after;
    }, { what: 'the new tip' });
    expect(new Set(seen).size).toBeLessThanOrEqual(2);
    const left = await eventually(async () => { const all = await app.engine.list(); return all.length === 1 && all; }, { what: 'the old instance ends' });
    expect(left[0]).toMatchObject({ commit: after, release: 2 });
    expect((await app.get(app.commitHost(before), '/')).json()).toMatchObject({ commit: before });
  });

  it('serves the old commit on until the new one is ready', async () => {
    const { opened, open } = gate();
    let builds = 0;
    await using app = await startTestApp({ builds: () => (++builds === 1 ? {} : { until: opened }) });
    const before = app.repository.head();
    await commitServed(app);
    const after = push(app, 'new');
    await app.fetch(after);
    await eventually(() => builds === 2, { what: 'the new tip is built' });
    expect(await commitServed(app)).toBe(before);
    open();
    await eventually(async () => (await commitServed(app)) === after, { what: 'the new tip' });
  });

  it('serves the old commit on when the new one fails, and says so', async () => {
    let builds = 0;
    await using app = await startTestApp({ builds: () => (++builds === 1 ? {} : { fail: 'no' }) });
    const before = app.repository.head();
    await commitServed(app);
    await app.fetch(push(app, 'broken'));
    const shown = await eventually(async () => {
      const rows = JSON.parse((await app.control('/status')).text) as Record<string, unknown>[];
      return rows.find(({ label, lastError }) => label === 'branch-main' && lastError !== null);
    }, { what: 'the failure is noted' });
    expect(shown).toMatchObject({ status: 'running', word: 'Ready', commit: before });
    expect(await commitServed(app)).toBe(before);
    expect(builds).toBe(2);
  });

  it('reaches the tip that was pushed while an earlier one was built', async () => {
    const { opened, open } = gate();
    let builds = 0;
    await using app = await startTestApp({ builds: () => (++builds === 1 ? { until: opened } : {}) });
    const first = app.get(MAIN, '/');
    await eventually(() => builds === 1, { what: 'the first build' });
    const after = push(app, 'new');
    await app.fetch(after);
    open();
    expect((await first).status).toBe(200);
    await eventually(async () => (await commitServed(app)) === after, { what: 'the new tip' });
  });

  it('opens at the new tip when it did not run', async () => {
    await using app = await startTestApp();
    await commitServed(app);
    const [container] = await app.engine.list();
    if (container) await app.engine.remove(container.id);
    await eventually(async () => (await app.control('/status?branch=main')).text === 'NeedsPriming', { what: 'it does not run' });
    const after = push(app, 'new');
    await app.fetch(after);
    await eventually(async () => { const answer = await app.get(MAIN, '/'); return answer.status === 200 && answer.json().commit === after; }, { what: 'the new tip' });
  });

  it('follows a tip that moved while the server was down', async () => {
    await using app = await startTestApp();
    await commitServed(app);
    await app.stop();
    const after = push(app, 'new');
    await app.start();
    await eventually(async () => (await commitServed(app)) === after, { what: 'the new tip' });
  });

  it('stops with the server although a new tip is being built', async () => {
    let builds = 0;
    await using app = await startTestApp({ builds: () => (++builds === 1 ? {} : { until: new Promise(() => undefined) }) });
    await commitServed(app);
    await app.fetch(push(app, 'new'));
    await eventually(() => builds === 2, { what: 'the new tip is built' });
    await app.stop();
    expect(await app.engine.list()).toHaveLength(1);
  });
});

describe('branches and commits that go', () => {
  it('D12: a deleted branch is unknown, its commit still serves', async () => {
    await using app = await startTestApp({ prepare: (repository) => { repository.commit({ a: 'a' }, { branch: 'thing/thing2' }); } });
    const commit = app.repository.head('thing/thing2');
    await app.get(app.commitHost(commit), '/');
    app.repository.git('checkout', '--quiet', 'main');
    app.repository.git('branch', '-D', 'thing/thing2');
    const next = app.repository.commit({ b: 'b' }, { branch: 'thing' });
    await app.fetch(next);
    const gone = await app.control('/?branch=thing/thing2');
    expect(gone.status).toBe(404);
    expect(gone.json()).toMatchObject({ error: 'unknown_ref' });
    expect((await app.control('/?branch=thing')).headers.location).toContain(next);
    expect(await commitServed(app, app.commitHost(commit))).toBe(commit);
  });

  it('starts what was released before with the repository gone and the mirror deleted', async () => {
    await using app = await startTestApp();
    const commit = app.repository.head();
    await commitServed(app);
    await commitServed(app, app.commitHost(commit));
    await app.stop();
    for (const { id } of await app.engine.list()) await app.engine.remove(id);
    rmSync(app.repository.path, { recursive: true });
    rmSync(join(app.stateDir, 'mirrors'), { recursive: true });
    await app.start();
    expect(await commitServed(app, app.commitHost(commit))).toBe(commit);
    expect(await commitServed(app)).toBe(commit);
    expect(app.engine.calls.build).toBe(1);
    expect((await app.control('/')).text).toContain('could not be refreshed');
  });
});
