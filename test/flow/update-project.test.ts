import { renameSync } from 'node:fs';
import { eventually } from '../support/eventually.js';
import { createFakeClock } from '../support/fake-clock.js';
import { createTestFolder } from '../support/git.js';
import { recordGit, type GitRecorder } from '../support/git-recorder.js';
import { gate, startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';
import { ADA, committed, update } from '../support/update.js';

const NOWHERE = { branch: 'main', hash: null, author: null, message: null };

const push = (app: TestApp, file = 'new', message = `Add ${file}`) => app.repository.commit({ [file]: file }, { branch: 'main', message, author: 'Grace' });
const builtCommits = (app: TestApp) => app.engine.builds.map(({ tags }) => tags.map((tag) => tag.split(':')[1]).find((name) => name?.length === 40));

interface Recorded extends AsyncDisposable { readonly app: TestApp; fetches(): number }

/** An app whose git writes down what it is asked. */
async function startRecorded(options: TestAppOptions = {}): Promise<Recorded> {
  const folder = createTestFolder();
  const recorder: GitRecorder = recordGit(folder.path);
  const app = await startTestApp({ ...options, configure: (config) => ({ ...config, surroundings: { ...config.surroundings, path: recorder.path } }) });
  return {
    app, fetches: () => recorder.calls().filter(([verb = '']) => ['fetch', 'clone'].includes(verb)).length,
    [Symbol.asyncDispose]: async () => { await app[Symbol.asyncDispose](); folder[Symbol.dispose](); },
  };
}

describe('P10: an update', () => {
  it('fetches, says where the branch stood and stands, and begins the build without waiting for it', async () => {
    const { opened, open } = gate();
    await using app = await startTestApp({ builds: () => ({ until: opened }) });
    const before = app.repository.head();
    const after = push(app);
    const { status, from, to, build } = await update(app, { ref: 'main', by: 'ci' });
    expect([status, from, to]).toEqual([202, committed(app, 'main', before), committed(app, 'main', after)]);
    expect(to).toMatchObject({ author: 'Grace', message: 'Add new' });
    expect(build?.id).toMatch(/^b_/);
    expect(['queued', 'building']).toContain(build?.status);
    open();
    await eventually(async () => (await app.control(`/api/builds/${build?.id ?? ''}`)).json().status === 'succeeded', { what: 'the build ends' });
    expect([builtCommits(app), app.engine.calls.start]).toEqual([[after], 0]);
  });

  it('says 200 and begins nothing when there is nothing new, after a build as well as before any', async () => {
    await using app = await startTestApp();
    const first = committed(app, 'main', app.repository.head());
    expect(await update(app)).toMatchObject({ status: 200, from: first, to: first, build: null });
    push(app);
    expect((await update(app)).status).toBe(202);
    expect(await update(app)).toMatchObject({ status: 200, build: null });
    await eventually(() => app.engine.calls.build === 1, { what: 'the build' });
  });

  it('counts as news what was fetched by somebody else since the last update', async () => {
    await using app = await startTestApp();
    const before = app.repository.head();
    const after = push(app);
    await app.fetch(after);
    expect(await update(app)).toMatchObject({ status: 202, from: { hash: before }, to: { hash: after } });
    expect(await update(app)).toMatchObject({ status: 200, build: null });
  });

  it('lets a running preview of the branch follow by itself', async () => {
    await using app = await startTestApp();
    const served = async () => (await app.get('branch-main.localhost', '/')).json().commit;
    expect(await served()).toBe(app.repository.head());
    const after = push(app);
    expect((await update(app)).status).toBe(202);
    await eventually(async () => await served() === after, { what: 'the new tip' });
    expect(app.engine.calls.build).toBe(2);
  });

  it('knows a branch that is new by nothing but its tip', async () => {
    await using app = await startTestApp();
    const commit = app.repository.commit({ a: 'a' }, { branch: 'feature/new' });
    expect(await update(app, { branch: 'feature/new' })).toMatchObject({ status: 202, from: { ...NOWHERE, branch: 'feature/new' }, to: { branch: 'feature/new', hash: commit } });
    expect(await update(app, { ref: 'refs/heads/feature/new' })).toMatchObject({ status: 200, build: null });
    app.repository.setRef('refs/tags/v1', commit);
    expect(await update(app, { ref: 'refs/tags/v1' })).toMatchObject({ status: 202, to: { branch: 'v1', hash: commit } });
  });

  it('goes to a commit instead of the tip, by its first digits too, and from there on', async () => {
    await using app = await startTestApp();
    const first = app.repository.head();
    const middle = push(app, 'middle');
    const last = push(app, 'last');
    expect(await update(app, { commit: middle.slice(0, 10) })).toMatchObject({ status: 202, from: { hash: first }, to: committed(app, 'main', middle) });
    expect(await update(app)).toMatchObject({ status: 202, from: { hash: middle }, to: { hash: last } });
    const back = await update(app, { commit: middle });
    expect(back).toMatchObject({ status: 202, from: { hash: last }, to: { hash: middle } });
    await eventually(() => app.engine.calls.build === 2, { what: 'both are built, once each' });
  });

  it('is in want of a commit that is on no branch, of a branch that is nowhere, and of names that can be none', async () => {
    await using app = await startTestApp();
    const gone = app.repository.git(...ADA, 'commit-tree', '-m', 'nobody’s', `${app.repository.head()}^{tree}`);
    for (const [body, status, error] of [
      [{ commit: gone }, 404, 'commit_not_found'], [{ commit: 'abcdef12' }, 404, 'commit_not_found'], [{ ref: 'mian' }, 404, 'unknown_ref'], [{ ref: 'a..b' }, 400, 'invalid_branch'], [{ commit: 'xyz' }, 400, 'invalid_hash'], [{ ref: 'refs/tags/main' }, 404, 'unknown_ref'],
    ] as const) expect([body, await update(app, body)]).toEqual([body, expect.objectContaining({ status, error })]);
    expect(await update(app, { ref: 'mian' })).toMatchObject({ nearest: ['main'] });
    expect(app.engine.calls.build).toBe(0);
  });

  it('finds a commit that was asked for in vain a moment before it was pushed', async () => {
    await using app = await startTestApp({ clock: createFakeClock() });
    const commit = push(app);
    app.repository.git('update-ref', 'refs/heads/main', `${commit}~1`);
    app.repository.git('update-ref', 'refs/hidden/x', commit);
    expect((await app.control(`/?hash=${commit.slice(0, 8)}`)).status).toBe(404);
    app.repository.setRef('refs/heads/main', commit);
    expect(await update(app, { commit: commit.slice(0, 8) })).toMatchObject({ status: 202, to: { hash: commit } });
  });

  it('says 424 when there is nothing to build from, and the next time again', async () => {
    await using app = await startTestApp();
    app.repository.commit({ Dockerfile: null, a: 'a' }, { branch: 'main' });
    for (let again = 0; again < 2; again += 1) expect(await update(app)).toMatchObject({ status: 424, error: 'no_dockerfile' });
  });

  it('tries a key again whose build failed before', async () => {
    let builds = 0;
    await using app = await startTestApp({ builds: () => (++builds === 1 ? { fail: 'no' } : {}) });
    expect((await app.open('branch=main')).status).toBe(424);
    app.repository.commit({}, { branch: 'main', message: 'the same files' });
    expect((await update(app)).status).toBe(202);
    await eventually(() => builds === 2, { what: 'the second build' });
  });
});

describe('P10: the fetch of an update', () => {
  it('is one for all who ask at the same time, and sees what each of them pushed', async () => {
    await using recorded = await startRecorded();
    const { app, fetches } = recorded;
    const after = push(app);
    const before = fetches();
    const all = await Promise.all(Array.from({ length: 20 }, () => update(app)));
    expect(new Set(all.map(({ to }) => to.hash))).toEqual(new Set([after]));
    expect(new Set(all.flatMap(({ build }) => build?.id ?? [])).size).toBe(1);
    // How many are under way at once depends on how quickly the machine lets them in.
    expect(fetches() - before).toBeLessThanOrEqual(10);
  });

  it('never stands for a push that came after it', async () => {
    await using app = await startTestApp();
    for (let round = 0; round < 5; round += 1) {
      const tip = push(app, `file-${round}`);
      expect((await update(app)).to.hash).toBe(tip);
    }
  });

  it('is left out for a commit that one a moment ago brought as the tip of a branch', async () => {
    const clock = createFakeClock();
    await using recorded = await startRecorded({ clock });
    const { app, fetches } = recorded;
    const tip = push(app);
    expect((await update(app, { commit: tip })).status).toBe(202);
    const before = fetches();
    expect(await update(app, { commit: tip })).toMatchObject({ status: 200, build: null });
    expect(fetches()).toBe(before);
    expect((await update(app)).status).toBe(200);
    expect(fetches()).toBe(before + 1);
    expect(await update(app, { commit: tip, ref: 'elsewhere' })).toMatchObject({ error: 'unknown_ref' });
    expect(fetches()).toBe(before + 2);
    await clock.advance(5_000);
    expect(await update(app, { commit: tip })).toMatchObject({ status: 200, build: null });
    expect(fetches()).toBe(before + 3);
  });

  it('503 with git’s own message while the remote is away; what was pushed meanwhile is news when it is back', async () => {
    await using app = await startTestApp();
    const after = push(app);
    const away = `${app.repository.path}-away`;
    renameSync(app.repository.path, away);
    expect(await update(app)).toMatchObject({ status: 503, error: 'git_unreachable', message: expect.stringContaining('does not appear to be a git repository') as string });
    expect(app.engine.calls.build).toBe(0);
    renameSync(away, app.repository.path);
    expect(await update(app)).toMatchObject({ status: 202, to: { hash: after } });
  });

  it('tells no credentials when it fails', async () => {
    await using app = await startTestApp({ configure: (config) => ({ ...config, projects: config.projects.map((project) => ({ ...project, repository: 'http://someone:s3cr3t-token@127.0.0.1:1/shop.git' })) }) });
    const answer = await update(app);
    expect(answer).toMatchObject({ status: 503, error: 'git_unreachable' });
    expect(answer.message).toContain('127.0.0.1');
    expect(JSON.stringify(answer)).not.toMatch(/s3cr3t|someone/);
  });
});

describe('P3f: an update that invalidates', () => {
  it('builds again without cache although nothing is new, with the same key', async () => {
    await using app = await startTestApp();
    const { build: first } = (await app.open('branch=main')).json() as { build: { id: string; key: string } };
    const { status, from, to, build } = await update(app, { invalidate: true });
    expect([status, from.hash === to.hash, build?.id === first.id]).toEqual([202, true, false]);
    const again = await eventually(async () => { const found = (await app.control(`/api/builds/${build?.id ?? ''}`)).json(); return found.status === 'succeeded' && found; }, { what: 'the build' });
    expect(again).toMatchObject({ key: first.key, noCache: true });
    expect(app.engine.builds.map(({ noCache }) => noCache)).toEqual([false, true]);
  });

  it('joins the one that is under way instead of being refused, and is no reset', async () => {
    const { opened, open } = gate();
    await using app = await startTestApp({ builds: () => ({ until: opened }) });
    const builds = await Promise.all([update(app, { invalidate: true }), update(app, { invalidate: true })]);
    const third = await update(app, { invalidate: true });
    expect([...builds, third].map(({ status }) => status)).toEqual([202, 202, 202]);
    expect(new Set([...builds, third].map(({ build }) => build?.id)).size).toBe(1);
    open();
    expect((await app.open('branch=main')).json()).toMatchObject({ status: 'running' });
    expect(app.engine.calls.build).toBe(1);
  });

  it('lets what runs of the old image serve until the new one is there', async () => {
    const second = gate();
    let builds = 0;
    await using app = await startTestApp({ builds: () => (++builds === 1 ? {} : { until: second.opened }) });
    await app.open('branch=main');
    const host = app.commitHost(app.repository.head());
    const before = (await app.get(host, '/')).json().image;
    await update(app, { invalidate: true });
    await eventually(() => builds === 2, { what: 'the second build' });
    expect((await app.get(host, '/')).json().image).toBe(before);
    second.open();
    await eventually(async () => { const answer = await app.get(host, '/'); return answer.status === 200 && answer.json().image !== before; }, { what: 'the new image' });
  });

  it('leaves a stage the image that was released to it', async () => {
    await using app = await startTestApp({ configure: (config) => ({ ...config, projects: config.projects.map((project) => ({ ...project, stages: new Map([['dev', { env: {} }]]) })) }) });
    await app.control('/api/projects/repository/publish', { method: 'POST', headers: { authorization: `Bearer ${app.token}` }, body: '{"branch":"main"}' });
    const [stage] = await app.engine.list();
    await app.open('branch=main');
    await update(app, { invalidate: true });
    const left = await eventually(async () => { const all = await app.engine.list(); return app.engine.calls.build === 2 && all.length === 1 && all; }, { what: 'the commit’s preview ends' });
    expect(left).toEqual([stage]);
  });
});
