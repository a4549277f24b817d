import { startTestApp, type TestAppOptions } from '../support/test-app.js';
import { ADA, committed, update } from '../support/update.js';

describe('P10: which branch an update without a name is about', () => {
  const withPublish = (publish: string): TestAppOptions => ({ configure: (config) => ({ ...config, projects: config.projects.map((project) => ({ ...project, publish })) }) });
  /** HEAD at a commit that no branch stands for. */
  const aside = (name: string): TestAppOptions => ({
    prepare: (repository) => {
      if (name !== 'main') repository.git('branch', '--move', 'main', name);
      repository.git('checkout', '--quiet', '--detach');
      repository.git(...ADA, 'commit', '--quiet', '--allow-empty', '-m', 'aside');
    },
  });

  it('the publish branch, and no other where it is not there', async () => {
    await using app = await startTestApp({ ...withPublish('stable'), prepare: (repository) => { repository.git('branch', 'stable'); } });
    expect((await update(app)).to).toMatchObject({ branch: 'stable' });
    await using other = await startTestApp(withPublish('stabel'));
    expect(await update(other)).toMatchObject({ status: 404, error: 'unknown_ref', message: expect.stringContaining('“stabel”') as string });
  });

  it('else the one that the repository’s HEAD names', async () => {
    await using app = await startTestApp({ prepare: (repository) => { repository.git('checkout', '--quiet', '-b', 'trunk'); repository.commit({ a: 'a' }, { branch: 'trunk' }); } });
    expect((await update(app)).to).toEqual(committed(app, 'trunk', app.repository.head('trunk')));
  });

  it.each(['main', 'master'])('else %s, where HEAD names none', async (name) => {
    await using app = await startTestApp(aside(name));
    expect((await update(app)).to).toMatchObject({ branch: name });
  });

  it('else none: it is to be named, unless a commit is', async () => {
    await using app = await startTestApp(aside('odd'));
    expect(await update(app)).toMatchObject({ status: 404, error: 'unknown_ref', message: expect.stringContaining('give ref') as string });
    const commit = app.repository.head('odd');
    expect(await update(app, { commit })).toMatchObject({ status: 202, from: { branch: null, hash: null }, to: { branch: null, hash: commit } });
  });
});
