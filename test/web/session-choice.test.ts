import { createSessionBrowser, urlsIn } from '../support/session-browser.js';
import { APP, startImageApp } from '../support/image-app.js';
import { NAVIGATION, startTestApp, type TestApp } from '../support/test-app.js';
import { startTwoProjects } from './several-projects.js';

/** How an application's own scripts and pages ask for more. */
const FROM_PAGES = [
  ['fetch', { 'accept': 'application/json', 'sec-fetch-mode': 'cors' }], ['an image', { 'accept': 'image/webp,*/*', 'sec-fetch-mode': 'no-cors' }],
  ['a program', { accept: '*/*' }],
] as const;
/** What the control plane answers below the prefix, and applications may have as well. */
const SHARED_PATHS = ['/', '/status', '/healthz', '/readyz', '/log', '/debug', '/localimages', '/confirm', '/assets/slipway.css', '/api/status', '/api/builds', '/actions/reset', '/previews/x', '/events'];

describe('D3: with a preview chosen by session', () => {
  let app: TestApp;
  let second: string;
  const main = () => app.repository.head('main');
  beforeAll(async () => {
    app = await startTestApp({ settings: { routing: 'session' }, prepare: (repository) => { second = repository.commit({ second: 'yes' }, { branch: '2' }); } });
  });
  afterAll(async () => { await app[Symbol.asyncDispose](); });
  const choose = async () => {
    const browser = createSessionBrowser(app);
    await browser.open('/?branch=main');
    return browser;
  };

  it('an application has its own names of parameters', async () => {
    const browser = await choose();
    for (const path of [
      '/?p=1&preview=true', '/?preview=hash-abcd', '/resize?image=cat.png', '/?image=registry.example.com/app:1&env=x', '/x?action=restart&preview=a', '/go?to=/?branch=2', '/go?to=a?hash=2',
      '/x?branches=2', '/x?mybranch=2&xhash=1', '/x?branch', '/x?__slipways=1',
    ]) expect([path, (await browser.go(path)).json()]).toEqual([path, expect.objectContaining({ url: path, commit: main() })]);
  });

  it.each(FROM_PAGES)('%s of the chosen application reaches it, whatever its parameters', async (_who, headers) => {
    const browser = await choose();
    for (const path of SHARED_PATHS) {
      for (const url of [`${path}?branch=2`, `${path}?hash=abc`, `${path}?x=1&branch=nowhere&hash=zzz`, `${path}?image=cat.png`]) {
        expect([url, (await browser.go(url, headers)).json()]).toEqual([url, expect.objectContaining({ url, commit: main() })]);
      }
    }
  });

  it('a HEAD of the chosen application reaches it too', async () => {
    const browser = await choose();
    const answer = await app.get('localhost', '/x?branch=2', { method: 'HEAD', headers: { cookie: browser.cookie() } });
    expect([answer.status, answer.headers['x-slipway-commit']]).toEqual([200, main()]);
  });

  it('a person who goes to a branch or commit on any path chooses it', async () => {
    for (const path of SHARED_PATHS) {
      for (const query of ['branch=2', `hash=${second.slice(0, 12)}`]) {
        const browser = await choose();
        expect([path, query, (await browser.open(`${path}?a=%2f&${query}&project=mine`)).json()]).toEqual([path, query, expect.objectContaining({ url: `${path}?a=%2f&project=mine`, commit: second })]);
        expect((await browser.go('/about')).json()).toMatchObject({ commit: second });
      }
    }
  });

  it('a browser that goes there ahead of its person goes the same way', async () => {
    const browser = await choose();
    const ahead = await browser.go('/?branch=2', { ...NAVIGATION, 'sec-purpose': 'prefetch;prerender' });
    expect([ahead.status, ahead.headers.location]).toEqual([302, `http://localhost:${app.port}/?__slipway=hash-${second}`]);
  });

  it('whoever has chosen nothing chooses, programs included', async () => {
    for (const [, headers] of FROM_PAGES) {
      for (const path of SHARED_PATHS) {
        const answer = await createSessionBrowser(app).go(`${path}?branch=2&x=1`, headers);
        expect([path, answer.status, answer.headers.location]).toEqual([path, 302, `http://localhost:${app.port}${path}?x=1&__slipway=hash-${second}`]);
      }
      expect((await createSessionBrowser(app).open('/about?branch=2', headers)).json()).toMatchObject({ url: '/about', commit: second });
    }
  });

  it('any program may choose by name, and choose anew', async () => {
    const browser = await choose();
    for (const [, headers] of FROM_PAGES) {
      expect((await browser.open('/healthz?__slipway=branch-2', headers)).json()).toMatchObject({ url: '/healthz', commit: second });
      expect((await browser.open('/api/x?project=mine&__slipway=branch-main', headers)).json()).toMatchObject({ url: '/api/x?project=mine', commit: main() });
    }
  });

  it('what cannot be chosen is refused, never answered by a page of ours', async () => {
    for (const browser of [await choose(), createSessionBrowser(app)]) {
      for (const path of SHARED_PATHS) {
        for (const [query, status] of [['branch=nowhere', 404], ['hash=zz', 400], ['branch=a&branch=b', 400], ['__slipway=nonsense', 404]] as const) {
          expect([path, query, (await browser.go(`${path}?${query}`)).status]).toEqual([path, query, status]);
        }
      }
    }
  });

  it('links to the nearest names stay below the prefix', async () => {
    const { text } = await (await choose()).go('/x?branch=man');
    expect(urlsIn(text)).toContain('/__slipway/?branch=main');
    expect(urlsIn(text).filter((url) => !url.startsWith('/__slipway/'))).toEqual([]);
  });
});

describe('D3, D13: images with routing by session', () => {
  it('are chosen by a person wherever the project lets images run, and not by the application itself', async () => {
    await using app = await startImageApp({ settings: { routing: 'session' } });
    const browser = createSessionBrowser(app);
    await browser.open('/?branch=main');
    expect((await browser.go('/resize?image=cat.png', { accept: 'image/*' })).json()).toMatchObject({ url: '/resize?image=cat.png', commit: app.repository.head('main') });
    expect((await browser.go('/resize?image=cat.png')).status).toBe(400);
    expect((await browser.open(`/status?image=${APP}`)).json()).toMatchObject({ url: '/status', commit: null });
    expect((await browser.go('/about')).json()).toMatchObject({ url: '/about', commit: null });
  });
});

describe('D3: with several projects by session', () => {
  it('links to other projects lead where this page is: below the prefix, or to the choice', async () => {
    await using two = await startTwoProjects({ settings: { routing: 'session' } });
    for (const path of ['/__slipway/?branch=main', '/a?branch=main']) {
      const { status, text } = await two.app.get('localhost', path, { headers: NAVIGATION });
      expect([path, status]).toEqual([path, 409]);
      expect(urlsIn(text)).toEqual(expect.arrayContaining([two.at('shop.localhost', path), two.at('blog.localhost', path)]));
    }
  });
});
