import type { RefName } from '../../src/domain/ids.js';
import { slugOf } from '../../src/domain/slug.js';
import { eventually } from '../support/eventually.js';
import { createFakeClock } from '../support/fake-clock.js';
import { elementsOf } from '../support/html.js';
import { startStagedApp, type StagedApp } from '../support/staged-app.js';
import { echo, NAVIGATION, startTestApp, type TestApp } from '../support/test-app.js';
import { ASKED, BRANCHES, checkAnswer } from './escaped-samples.js';
import { startTwoProjects } from './several-projects.js';

const open = async (app: TestApp, path = '/releases', host = 'localhost') => {
  const answer = await app.get(host, path, { headers: NAVIGATION });
  expect([path, answer.status]).toEqual([path, 200]);
  return answer.text;
};
/** The words of a part of a page, without its tags. */
const wordsOf = (html: string) => html.replace(/<[^>]*>/g, ' ').replace(/&#(\d+);/g, (_all, code: string) => String.fromCodePoint(Number(code))).replace(/\s+/g, ' ').trim();
const cards = (html: string) => [...html.matchAll(/<li class="stage">(.*?)<\/li>/gs)].map(([, inner = '']) => wordsOf(inner));
const rows = (html: string) => [...(/<ul class="rows">(.*)<\/ul>/s.exec(html)?.[1] ?? '').split(/(?=<li>)/)].filter((row) => row.includes('<li>')).map(wordsOf);
const links = (html: string) => elementsOf(html).filter(({ name }) => name === 'a').map(({ attributes }) => attributes.get('href') ?? '');
const list = async (app: TestApp, query = '') => JSON.parse((await app.control(`/releases${query}`)).text) as { id: string; route: string }[];
const short = (commit: string) => commit.slice(0, 8);

describe('the stages on the page of releases', () => {
  it('says how to configure them where there are none, and what a first release comes of', async () => {
    await using plain = await startTestApp();
    expect(wordsOf(await open(plain))).toContain('repository has no stages. Name them in its configuration, in the order in which releases are promoted: stages: { dev: {}, test: {}, prod: {} }');
    expect(wordsOf(await open(plain))).toContain('There is no release yet. Open a branch and its first release appears here.');
    await using app = await startStagedApp({ change: (project) => ({ ...project, publish: 'no-such-branch' }) });
    const page = await open(app);
    expect(wordsOf(page)).toContain(`Nothing is released yet. slipway publish ${app.project} --branch NAME builds a branch and lets dev serve it; new commits of no-such-branch come there by themselves.`);
    expect(cards(page)).toEqual(['dev nothing released yet', 'test nothing released yet', 'prod nothing released yet']);
    expect(links(page).filter((url) => url.startsWith('/confirm'))).toEqual([]);
  });

  it('show in their order what they serve, since when, of which commit, and what can be pressed', async () => {
    await using app = await startStagedApp();
    const [a, b] = [await app.run('a'), await app.run('b')];
    await app.post('stages/test/promote', { release: a.id, by: 'grace' });
    const page = await open(app);
    expect(cards(page)).toEqual([
      `dev running ${b.id} since just now ${short(b.commit)} a commit code by api · Log Promote to test Roll back to ${a.id} ${a.id} is ${short(a.commit)} a commit`,
      `test running v5 since just now ${short(a.commit)} a commit promotion by grace · Log Promote to prod`, 'prod nothing released yet',
    ]);
    const leading = links(page);
    for (const url of [`http://dev.localhost:${app.port}/`, '/previews/dev', '/confirm?action=roll-back&route=dev', '/confirm?action=promote&stage=test', '/confirm?action=promote&stage=prod']) expect(leading).toContain(url);
    expect(leading).not.toContain('/confirm?action=roll-back&route=test');
    expect(elementsOf(page).find(({ attributes }) => attributes.get('aria-current') === 'page')?.attributes.get('href')).toBe('/releases');
  });

  it('offer no promotion of the image that the next one serves, but after a rollback there', async () => {
    await using app = await startStagedApp();
    const [a] = [await app.run('a'), await app.run('b')];
    await app.post('stages/test/promote', { release: a.id });
    await app.post('stages/test/promote');
    const [dev = ''] = cards(await open(app));
    expect([dev.includes('test serves the same image.'), dev.includes('Promote to test')]).toEqual([true, false]);
    await app.post('stages/test/rollback');
    expect(cards(await open(app))[0]).toContain('Promote to test');
  });

  it('P7: say why a release did not take over, what serves on, and where its output is', async () => {
    let broken = '';
    await using app = await startStagedApp({
      change: (project) => ({ ...project, run: { ...project.run, readyTimeoutMs: 300 } }),
      program: (spec) => ({ lines: [`output of ${spec.release}`], serve: spec.commit === broken ? (_req, res) => { res.statusCode = 500; res.end(); } : echo(spec) }),
    });
    const a = await app.run('a');
    broken = app.repository.commit({ b: 'b' });
    expect((await app.post('publish', { commit: broken })).status).toBe(504);
    const page = await open(app);
    expect(cards(page)[0]).toContain(`v3 did not take over just now Release v3: not healthy after 0.3 s: GET / 500. ${a.id} serves on. What v3 printed`);
    const log = links(page).find((url) => url.endsWith('/v3/log'));
    expect((await app.control(log ?? '')).text).toContain('output of 3');
    const project = await open(app, '/');
    expect(wordsOf(project)).toContain('v3 did not take over: Release v3: not healthy after 0.3 s: GET / 500.');
    // The failure is of that release, whatever is made of the commit that serves.
    await app.control(`/actions/reset?hash=${a.commit}`, { method: 'POST', headers: { authorization: `Bearer ${app.token}` } });
    const built = async () => (JSON.parse((await app.control('/api/builds')).text) as { commit: string; status: string }[]).filter(({ commit, status }) => commit === a.commit && status === 'succeeded');
    await eventually(async () => (await built()).length === 2, { what: 'it is built again' });
    expect(wordsOf(await open(app, '/previews/dev'))).toContain('Release v3: not healthy');
  });

  it('say that the very first release did not start', async () => {
    await using app = await startStagedApp({ program: () => ({ exits: { code: 3 } }) });
    await app.post('publish', { commit: app.repository.head() });
    expect(cards(await open(app))[0]).toMatch(/^dev error nothing released yet v1 did not start just now It exited with code 3.* What v1 printed$/);
  });

  it('say of a release that is starting that it comes', async () => {
    let isHeld = false;
    let begun: () => void = () => undefined;
    const started = new Promise<void>((resolve) => { begun = resolve; });
    let letGo: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => { letGo = resolve; });
    await using app = await startStagedApp({
      program: (spec) => ({ serve: (req, res) => { if (spec.release === 4 && isHeld) { begun(); void gone.then(() => { echo(spec)(req, res); }); } else echo(spec)(req, res); } }),
    });
    await app.run('a');
    const next = await app.release('b');
    isHeld = true;
    const running = app.post('stages/dev/run', { release: next });
    await started;
    expect(cards(await open(app))[0]).toContain('dev running v2 since just now v4 starts');
    letGo();
    expect((await running).status).toBe(200);
    expect(cards(await open(app))[0]).not.toContain('starts');
  });
});

