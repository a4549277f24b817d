import { eventually } from '../support/eventually.js';
import { createFakeClock } from '../support/fake-clock.js';
import { startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';

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
  let bad = 'none';
});

describe('more previews than may run', () => {
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
