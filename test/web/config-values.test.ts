import { startStagedApp, type StagedApp } from '../support/staged-app.js';
import { NAVIGATION } from '../support/test-app.js';

const VALUE = 'https://for-few.example.com';
const read = async ({ control, project, token }: StagedApp, path: string, isKnown = false) =>
  JSON.parse((await control(path.replace('PROJECT', project), { headers: { accept: 'application/json', ...(isKnown ? { authorization: `Bearer ${token}` } : {}) } })).text) as unknown;

describe('M5: the values of variables', () => {
  it.each(['/api/projects/PROJECT/releases?stage=dev&limit=1', '/api/projects/PROJECT/releases/v3', '/releases?route=dev&format=json'])('are in %s for the token only; their names for all', async (path) => {
    await using app = await startStagedApp();
    await app.run('a');
    expect((await app.post('config?stage=dev', { set: { API: VALUE } })).json()).toMatchObject({ release: 'v3' });
    const first = (found: unknown) => (Array.isArray(found) ? found[0] as unknown : found);
    const [open, known] = [first(await read(app, path)), first(await read(app, path, true))];
    expect(open).toMatchObject({ id: 'v3', config: { env: null, envNames: ['API'] } });
    expect(JSON.stringify(open)).not.toContain(VALUE);
    expect(known).toMatchObject({ id: 'v3', config: { env: { API: VALUE }, envNames: ['API'] } });
    const wrong = await app.control(path.replace('PROJECT', app.project), { headers: { authorization: 'Bearer another-token-of-somebody' } });
    expect(wrong.status).toBe(401);
  });

  it('are on no page, which say what is new, changed and gone', async () => {
    await using app = await startStagedApp();
    await app.run('a');
    await app.post('config?stage=dev', { set: { API: VALUE, OLD: VALUE, SAME: VALUE } });
    await app.post('config?stage=dev', { set: { API: `${VALUE}/2`, NEW: VALUE }, unset: ['OLD'] });
    const page = (await app.control('/releases', { headers: NAVIGATION })).text;
    expect(page).not.toContain(VALUE);
    const [newest = ''] = page.split('<details class="row-detail">').slice(1);
    const settings = [...newest.matchAll(/<dt><code>(\w+)<\/code><\/dt><dd>(.*?)<\/dd>/g)].map(([, name, text = '']) => `${name ?? ''}: ${text.replace(/<[^>]*>/g, '')}`);
    expect(settings).toEqual(['API: variable changed', 'NEW: variable new', 'SAME: variable', 'OLD: gone']);
    for (const path of ['/previews/dev', '/confirm?action=roll-back&route=dev', '/status', '/']) expect((await app.control(path, { headers: NAVIGATION })).text).not.toContain(VALUE);
  });
});
