import type { LogRecord } from '../../src/kernel/log.js';
import { NAVIGATION, startTestApp, type TestApp } from '../support/test-app.js';
import { startTwoProjects } from './several-projects.js';

const records = async (app: TestApp, query = '', host = 'localhost') => JSON.parse((await app.get(host, `/log${query}`)).text) as LogRecord[];
const messages = async (app: TestApp, query = '', host = 'localhost') => (await records(app, query, host)).map(({ message }) => message);
const OURS = '&q=ours';

describe('/log', () => {
  it('D9: with a level has that one and what is more severe', async () => {
    await using app = await startTestApp();
    for (const level of ['error', 'warn', 'info', 'debug'] as const) app.log[level](`ours ${level}`);
    const named = ['ours debug', 'ours info', 'ours warn', 'ours error'];
    for (const [level, count] of [['debug', 4], ['info', 3], ['warn', 2], ['ERROR', 1], ['', 4]] as const) expect(await messages(app, `?level=${level}${OURS}`)).toEqual(named.slice(4 - count));
    for (const level of ['loud', 'warn,error', '%3Cscript%3E']) {
      const refused = await app.control(`/log?level=${level}`);
      expect([refused.status, refused.json().message]).toEqual([400, expect.stringContaining('there are error, warn, info, debug') as string]);
    }
    const page = (await app.control(`/log?level=warn${OURS}`, { headers: NAVIGATION })).text;
    expect([page.includes('<option value="warn" selected>'), page.includes('ours error'), page.includes('ours info'), page.includes(`href="/log?level=warn&amp;q=ours&amp;format=json"`)]).toEqual([true, true, false, true]);
  });

  it('D9: is searched in messages and in all fields, in any case', async () => {
    await using app = await startTestApp();
    app.log.info('Ours: Seen', { branch: 'fix/Cart', deep: { inner: ['Anchor'] } });
    app.log.info('ours: other', { ms: 5 });
    for (const query of ['ours%3A+seen', 'fix/CART', 'branch+fix', 'anchor']) expect([query, await messages(app, `?q=${query}`)]).toEqual([query, ['Ours: Seen']]);
    expect(await messages(app, '?q=nobody-wrote-this')).toEqual([]);
    const page = (await app.control('/log?q=%3Cb%3Enobody', { headers: NAVIGATION })).text;
    expect([page.includes('value="&lt;b&gt;nobody"'), page.includes('Nothing of this kind is among the last 1,000 records.')]).toEqual([true, true]);
  });

  it('D9: has at most the last thousand, a hundred to a page, with a link to older ones', async () => {
    await using app = await startTestApp();
    for (let n = 1; n <= 1_200; n += 1) app.log.info(`ours ${n}.`);
    const all = await messages(app);
    expect([all.length, all[0]]).toEqual([1_000, 'ours 1200.']);
    const page = (await app.control('/log?level=info', { headers: NAVIGATION })).text;
    expect([page.match(/<li class="record/g)?.length, page.includes('ours 1101.'), page.includes('ours 1100.'), page.includes('Page 1 of 10')]).toEqual([100, true, false, true]);
    expect(page).toContain('<a href="/log?level=info&amp;page=2" rel="next">Older →</a>');
    const last = (await app.control('/log?page=10', { headers: NAVIGATION })).text;
    expect([last.includes('ours 201.'), last.includes('rel="next"')]).toEqual([true, false]);
  });

  it('D9: on a project’s host leaves out what concerns another project', async () => {
    await using two = await startTwoProjects();
    const { app } = two;
    app.log.info('ours of shop', { project: 'shop' });
    app.log.info('ours of blog', { project: 'blog' });
    app.log.info('ours of the server');
    expect(await messages(app, '?q=ours')).toEqual(['ours of the server', 'ours of blog', 'ours of shop']);
    expect(await messages(app, '?q=ours', 'shop.localhost')).toEqual(['ours of the server', 'ours of shop']);
    expect((await app.get('blog.localhost', '/log?q=ours', { headers: NAVIGATION })).text).not.toContain('of shop');
  });
});
