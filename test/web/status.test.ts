import { eventually } from '../support/eventually.js';
import { gate, NAVIGATION, startTestApp, type TestApp } from '../support/test-app.js';
import { deleteImage, onlyImage } from './listed-images.js';
import { startTwoProjects } from './several-projects.js';

interface ListedPreview { readonly project: string; readonly label: string; readonly kind: string; readonly status: string; readonly word: string; readonly branch: string | null; readonly commit: string; readonly release: string | null; readonly since: string | null; readonly lastAccess: string | null; readonly lastError: { code: string; message: string } | null }

const list = async (app: TestApp, query = '') => JSON.parse((await app.control(`/status${query}`)).text) as ListedPreview[];
const labels = (previews: readonly ListedPreview[]) => previews.map(({ label }) => label).sort();

describe('the status of every preview', () => {
  it('D8b: shows each of the five words once, with since and error', async () => {
    const { opened, open } = gate();
    const branches = ['builds', 'fails', 'runs', 'stopped', 'unbuilt'];
    await using app = await startTestApp({
      prepare: (repository) => { for (const branch of branches) { repository.git('checkout', '--quiet', 'main'); repository.commit({ [branch]: branch }, { branch }); } },
      builds: ({ tags }) => (tags[0]?.endsWith(app.repository.head('fails')) ? { fail: 'no such step' } : tags[0]?.endsWith(app.repository.head('builds')) ? { until: opened } : {}),
    });
    for (const branch of ['stopped', 'unbuilt']) await app.open(`branch=${branch}`);
    await app.stop();
    for (const { id } of await app.engine.list()) await app.engine.remove(id);
    await app.start();
    const unbuilt = JSON.parse((await app.control(`/api/images?q=${app.repository.head('unbuilt')}`)).text) as { id: string }[];
    await deleteImage(app, unbuilt[0]?.id ?? '');
    for (const branch of ['runs', 'fails']) await app.open(`branch=${branch}`);
    const opening = app.open('branch=builds');
    await eventually(async () => (await list(app, '?state=building')).length === 1, { what: 'the build' });
    const found = await list(app);
    expect(found.map(({ branch, word, status }) => [branch, word, status]).sort()).toEqual([
      ['builds', 'Building', 'building'], ['fails', 'FAIL', 'error'], ['runs', 'Ready', 'running'], ['stopped', 'NeedsPriming', 'stopped'], ['unbuilt', 'NotBuilt', 'unknown'],
    ]);
    const of = (branch: string) => found.find((preview) => preview.branch === branch);
    expect(of('fails')?.lastError).toMatchObject({ code: 'build_failed', message: 'no such step' });
    expect([of('runs')?.release, of('stopped')?.release, of('fails')?.release]).toEqual(['v3', 'v1', null]);
    for (const branch of ['builds', 'fails', 'runs']) expect(new Date(of(branch)?.since ?? '').toISOString()).toBe(of(branch)?.since);
    expect(of('stopped')?.since).toBeNull();
    const { text } = await app.control('/status', { headers: NAVIGATION });
    for (const part of ['NotBuilt', 'Building', 'NeedsPriming', 'Ready', 'FAIL', 'no such step']) expect(text).toContain(`>${part}<`);
    open();
    await opening;
  });

  it('D8b: is found by state, by word and by text, and refuses a state there is not', async () => {
    await using app = await startTestApp({ prepare: (repository) => { repository.commit({ a: 'a' }, { branch: 'fix/cart_50%' }); repository.git('checkout', '--quiet', 'main'); } });
    await app.open('branch=main');
    await app.get('branch-main.localhost', '/');
    await app.control('/api/wait?branch=fix/cart_50%25');
    const own = [`hash-${app.repository.head('main')}`, 'branch-main', `hash-${app.repository.head('fix/cart_50%')}`].sort();
    for (const query of ['', '?state=', '?q=', '?state=running', '?state=Ready', '?state=READY', '?q=HASH-&state=ready', '?q=repository']) {
      expect([query, labels(await list(app, query)).length]).toEqual([query, query.includes('HASH') ? 2 : 3]);
    }
    expect(labels(await list(app))).toEqual(own);
    expect(labels(await list(app, '?q=Branch-M'))).toEqual(['branch-main']);
    for (const query of ['?state=FAIL', '?state=error', '?state=NotBuilt', '?q=nothing-like-it', '?q=%25', '?q=_', '?q=%5c']) expect([query, await list(app, query)]).toEqual([query, []]);
    const refused = await app.control('/status?state=bored');
    expect([refused.status, refused.json().message]).toEqual([400, expect.stringContaining('there are NotBuilt, Building, NeedsPriming, Ready, FAIL, pending') as string]);
    const page = await app.control('/status?state=FAIL', { headers: NAVIGATION });
    expect([page.text.includes('No preview is like that.'), page.text.includes('<option value="FAIL" selected>')]).toEqual([true, true]);
  });

  it('D8b: comes fifty to a page, and tells programs where the next one is', async () => {
    await using app = await startTestApp({ settings: { 'limits.running': '60' }, prepare: (repository) => { for (let n = 0; n < 52; n += 1) repository.setRef(`refs/heads/b${n}`, repository.head()); } });
    await app.get('branch-b0.localhost', '/');
    for (let n = 1; n < 52; n += 1) await app.get(`branch-b${n}.localhost`, '/');
    const first = await app.control('/status?q=branch-b');
    expect([first.headers.link, first.headers['x-total-count'], (JSON.parse(first.text) as unknown[]).length]).toEqual(['<?q=branch-b&page=2>; rel="next"', '52', 50]);
    const second = await app.control('/status?q=branch-b&page=2');
    expect([second.headers.link, (JSON.parse(second.text) as unknown[]).length]).toEqual(['<?q=branch-b&page=1>; rel="prev"', 2]);
    const running = await app.control('/status?state=running&page=2');
    expect([running.headers['x-total-count'], (JSON.parse(running.text) as unknown[]).length]).toEqual(['52', 2]);
    for (const page of ['99', '0', '-1', 'x', '1e99']) expect((await app.control(`/status?page=${page}`)).status).toBe(200);
    const page = (await app.control('/status?q=branch-b', { headers: NAVIGATION })).text;
    expect([page.includes('Page 1 of 2'), page.includes('href="/status?q=branch-b&amp;page=2"'), page.includes('http://branch-b9.localhost')]).toEqual([true, true, true]);
  }, 60_000);

  it('D8b: the last used one is first', async () => {
    await using app = await startTestApp({ prepare: (repository) => { repository.commit({ a: 'a' }, { branch: 'other' }); repository.git('checkout', '--quiet', 'main'); } });
    for (const label of ['branch-main', 'branch-other', 'branch-main']) await app.get(`${label}.localhost`, '/');
    await eventually(async () => (await list(app)).filter(({ lastAccess }) => lastAccess !== null).length === 2, { what: 'last uses are saved' });
    expect((await list(app)).map(({ label }) => label)).toEqual(['branch-main', 'branch-other']);
  });

  it('D14: a failed build is still a failure after a restart, and one click builds it again', async () => {
    let fails = true;
    await using app = await startTestApp({ builds: () => (fails ? { fail: 'no' } : {}) });
    await app.open('branch=main');
    await app.restart();
    expect((await app.control('/status?branch=main')).text).toBe('FAIL');
    expect(await list(app, '?state=FAIL')).toMatchObject([{ word: 'FAIL', lastError: { code: 'build_failed' } }]);
    fails = false;
    await app.control(`/actions/reset?hash=${app.repository.head()}`, { method: 'POST', headers: { authorization: `Bearer ${app.token}` } });
    await eventually(async () => (await app.control('/status?branch=main')).text === 'NeedsPriming', { what: 'the second build' });
    expect((await onlyImage(app)).commits).toEqual([app.repository.head()]);
  });
});

describe('the status on a server with several projects', () => {
  it('D8b: has the previews of all on the server host, with their projects and links to their hosts, and of one on its own', async () => {
    await using two = await startTwoProjects();
    const { app, at } = two;
    for (const project of ['shop', 'blog']) await app.get(`branch-main.${project}.localhost`, '/');
    expect((await list(app)).map(({ project }) => project).sort()).toEqual(['blog', 'shop']);
    expect((await list(app, '?q=blog')).map(({ project }) => project)).toEqual(['blog']);
    expect((await list(app, '?project=shop')).map(({ project }) => project)).toEqual(['shop']);
    const all = (await app.control('/status', { headers: NAVIGATION })).text;
    for (const project of ['shop', 'blog']) for (const url of [at(`branch-main.${project}.localhost`), at(`${project}.localhost`, '/previews/branch-main')]) expect(all).toContain(`href="${url}"`);
    expect(all).toContain('<span class="tag">blog</span>');
    const one = (await app.get('shop.localhost', '/status', { headers: NAVIGATION })).text;
    expect([one.includes('href="/previews/branch-main"'), one.includes('blog')]).toEqual([true, false]);
  });
});
