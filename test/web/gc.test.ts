import { createFakeClock } from '../support/fake-clock.js';
import type { GcAnswer } from '../../src/web/gc-api.js';
import { startTwoProjects } from './several-projects.js';

const LATER = 11 * 60_000;

describe('POST /api/gc', () => {
  it('collects for the whole server, and tells on a project’s host of its own images only; each call lists once', async () => {
    const clock = createFakeClock();
    await using both = await startTwoProjects({ clock, settings: { 'limits.images': '1', 'idle.sleep': 'never', 'idle.stop': 'never' } });
    const { app, blog } = both;
    const headers = { authorization: `Bearer ${app.token}` };
    const heads = { shop: app.repository.head(), blog: blog.head() };
    const post = (host: string, path: string) => app.get(host, path, { method: 'POST', headers, body: '{}' });
    for (const [project, commit] of Object.entries(heads)) {
      expect((await app.open(`hash=${commit}&project=${project}`)).status).toBe(200);
      await clock.advance(1_000);
    }
    const [oldest] = await app.engine.images('shop' as never);
    await clock.advance(LATER);
    for (const project of ['shop', 'blog']) await post(`${project}.localhost`, `/apps/${project}/stop`);
    const lists = app.engine.calls.images;
    const told = (await app.get('blog.localhost', '/api/gc')).json() as unknown as GcAnswer;
    expect([told.images, told.kept.map(({ why }) => why), app.engine.calls.images - lists]).toEqual([[], ['there is room'], 2]);
    expect(((await app.get('shop.localhost', '/api/gc')).json() as unknown as GcAnswer).images.map(({ image }) => image)).toEqual([oldest?.id]);
    const before = app.engine.calls.images;
    const done = (await post('blog.localhost', '/api/gc')).json() as unknown as GcAnswer;
    expect([done.images, done.kept.length, app.engine.calls.images - before]).toEqual([[], 1, 2]);
    expect(done.marks.find(({ name }) => name === 'images')).toEqual({ name: 'images', now: 1, most: 1, over: false });
    expect(await app.engine.images('shop' as never)).toEqual([]);
  });
});
