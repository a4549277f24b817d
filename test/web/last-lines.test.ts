import { startStagedApp, type StagedApp } from '../support/staged-app.js';
import { echo, type TestAppOptions } from '../support/test-app.js';

const LAST = ['> node server.mjs', 'Error: no database'];
const crashes = { lines: LAST, exits: { code: 3 } };

/** Its application crashes where `API` is set, as it is in `test`, and everywhere once `breaks` was called. */
async function startFragile(options: TestAppOptions = {}): Promise<{ readonly app: StagedApp; readonly breaks: () => void }> {
  let broken = false;
  const app = await startStagedApp({ ...options, program: (spec) => (broken || spec.env.API !== undefined ? crashes : { serve: echo(spec) }) });
  return { app, breaks: () => { broken = true; } };
}

describe('a change that fails says the last lines of what failed', () => {
  it.each<[string, string, (release: string) => object]>([
    ['promote', 'stages/test/promote', () => ({})], ['rollback', 'stages/dev/rollback', () => ({})], ['publish', 'publish', () => ({ branch: 'main' })], ['run', 'stages/dev/run', (release) => ({ release })],
  ])('X11: %s, where the application does not start', async (_what, path, body) => {
    const { app, breaks } = await startFragile();
    await using _app = app;
    await app.run('a');
    await app.run('b');
    const release = await app.release('c');
    app.repository.commit({ d: 'd' });
    const { commit } = await app.shown();
    breaks();
    const failed = await app.post(path, body(release));
    expect([failed.status, failed.json()]).toMatchObject([502, { error: 'crashed', lastLines: LAST }]);
    expect(await app.shown()).toMatchObject({ commit });
  });

  it('X11: publish, where the build fails', async () => {
    await using app = await startStagedApp({ builds: () => ({ lines: ['npm error'], fail: 'RUN npm ci ended with 1.' }) });
    const failed = await app.post('publish', { branch: 'main' });
    expect([failed.status, failed.json()]).toMatchObject([424, { error: 'build_failed', lastLines: ['npm error'] }]);
  });

  it('X9: config, for each route that does not start with it', async () => {
    const { app } = await startFragile();
    await using _app = app;
    await app.run('a');
    const set = await app.post('config?stage=dev', { set: { API: 'https://x' } });
    expect([set.status, set.json()]).toMatchObject([200, { changed: true, releases: [{ route: 'dev', error: { code: 'crashed', lastLines: LAST } }] }]);
    expect((await app.post('config?stage=dev', { set: { OTHER: '1' }, unset: ['API'] })).json()).toMatchObject({ releases: [{ route: 'dev', error: null }] });
  });
});
