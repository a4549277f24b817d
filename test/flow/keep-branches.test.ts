import { eventually } from '../support/eventually.js';
import { createFakeClock } from '../support/fake-clock.js';
import { gate, startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';

const keeping = (keep: readonly string[]): NonNullable<TestAppOptions['configure']> => (config) => ({ ...config, projects: config.projects.map((project) => ({ ...project, keep })) });
const previews = async (app: TestApp) => {
  const { previews: all } = (await app.control('/apps/repository/health')).json() as unknown as { previews: { label: string; status: string }[] };
  return all.map(({ label, status }) => `${label} ${status}`).sort();
};

describe('branches that are kept', () => {
  it('are built and run without a visitor, and those alone', async () => {
    await using app = await startTestApp({
      configure: keeping(['main', 'release/*']),
      prepare: (repository) => { for (const branch of ['release/1', 'feature/x']) repository.commit({ [branch]: branch }, { branch }); },
    });
    await eventually(async () => (await previews(app)).length === 2, { what: 'both run' });
    const labels = (await previews(app)).map((line) => line.split('-')[1]);
    expect(labels).toEqual(['main running', 'release']);
    expect(app.engine.calls.build).toBe(2);
  });

  it('neither sleep nor stop, follow their tip, and come back when somebody removes them', async () => {
    const clock = createFakeClock();
    await using app = await startTestApp({ clock, configure: keeping(['main']), settings: { 'idle.sleep': '10s', 'idle.stop': '20s' } });
    await eventually(async () => (await previews(app)).includes('branch-main running'), { what: 'it runs' });
    await clock.advance(60_000);
    expect(await previews(app)).toEqual(['branch-main running']);
    const commit = app.repository.commit({ b: 'b' });
    await app.fetch(commit);
    await eventually(async () => (await app.engine.list()).some((container) => container.commit === commit), { what: 'it follows' });
    for (const { id } of await app.engine.list()) await app.engine.remove(id);
    await eventually(async () => (await previews(app)).includes('branch-main running'), { what: 'it is back' });
  });

  it('that do not build keep no other one from running, and are not built again and again', async () => {
    const clock = createFakeClock();
    await using app = await startTestApp({
      clock, configure: keeping(['bad', 'main']), builds: ({ tags }) => (tags.some((tag) => tag.endsWith(bad)) ? { fail: 'no' } : {}),
      prepare: (repository) => { bad = repository.commit({ bad: 'bad' }, { branch: 'bad' }); },
    });
    await eventually(async () => (await previews(app)).includes('branch-main running'), { what: 'the good one runs' });
    const builds = app.engine.calls.build;
    await clock.advance(120_000);
    expect([builds, app.engine.calls.build]).toEqual([2, 2]);
  });

  it('serve their last release when their tip does not build, also after the container went', async () => {
    const clock = createFakeClock();
    let isBroken = false;
    await using app = await startTestApp({ clock, configure: keeping(['main']), builds: () => (isBroken ? { fail: 'no' } : {}) });
    await eventually(async () => (await previews(app)).includes('branch-main running'), { what: 'it runs' });
    const good = app.repository.head();
    isBroken = true;
    await app.fetch(app.repository.commit({ b: 'b' }));
    await eventually(() => app.engine.calls.build === 2, { what: 'the tip fails' });
    for (const { id } of await app.engine.list()) await app.engine.remove(id);
    await eventually(async () => { await clock.advance(1_000); return (await app.engine.list()).some(({ commit, running }) => running && commit === good); }, { what: 'the last release is back' });
    await app.restart();
    await eventually(async () => { await clock.advance(1_000); return (await previews(app)).includes('branch-main running'); }, { what: 'it runs after a restart' });
  });

  it('are not stopped at somebody’s word, which says why', async () => {
    await using app = await startTestApp({ configure: keeping(['main']) });
    await eventually(async () => (await previews(app)).includes('branch-main running'), { what: 'it runs' });
    const headers = { authorization: `Bearer ${app.token}` };
    const one = await app.control('/api/projects/repository/previews/branch-main/stop', { method: 'POST', headers, body: '{}' });
    expect([one.status, one.json().message]).toEqual([400, expect.stringContaining('keep')]);
    expect((await app.control('/apps/repository/stop', { method: 'POST', headers, body: '{}' })).json()).toEqual({ count: 0 });
  });
  let bad = 'none';
});

describe('more previews than may run', () => {
  it('keep no stage and no kept branch from running', async () => {
    const held = gate();
    await using app = await startTestApp({
      settings: { 'limits.running': '1' }, configure: keeping(['kept']), prepare: (repository) => { repository.setRef('refs/heads/other', repository.head()); },
      program: () => ({ serve: (req, res) => { if (req.url === '/slow') void held.opened.then(() => { res.end('done'); }); else res.end('{}'); } }),
    });
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    const slow = app.get(host, '/slow');
    await app.fetch(app.repository.commit({ k: 'k' }, { branch: 'kept' }));
    await eventually(async () => (await previews(app)).includes('branch-kept running'), { what: 'the kept one runs' });
    const refused = await app.get('branch-other.localhost', '/');
    expect([refused.status, refused.json().error]).toEqual([503, 'too_busy']);
    held.open();
    expect((await slow).text).toBe('done');
  });

  it('take turns: the one that nobody used for longest goes, and comes back when it is visited', async () => {
    const clock = createFakeClock();
    const branches = ['one', 'two', 'three'];
    await using app = await startTestApp({ clock, settings: { 'limits.running': '2' }, prepare: (repository) => { for (const branch of branches) repository.commit({ [branch]: branch }, { branch }); } });
    for (const branch of branches) {
      expect((await app.get(app.commitHost(app.repository.head(branch)), '/')).status).toBe(200);
      await clock.advance(1_000);
    }
    const commits = async () => (await app.engine.list()).map(({ commit }) => commit).sort();
    expect(await commits()).toEqual([app.repository.head('two'), app.repository.head('three')].sort());
    expect((await app.get(app.commitHost(app.repository.head('one')), '/')).json()).toMatchObject({ release: 1 });
    expect(await commits()).toEqual([app.repository.head('one'), app.repository.head('three')].sort());
  });
});
