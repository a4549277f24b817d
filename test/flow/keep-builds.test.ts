import { eventually } from '../support/eventually.js';
import { startStagedApp, type StagedApp } from '../support/staged-app.js';

const MAIN = 'branch-main.localhost';

/** Pushes a commit and waits until the branch serves it. */
async function push(app: StagedApp, file: string): Promise<string> {
  const commit = app.repository.commit({ [file]: file });
  await app.fetch(commit);
  await eventually(async () => { const answer = await app.get(MAIN, '/'); return answer.status === 200 && answer.json().commit === commit; }, { what: `the branch serves ${file}` });
  return String((await app.get(MAIN, '/')).json().image);
}

const images = async (app: StagedApp): Promise<string[]> => (await app.engine.images(app.project as never)).map(({ id }) => id);
const left = (app: StagedApp, wanted: readonly string[]) =>
  eventually(async () => { const now = await images(app); return now.length === wanted.length && wanted.every((id) => now.includes(id as never)); }, { what: 'the older images are gone' });

describe('images kept for rollback', () => {
  it('P6: are the current one and the one before it; what a stage was given stays as well', async () => {
    await using app = await startStagedApp();
    await app.get(MAIN, '/');
    const h1 = await push(app, 'h1');
    const h4 = await push(app, 'h4');
    const h7 = await push(app, 'h7');
    await left(app, [h7, h4]);
    expect(await images(app)).not.toContain(h1);
    const release = (await app.read<{ build: string; image: string }[]>('releases?preview=branch-main')).find(({ image }) => image === h4);
    const made = await app.post('releases', { build: release?.build, stage: 'dev' });
    expect((await app.post('stages/dev/run', { release: made.json().id })).status).toBe(200);
    const h8 = await push(app, 'h8');
    const h9 = await push(app, 'h9');
    await left(app, [h4, h8, h9]);
    expect((await app.post('previews/branch-main/rollback')).json()).toMatchObject({ release: { image: h8 } });
  });

  it('P6: as many as the project says, and those of a commit that was opened', async () => {
    await using app = await startStagedApp({ change: (project) => ({ ...project, keepBuilds: 3 }) });
    await app.get(MAIN, '/');
    const [first] = await images(app);
    await app.open(`hash=${app.repository.head()}`);
    const kept = [await push(app, 'a'), await push(app, 'b'), await push(app, 'c'), await push(app, 'd')].slice(1);
    await left(app, [...kept, String(first)]);
  });

  it('P6: as many as there are, also where one was removed by hand', async () => {
    await using app = await startStagedApp({ change: (project) => ({ ...project, keepBuilds: 3 }) });
    await app.get(MAIN, '/');
    const [first] = await images(app);
    const second = await push(app, 'a');
    const third = await push(app, 'b');
    await eventually(async () => { await app.engine.removeImage(second as never); return true; }, { what: 'the second one is removed' });
    const fourth = await push(app, 'c');
    // What has begun is through then.
    await app.stop();
    expect(new Set(await images(app))).toEqual(new Set([String(first), third, fourth]));
  });
});