describe('the list of releases on their page', () => {
  it('has the newest first, with route, reason, author, commit, image, and what serves', async () => {
    await using app = await startStagedApp();
    const a = await app.run('a');
    await app.run('b');
    await app.post('stages/dev/rollback', { by: 'on-call' });
    const [newest, ...older] = rows(await open(app));
    const { image } = await app.read<{ image: string }>('releases/v5');
    expect(newest).toMatch(`v5 dev rollback to ${a.id} serves now ${short(a.commit)} a commit just now by on-call · image ${image.slice(7, 19)} Configuration`);
    expect(older.map((row) => row.split(' ')[0])).toEqual(['v4', 'v3', 'v2', 'v1']);
    expect(older.find((row) => row.startsWith('v4'))).not.toContain('serves now');
    expect((await list(app)).map(({ id }) => id)).toEqual(['v5', 'v4', 'v3', 'v2', 'v1']);
    expect(await list(app)).toEqual(await app.read('releases'));
  });

  it('says of what sleeps that it serves, and of what is stopped that it is current', async () => {
    const clock = createFakeClock();
    await using app = await startTestApp({ clock, settings: { 'idle.sleep': '10s', 'idle.stop': '60s' } });
    await app.get(app.commitHost(app.repository.head()), '/');
    await clock.advance(12_000);
    await eventually(async () => (await app.engine.list()).every(({ paused }) => paused), { what: 'it sleeps' });
    expect(rows(await open(app))[0]).toContain('serves now');
    await clock.advance(60_000);
    await eventually(async () => (await app.engine.list()).length === 0, { what: 'it is stopped' });
    const [stopped] = rows(await open(app));
    expect(stopped).toContain('current');
    expect(stopped).not.toContain('serves now');
  });

  it('X12: shows of a configuration the names of variables, and of secrets the name and the first digits of the digest', async () => {
    await using app = await startStagedApp({ change: (project) => ({ ...project, run: { ...project.run, processes: { worker: ['npm', 'run', 'work'] }, health: { test: { kind: 'http', method: 'GET', path: '/healthz', status: 200 }, everyMs: 1e9, timeoutMs: 1_000, unhealthyMs: 1e9 } } }) });
    await app.run('a');
    await app.post('config?stage=dev', { set: { API: 'https://api.dev', LONG: 'x'.repeat(5_000) }, secrets: { TOKEN: 's3cr3t-value' } });
    const { config } = await app.read<{ config: { secrets: { TOKEN: string } } }>('releases/v3');
    const page = await open(app);
    const [newest = ''] = rows(page);
    for (const words of ['API variable new', 'LONG variable new', `TOKEN secret, digest ${config.secrets.TOKEN.slice(0, 8)}… new`, 'Memory 512 MiB', 'Health GET /healthz 200', 'Process worker npm run work']) expect([words, newest.includes(words)]).toEqual([words, true]);
    expect([page.includes('s3cr3t'), page.includes(config.secrets.TOKEN), page.includes('x'.repeat(10)), page.includes('api.dev')]).toEqual([false, false, false, false]);
  });

  it('is found by route and by words, and keeps both from page to page', async () => {
    await using app = await startStagedApp();
    const { commit } = await app.run('a');
    await app.get('branch-main.localhost', '/');
    for (let n = 0; n < 52; n += 1) await app.post('config?stage=dev', { set: { N: `${n}` }, by: 'robot' });
    expect(rows(await open(app, '/releases?route=branch-main'))).toHaveLength(1);
    expect(await list(app, `?q=${commit.slice(0, 10)}&route=hash-${commit}`)).toMatchObject([{ id: 'v1' }]);
    expect((await list(app, '?route=nothing')).length + (await list(app, '?q=nothing-like-it')).length).toBe(0);
    const first = await open(app, '/releases?route=dev&q=robot');
    expect([rows(first).length, first.includes('Page 1 of 2'), first.includes('<option value="dev" selected>')]).toEqual([50, true, true]);
    expect(links(first)).toContain('/releases?route=dev&q=robot&page=2');
    expect(rows(await open(app, '/releases?route=dev&q=robot&page=2'))).toHaveLength(2);
    expect(wordsOf(await open(app, '/releases?q=nothing-like-it'))).toContain('No release is like that. Show all');
    const program = await app.control('/releases?route=dev');
    expect([program.headers['x-total-count'], program.headers.link]).toEqual(['53', '<?route=dev&page=2>; rel="next"']);
    for (const page of ['99', '0', 'x']) expect((await app.control(`/releases?page=${page}`)).status).toBe(200);
  }, 60_000);

  it('of several projects has all on the server host, with links to their own hosts, and of one on its own', async () => {
    await using two = await startTwoProjects({ configure: (config) => ({ ...config, projects: config.projects.map((project) => (project.name === 'shop' ? { ...project, stages: new Map([['dev', { env: {} }], ['live', { env: {} }]]) } : project)) }) });
    const { app, at } = two;
    const publish = await app.get('shop.localhost', '/api/projects/shop/publish', { method: 'POST', headers: { authorization: `Bearer ${app.token}` }, body: JSON.stringify({ branch: 'main' }) });
    expect(publish.status).toBe(200);
    await app.get('branch-main.blog.localhost', '/');
    const all = await open(app);
    expect(rows(all).map((row) => row.split(' ').slice(0, 3).join(' '))).toEqual(['v1 blog main', 'v1 shop dev']);
    for (const url of [at('shop.localhost', '/confirm?action=promote&stage=live'), at('dev.shop.localhost'), at('blog.localhost', '/previews/branch-main')]) expect(links(all)).toContain(url);
    expect([wordsOf(all).includes('Stages of shop'), wordsOf(all).includes('blog has no stages.')]).toEqual([true, true]);
    expect(rows(await open(app, '/releases?project=blog'))).toHaveLength(1);
    const one = await open(app, '/releases', 'shop.localhost');
    expect([rows(one).length, one.includes('blog'), links(one).includes('/confirm?action=promote&stage=live')]).toEqual([1, false, true]);
    expect((await app.control('/releases?project=nobody', { headers: NAVIGATION })).status).toBe(404);
  });

  it('A4: shows the words of strangers as text: who made it, variables, branches, and what is asked for', async () => {
    const [branch = ''] = BRANCHES;
    await using app: StagedApp = await startStagedApp({ prepare: (repository) => { repository.setRef(`refs/heads/${branch}`, repository.head()); } });
    await app.run('a');
    await app.get(`branch-${slugOf(branch as RefName)}.localhost`, '/');
    const by = ASKED.slice(0, 64);
    expect((await app.post('config?stage=dev', { set: { EVIL: ASKED }, by })).status).toBe(200);
    for (const path of ['/releases', '/', '/previews/dev', `/releases?route=${encodeURIComponent(ASKED)}`, `/releases?q=${encodeURIComponent(ASKED)}`, '/confirm?action=roll-back&route=dev', `/confirm?action=roll-back&route=${encodeURIComponent(ASKED)}`]) {
      checkAnswer(path, await app.control(path, { headers: NAVIGATION }));
    }
    const page = await open(app);
    const escaped = '&lt;img src=x onerror=alert(9)&gt;';
    expect([page.split(`by <bdi>${escaped}`).length, page.includes('<code>EVIL</code>'), page.includes('a&lt;script&gt;alert(1)&lt;/script&gt;')]).toEqual([3, true, true]);
  });
});
