import { eventually } from '../support/eventually.js';
import { createSessionBrowser, urlsIn } from '../support/session-browser.js';
import { startStagedApp } from '../support/staged-app.js';
import { NAVIGATION, startTestApp } from '../support/test-app.js';

const wordsOf = (html: string) => html.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ').trim();
const sectionOf = (html: string, id: string) => new RegExp(`<section[^>]* id="${id}".*?</section>`, 's').exec(html)?.[0] ?? '';

describe('the project’s page', () => {
  it('has its stages with what they serve, apart from the previews that run, and the way to the releases', async () => {
    await using app = await startStagedApp();
    const a = await app.run('a');
    const { text } = await app.control('/', { headers: NAVIGATION });
    const stages = sectionOf(text, 'stages');
    expect(wordsOf(stages)).toContain(`dev running ${a.id} since just now ${a.commit.slice(0, 8)} a commit Log Open test nothing released yet prod nothing released yet`);
    expect(urlsIn(stages)).toEqual(expect.arrayContaining(['/releases', '/previews/dev', `http://dev.localhost:${app.port}/`]));
    const running = wordsOf(sectionOf(text, 'running'));
    expect([running.includes(`hash-${a.commit}`), running.includes(' dev ')]).toEqual([true, false]);
  });

  it('has no such part where there are no stages', async () => {
    await using app = await startTestApp();
    const { text } = await app.control('/', { headers: NAVIGATION });
    expect([text.includes('id="stages"'), urlsIn(text).includes('/releases')]).toEqual([false, true]);
  });
});

describe('the page of a stage', () => {
  it('is called by the stage, shows its output and its releases, and restarts it from the same release', async () => {
    await using app = await startStagedApp({ program: (spec) => ({ lines: [`runs as ${spec.env.SLIPWAY_ENV ?? 'nothing'}`], serve: (_req, res) => { res.end('{}'); } }) });
    const { id } = await app.run('a');
    const page = await app.control('/previews/dev', { headers: NAVIGATION });
    const words = wordsOf(page.text);
    expect([page.status, page.text.includes('<h1 class="wrap"><bdi>dev</bdi></h1>')]).toEqual([200, true]);
    for (const part of [`Release ${id} All releases`, 'Environment dev', 'runs as dev']) expect([part, words.includes(part)]).toEqual([part, true]);
    expect(urlsIn(page.text)).toContain('/releases?route=dev');
    const before = (await app.engine.list()).map((container) => container.id);
    const builds = app.engine.builds.length;
    const { sent } = await createSessionBrowser(app).confirm('/confirm?action=restart&preview=dev');
    expect([sent.status, sent.headers.location]).toEqual([303, '/previews/dev']);
    await eventually(async () => (await app.read<{ status: string }>('stages/dev')).status === 'running', { what: 'dev runs again' });
    expect(await app.read('stages/dev')).toMatchObject({ release: id, lastError: null });
    expect([(await app.engine.list()).filter((container) => !before.includes(container.id)).length, app.engine.builds.length]).toEqual([1, builds]);
  });

  it('says how to release something where nothing is, as the stage’s own host does', async () => {
    await using app = await startStagedApp();
    const page = await app.control('/previews/test', { headers: NAVIGATION });
    expect([page.status, urlsIn(page.text).includes('/releases')]).toEqual([404, true]);
    const own = await app.get('test.localhost', '/', { headers: NAVIGATION });
    for (const { status, text } of [page, own]) {
      expect([status, wordsOf(text).includes('Nothing runs in test of repository.'), /slipway publish.*slipway promote/.test(text)]).toEqual([404, true, true]);
    }
    const program = await app.get('test.localhost', '/');
    expect([program.status, program.json()]).toEqual([404, expect.objectContaining({ error: 'nothing_released', message: expect.stringContaining('slipway publish') as string })]);
  });

  it('waits under the stage’s name while it starts', async () => {
    let isHeld = false;
    await using app = await startStagedApp({ settings: { 'hold.navigation': '50ms' }, program: () => ({ serve: (_req, res) => { if (!isHeld) res.end('{}'); } }) });
    const { commit } = await app.run('a');
    isHeld = true;
    await app.control('/actions/restart?preview=dev', { method: 'POST', headers: { authorization: `Bearer ${app.token}` } });
    const { status, text } = await app.get('dev.localhost', '/', { headers: NAVIGATION });
    expect([status, text.includes('<span class="tag">dev</span>'), text.includes(commit.slice(0, 8))]).toEqual([503, true, true]);
    isHeld = false;
  });
});

describe('the status of every preview', () => {
  it('D8b: has stages by their names, which are no branches', async () => {
    await using app = await startStagedApp({ prepare: (repository) => { repository.git('branch', 'dev'); } });
    const { id, commit } = await app.run('a');
    await app.get('branch-dev.localhost', '/');
    await app.read('stages/prod');
    const listed = JSON.parse((await app.control('/status?q=dev')).text) as { label: string; kind: string }[];
    expect(listed.find(({ label }) => label === 'dev')).toMatchObject({ kind: 'stage', status: 'running', word: 'Ready', commit, release: id, branch: null, environment: null, lastError: null, url: `http://dev.localhost:${app.port}/` });
    expect(listed.map(({ label }) => label).sort()).toEqual(['branch-dev', 'dev']);
    const { text } = await app.control('/status?state=running', { headers: NAVIGATION });
    expect(wordsOf(text)).toContain('dev stage running Ready');
    expect(text.split('<span class="tag">stage</span>')).toHaveLength(2);
  });
});

describe('D3: with everything on one host', () => {
  it('the releases and what is done to them are below the prefix', async () => {
    await using app = await startStagedApp({ settings: { routing: 'session' } });
    const api = (path: string, body: object = {}) => app.control(`/__slipway/api/projects/${app.project}/${path}`, { method: 'POST', body: JSON.stringify(body), headers: { authorization: `Bearer ${app.token}` } });
    expect((await api('publish', { branch: 'main' })).status).toBe(200);
    expect((await api('publish', { commit: app.repository.commit({ a: 'a' }) })).status).toBe(200);
    const browser = createSessionBrowser(app);
    const urls = urlsIn((await browser.go('/__slipway/releases')).text);
    for (const url of ['/__slipway/confirm?action=roll-back&route=dev', '/__slipway/confirm?action=promote&stage=test', '/__slipway/previews/dev', `http://localhost:${app.port}/?__slipway=dev`, `/__slipway/api/projects/${app.project}/releases/v2/log`]) expect(urls).toContain(url);
    expect(urls.filter((url) => url.startsWith('/') && !url.startsWith('/__slipway/'))).toEqual([]);
    const { sent } = await browser.confirm('/__slipway/confirm?action=roll-back&route=dev');
    expect([sent.status, sent.headers.location]).toEqual([303, '/__slipway/releases']);
    const again = await browser.go('/__slipway/confirm?action=roll-back&route=dev');
    expect([again.status, urlsIn(again.text).includes('/__slipway/releases')]).toEqual([404, true]);
  });
});
