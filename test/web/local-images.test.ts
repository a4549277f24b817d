import type { BuildKey } from '../../src/domain/ids.js';
import { parseProjectName } from '../../src/domain/ids.js';
import { NAVIGATION, startTestApp } from '../support/test-app.js';
import { listImages, onlyImage } from './listed-images.js';

describe('the list of images', () => {
  it('D9: tells programs names, commits, branches, who uses each, and whether it may be deleted', async () => {
    await using app = await startTestApp();
    const commit = app.repository.head();
    await app.open('branch=main');
    expect(await onlyImage(app)).toMatchObject({
      project: 'repository', commits: [commit], branches: ['main'], bytes: 1024, releases: 1, running: ['v1'], deletable: true, reason: null,
      uses: [{ label: `hash-${commit}`, kind: 'commit', release: 'v1' }],
    });
    expect(await listImages(app, '/localimages')).toEqual(await listImages(app));
    expect(await listImages(app, '/api/images?q=nothing-like-it')).toEqual([]);
    expect(await listImages(app, `/api/images?q=${commit.slice(0, 7).toUpperCase()}`)).toHaveLength(1);
    expect((await app.control('/api/images?project=nobody')).status).toBe(404);
  });

  it('D9: shows people the same, and offers deletion or says why not', async () => {
    await using app = await startTestApp({ prepare: (repository) => { repository.commit({ a: 'a' }, { branch: 'other' }); } });
    await app.open('branch=main');
    await app.get('branch-other.localhost', '/');
    const { text } = await app.control('/localimages', { headers: NAVIGATION });
    const images = await listImages(app);
    const digits = (deletable: boolean) => images.find((image) => image.deletable === deletable)?.id.slice('sha256:'.length) ?? 'none';
    expect(text).toContain(`/confirm?action=remove-image&amp;image=${digits(true)}`);
    expect(text).not.toContain(`image=${digits(false)}`);
    expect(text).toContain('Kept: It is the current release of the branch “other” (branch-other, v2).');
    expect(text).toContain('1 KiB');
    expect(text).toContain(`http://${app.commitHost(app.repository.head('main'))}:${app.port}/`);
  });

  it('D9: counts one image of several commits once, with all of them', async () => {
    await using app = await startTestApp({ prepare: (repository) => { for (const branch of ['one', 'two']) repository.commit({}, { branch, message: branch }); } });
    for (const branch of ['main', 'one', 'two']) await app.open(`branch=${branch}`);
    const { commits, branches, uses, running } = await onlyImage(app);
    expect([[...commits].sort(), [...branches].sort()]).toEqual([['main', 'one', 'two'].map((branch) => app.repository.head(branch)).sort(), ['main', 'one', 'two']]);
    expect([uses.length, [...running].sort()]).toEqual([3, ['v1', 'v2', 'v3']]);
    expect(app.engine.calls.build).toBe(1);
  });

  it('D9: has pages, and takes commits from the names where the records were lost', async () => {
    await using app = await startTestApp();
    const project = parseProjectName('repository');
    for (let n = 0; n < 55; n += 1) app.engine.addImage({ project, key: n.toString(16).padStart(64, '0') as BuildKey, tags: [`slipway/repository:${n.toString(16).padStart(40, '0')}`, `mine:${n}`] });
    const second = (await app.control('/localimages?page=2', { headers: NAVIGATION })).text;
    expect(second).toContain('Page 2 of 2');
    expect(second.match(/<div class="row-main">/g)).toHaveLength(5);
    const [found, ...more] = await listImages(app, '/localimages?q=mine:54');
    expect([found?.commits, found?.deletable, more]).toEqual([['36'.padStart(40, '0')], true, []]);
  });

  it('D9: an image of a branch that has moved on is still that of its commit', async () => {
    await using app = await startTestApp();
    await app.open('branch=main');
    const first = app.repository.head();
    const second = app.repository.commit({ a: 'a' });
    await app.fetch(second);
    const [image] = await listImages(app);
    expect([image?.commits, image?.branches]).toEqual([[first], []]);
  });

  it('says that the engine is away instead of an empty list', async () => {
    await using app = await startTestApp();
    app.engine.down();
    for (const headers of [{}, NAVIGATION]) expect((await app.control('/localimages', { headers })).status).toBe(503);
  });
});
