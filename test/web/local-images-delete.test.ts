import { slugOf } from '../../src/domain/slug.js';
import type { RefName } from '../../src/domain/ids.js';
import { eventually } from '../support/eventually.js';
import { gate, NAVIGATION, startTestApp, type TestApp } from '../support/test-app.js';
import { deleteImage, listImages, onlyImage, wordOf } from './listed-images.js';

const digitsOf = (id: string) => id.slice('sha256:'.length);
const FORM = { 'content-type': 'application/x-www-form-urlencoded', ...NAVIGATION };

async function openConfirmation(app: TestApp, id: string) {
  const { text, status, headers } = await app.control(`/confirm?action=remove-image&image=${digitsOf(id)}`, { headers: NAVIGATION });
  return { status, text, token: /name="token" value="([0-9a-f]+)"/.exec(text)?.[1] ?? '', cookie: (headers['set-cookie']?.[0] ?? '').split(';')[0] ?? '' };
}

describe('the deletion of an image', () => {
  it('D9b: stops its containers, takes it away, and its URL builds again', async () => {
    await using app = await startTestApp();
    await app.open('branch=main');
    const { id } = await onlyImage(app);
    const answer = await deleteImage(app, id);
    expect([answer.status, answer.json()]).toEqual([200, { id, project: 'repository', containers: 1 }]);
    expect([await app.engine.list(), await listImages(app), await wordOf(app)]).toEqual([[], [], 'NotBuilt']);
    expect((await app.get(app.commitHost(app.repository.head()), '/')).status).toBe(200);
    expect([app.engine.calls.build, await wordOf(app)]).toEqual([2, 'Ready']);
    expect((await onlyImage(app)).id).not.toBe(id);
  });

  it('D9b: stops every container of the image, also those of other commits', async () => {
    await using app = await startTestApp({ prepare: (repository) => { repository.commit({}, { branch: 'same', message: 'same tree' }); } });
    for (const branch of ['main', 'same']) await app.open(`branch=${branch}`);
    expect((await deleteImage(app, digitsOf((await onlyImage(app)).id))).json()).toMatchObject({ containers: 2 });
    expect([await wordOf(app), await wordOf(app, 'branch=same')]).toEqual(['NotBuilt', 'NotBuilt']);
    expect((await app.open('branch=same')).status).toBe(200);
    expect(app.engine.calls.build).toBe(2);
  });

  it('D9b: 409 with the reason while a branch’s preview has it, stopped or not, until the branch is gone', async () => {
    await using app = await startTestApp({ prepare: (repository) => { repository.commit({ a: 'a' }, { branch: 'fix/cart' }); } });
    const label = `branch-${slugOf('fix/cart' as RefName)}`;
    await app.get(`${label}.localhost`, '/');
    const { id, reason } = await onlyImage(app);
    for (const running of [1, 0]) {
      const refused = await deleteImage(app, id);
      expect([refused.status, refused.json().error]).toEqual([409, 'image_in_use']);
      expect(refused.json().message).toContain(`It is the current release of the branch “fix/cart” (${label}, v1).`);
      expect([(await app.engine.list()).length, (await onlyImage(app)).reason]).toEqual([running, reason]);
      await app.stop();
      for (const container of await app.engine.list()) await app.engine.remove(container.id);
      await app.start();
    }
    const page = await openConfirmation(app, id);
    expect([page.status, page.text.includes('“fix/cart”')]).toEqual([409, true]);
    app.repository.git('checkout', '--quiet', 'main');
    app.repository.git('branch', '-D', 'fix/cart');
    await app.fetch(app.repository.commit({ b: 'b' }));
    expect((await deleteImage(app, id)).status).toBe(200);
  });

  it('D9b: 401 without the token, and nothing changes', async () => {
    await using app = await startTestApp();
    await app.open('branch=main');
    const { id } = await onlyImage(app);
    for (const headers of [{}, { authorization: 'Bearer wrong-token-wrong' }, { authorization: `Basic ${app.token}` }]) {
      const refused = await deleteImage(app, id, headers);
      expect([refused.status, refused.json().error]).toEqual([401, 'missing_token']);
    }
    expect((await app.control(`/actions/remove-image?image=${digitsOf(id)}`, { method: 'POST' })).status).toBe(401);
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'POST']) await app.control(`/api/images/${id}`, { method, headers: { authorization: `Bearer ${app.token}` } });
    expect([(await onlyImage(app)).id, await wordOf(app)]).toEqual([id, 'Ready']);
  });

  it('D9b: 404 for an image that is not there, and for what is no id at all', async () => {
    await using app = await startTestApp();
    for (const id of [`sha256:${'0'.repeat(64)}`, '0'.repeat(64), 'nonsense', 'sha256:', '..%2f..', `sha512:${'0'.repeat(64)}`, '%3Cscript%3E']) {
      const answer = await deleteImage(app, id);
      expect([id, answer.status, answer.json().error]).toEqual([id, 404, 'unknown_image']);
      const page = await app.control(`/confirm?action=remove-image&image=${id}`, { headers: NAVIGATION });
      expect([id, page.status >= 400 && page.status < 500, page.headers['set-cookie']]).toEqual([id, true, undefined]);
    }
  });

  it('D9b, I1: a person confirms it in a form that only this browser can send', async () => {
    await using app = await startTestApp();
    await app.open('branch=main');
    const { id } = await onlyImage(app);
    const { status, text, token, cookie } = await openConfirmation(app, id);
    expect(status).toBe(200);
    for (const part of ['What runs of it is stopped now: v1.', `The next visit of ${app.repository.head().slice(0, 8)} builds again.`]) expect(text).toContain(part);
    const send = (fields: Record<string, string>, headers: Record<string, string>) =>
      app.control('/actions/remove-image', { method: 'POST', headers: { ...FORM, origin: `http://localhost:${app.port}`, ...headers }, body: new URLSearchParams(fields).toString() });
    for (const [fields, headers] of [[{ token: 'f'.repeat(64) }, { cookie }], [{ token }, {}], [{ token }, { cookie, 'sec-fetch-site': 'same-site' }], [{ token }, { cookie, origin: `http://hash-x.localhost:${app.port}` }]] as const) {
      expect((await send({ image: digitsOf(id), ...fields }, headers)).status).toBe(403);
    }
    expect(await wordOf(app)).toBe('Ready');
    const done = await send({ image: digitsOf(id), token }, { cookie });
    expect([done.status, done.headers.location, await listImages(app)]).toEqual([303, '/localimages', []]);
  });

  it('D9b: takes the older images of the key along, or the next visit would find one instead of a build', async () => {
    await using app = await startTestApp();
    await app.open('branch=main');
    await app.control('/?branch=main&reset=1', { headers: { authorization: `Bearer ${app.token}` } });
    await eventually(async () => (await listImages(app)).length === 2, { what: 'the second image' });
    const newest = (await listImages(app)).find(({ tags }) => tags.length > 0);
    expect((await deleteImage(app, newest?.id ?? '')).status).toBe(200);
    expect([await listImages(app), await wordOf(app)]).toEqual([[], 'NotBuilt']);
    await app.open('branch=main');
    expect(app.engine.calls.build).toBe(3);
  });

  it('D9b: 409 while it is built anew', async () => {
    const { opened, open } = gate();
    let builds = 0;
    await using app = await startTestApp({ builds: () => ({ ...((builds += 1) > 1 ? { until: opened } : {}) }) });
    await app.open('branch=main');
    const { id } = await onlyImage(app);
    await app.control('/?branch=main&reset=1', { headers: { authorization: `Bearer ${app.token}` } });
    await eventually(() => builds === 2, { what: 'the second build' });
    const refused = await deleteImage(app, id);
    expect([refused.status, refused.json().message]).toEqual([409, expect.stringMatching(/^It is built anew just now \(b_\w+\)\./) as string]);
    open();
  });
});
