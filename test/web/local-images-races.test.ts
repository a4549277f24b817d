import type { ReleaseNumber } from '../../src/domain/ids.js';
import { eventually } from '../support/eventually.js';
import { echo, startTestApp, type TestApp } from '../support/test-app.js';
import { deleteImage, listImages, onlyImage, wordOf } from './listed-images.js';

const previewOf = (app: TestApp) => app.get(app.commitHost(app.repository.head()), '/');
const statusesOf = (answers: readonly { readonly status: number }[]) => [...new Set(answers.map(({ status }) => status))].sort();

describe('the deletion of an image while others want it', () => {
  it('D9b: a start that is under way is ended, and whoever waited for it gets a new build', async () => {
    let starts = 0;
    await using app = await startTestApp({ program: (spec) => ({ serve: (starts += 1) === 1 ? () => undefined : echo(spec) }) });
    const visit = previewOf(app);
    await eventually(async () => (await app.engine.list()).length === 1, { what: 'the start' });
    const { id } = await onlyImage(app);
    expect((await deleteImage(app, id)).json()).toMatchObject({ id, containers: 1 });
    expect((await visit).status).toBe(200);
    expect([starts, app.engine.calls.build, (await listImages(app)).map((image) => image.id === id), await wordOf(app)]).toEqual([2, 2, [false], 'Ready']);
  });

  it('D9b: all who delete it at the same time share one removal', async () => {
    await using app = await startTestApp({ settings: { 'run.stopTimeout': '500ms' }, program: (spec) => ({ serve: echo(spec), deaf: true }) });
    await app.open('branch=main');
    const { id } = await onlyImage(app);
    const answers = await Promise.all(Array.from({ length: 5 }, () => deleteImage(app, id)));
    // Who comes when all is over finds nothing.
    for (const status of statusesOf(answers)) expect([200, 404]).toContain(status);
    expect(answers.some(({ status }) => status === 200)).toBe(true);
    expect((await deleteImage(app, id)).status).toBe(404);
    expect(app.engine.calls.stop).toBe(1);
  });

  it('D9b: who comes while its container ends is served by the next image, which is built and started once', async () => {
    let starts = 0;
    await using app = await startTestApp({ settings: { 'run.stopTimeout': '1s' }, program: (spec) => ({ serve: echo(spec), deaf: (starts += 1) === 1 }) });
    await app.open('branch=main');
    const { id } = await onlyImage(app);
    const deletion = deleteImage(app, id);
    await eventually(() => app.engine.calls.stop === 1, { what: 'the container is told to end' });
    const visit = await previewOf(app);
    expect([visit.status, visit.json().image === id, (await deletion).status]).toEqual([200, false, 200]);
    expect([starts, app.engine.calls.build]).toEqual([2, 2]);
  });

  it('D9b: visitors and deletions in any order leave a preview that works', async () => {
    await using app = await startTestApp();
    for (let round = 0; round < 8; round += 1) {
      await app.open('branch=main');
      const { id } = await onlyImage(app);
      const visits = Array.from({ length: 6 }, () => previewOf(app));
      const deletion = deleteImage(app, id);
      visits.push(...Array.from({ length: 6 }, () => previewOf(app)));
      expect([200, 404]).toContain((await deletion).status);
      // Who was in flight to the container that was stopped may lose it; nobody else, and nothing is remembered as a failure.
      for (const status of statusesOf(await Promise.all(visits))) expect([200, 502, 503]).toContain(status);
      expect([(await previewOf(app)).status, await wordOf(app), (await listImages(app)).filter((image) => image.id === id)]).toEqual([200, 'Ready', []]);
    }
  });

  it('D9b: 409 when a container that is not the server’s uses it, and its own preview comes back without a build', async () => {
    await using app = await startTestApp();
    await app.open('branch=main');
    const [own] = await app.engine.list();
    if (!own) throw new Error('nothing runs');
    await app.engine.start({ ...own, release: 99 as ReleaseNumber, command: null, env: {}, port: 3000, memoryBytes: 1, cpus: 1, pids: 1, profile: 'compat', stopTimeoutMs: 1 });
    const refused = await deleteImage(app, own.image);
    expect([refused.status, refused.json().message]).toEqual([409, expect.stringMatching(/^Containers that are not this server’s use it\./) as string]);
    expect([(await previewOf(app)).status, app.engine.calls.build]).toEqual([200, 1]);
  });
});
