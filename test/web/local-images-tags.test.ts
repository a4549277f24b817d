import { parseProjectName, type BuildKey, type CommitHash } from '../../src/domain/ids.js';
import { eventually } from '../support/eventually.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { listImages, onlyImage } from './listed-images.js';

const tagOf = (commit: CommitHash) => `slipway/repository:${commit}`;
const tagged = async (app: TestApp, commit: CommitHash) => (await listImages(app)).filter(({ tags }) => tags.includes(tagOf(commit))).length;

describe('the name of a commit’s image', () => {
  it('D16: is there for a built and for a reused commit, and opening them again builds nothing', async () => {
    await using app = await startTestApp({ prepare: (repository) => { repository.commit({}, { branch: 'same', message: 'same tree' }); } });
    for (const branch of ['main', 'same']) await app.open(`branch=${branch}`);
    for (const branch of ['main', 'same']) expect(await tagged(app, app.repository.head(branch))).toBe(1);
    await app.stop();
    for (const { id } of await app.engine.list()) await app.engine.remove(id);
    await app.start();
    for (const branch of ['main', 'same']) expect((await app.open(`branch=${branch}`)).status).toBe(200);
    expect(app.engine.calls.build).toBe(1);
  });

  it('D16: moves to the new image after a reset, for each commit of the key once it is opened', async () => {
    await using app = await startTestApp({ prepare: (repository) => { repository.commit({}, { branch: 'same', message: 'same tree' }); } });
    for (const branch of ['main', 'same']) await app.open(`branch=${branch}`);
    await app.control('/?branch=main&reset=1', { headers: { authorization: `Bearer ${app.token}` } });
    await eventually(async () => (await listImages(app)).length === 2, { what: 'the second image' });
    const newest = async () => (await app.control('/api/status?branch=main')).json().build as { image: string };
    for (const branch of ['main', 'same']) {
      await eventually(async () => (await app.open(`branch=${branch}`)).status === 200, { what: branch });
      const { image } = await newest();
      expect((await listImages(app)).find(({ tags }) => tags.includes(tagOf(app.repository.head(branch))))?.id).toBe(image);
    }
  });

  it('D16: is given again to a commit that lost it, when another of its hosts is opened', async () => {
    await using app = await startTestApp({ prepare: (repository) => { repository.commit({}, { branch: 'same', message: 'same tree' }); } });
    for (const branch of ['main', 'same']) await app.open(`branch=${branch}`);
    const { id } = await onlyImage(app);
    const stranger = app.engine.addImage({ project: parseProjectName('stranger'), key: 'e'.repeat(64) as BuildKey });
    const lost = tagOf(app.repository.head('same'));
    await app.engine.tagImage(stranger, lost);
    expect((await onlyImage(app)).tags).not.toContain(lost);
    expect((await app.get('branch-same.localhost', '/')).status).toBe(200);
    expect([(await onlyImage(app)).id, (await onlyImage(app)).tags.includes(lost), app.engine.calls.build]).toEqual([id, true, 1]);
  });
});
