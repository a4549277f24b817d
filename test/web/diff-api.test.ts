import type { ProjectName } from '../../src/domain/ids.js';
import { eventually } from '../support/eventually.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

interface Listed { readonly id: string; readonly status: string; readonly noCache: boolean }

const listBuilds = async (app: TestApp) => JSON.parse((await app.control('/api/builds')).text) as Listed[];

/** Builds the only branch without cache. @returns the build's id */
async function rebuild(app: TestApp): Promise<string> {
  expect((await app.control('/?branch=main&reset=1', { headers: { authorization: `Bearer ${app.token}` } })).status).toBe(202);
  const built = await eventually(async () => (await listBuilds(app)).find(({ noCache, status }) => noCache && status === 'succeeded'), { what: 'it is built again' });
  return built.id;
}

describe('P12: GET /api/builds/:id/diff', () => {
  it('names the files of a rebuild that differ from those of the build before it', async () => {
    let count = 0;
    await using app = await startTestApp({ builds: () => ({ files: { 'app/server.js': 'same', 't': String(++count) } }) });
    await app.open('branch=main');
    const [first] = await listBuilds(app);
    const id = await rebuild(app);
    const answer = await app.control(`/api/builds/${id}/diff`);
    expect([answer.status, answer.json()]).toEqual([200, { against: first?.id, added: [], removed: [], changed: ['t'], counts: { added: 0, removed: 0, changed: 1 } }]);
    expect((await app.control(`/api/builds/${id}/log`)).text).toContain(`To see which files differ: slipway view ${id} --diff\n`);
    expect(app.engine.onces).toBe(0);
  });

  it('says what there is not, and what there is not any more', async () => {
    await using app = await startTestApp();
    await app.open('branch=main');
    const [first] = await listBuilds(app);
    const codeOf = async (id = '') => { const answer = await app.control(`/api/builds/${id}/diff`); return [answer.status, answer.json().error]; };
    expect(await codeOf(first?.id)).toEqual([404, 'nothing_to_compare']);
    expect(await codeOf('b_01ARZ3NDEKTSV4RRFFQ69G5FAV')).toEqual([404, 'unknown_build']);
    const id = await rebuild(app);
    const [older] = (await app.engine.images('repository' as ProjectName)).filter(({ build }) => build === first?.id);
    if (!older) throw new Error('the older image is not there');
    for (const container of await app.engine.list()) await app.engine.remove(container.id);
    await app.engine.removeImage(older.id);
    expect(await codeOf(id)).toEqual([410, 'build_image_gone']);
  });

  it('costs nothing for those who only look whether it is there, and for pages of others', async () => {
    await using app = await startTestApp();
    await app.open('branch=main');
    const path = `/api/builds/${await rebuild(app)}/diff`;
    expect((await app.control(path, { method: 'HEAD' })).status).toBe(503);
    expect((await app.control(path, { headers: { 'user-agent': 'Googlebot/2.1' } })).status).toBe(503);
    expect((await app.control(path, { headers: { 'sec-fetch-site': 'cross-site' } })).status).toBe(403);
    expect(app.engine.calls.files).toBe(0);
    expect((await app.control(path)).status).toBe(200);
  });
});
