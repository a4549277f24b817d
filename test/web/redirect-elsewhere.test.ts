import { createFakeClock } from '../support/fake-clock.js';
import { createTestFolder, createTestRepository, type TestRepository } from '../support/git.js';
import { recordGit, type GitRecorder } from '../support/git-recorder.js';
import { sampleProject } from '../support/sample-project.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { headOf, HOST_LIKE, lineOf, READINGS, statusOf } from './redirect-samples.js';

const PATHS = HOST_LIKE.filter((path) => path.startsWith('/'));
const EXACT = ['/a%2Fb//c?x=1&x=2&y=a+b', '/%', '/%E0%A4%A?x=%ff', '/a|b^c`d{e}"f<g>?x=|"<>', '/?x&&y=&=z', '/A/../b/./c', '/?x=\'"'];
const withQuery = (path: string, query: string) => `${path}${path.includes('?') ? '&' : '?'}${query}`;

function expectHost(location: string | undefined, authority: string): void {
  for (const read of READINGS) expect([location, read(location ?? '')]).toEqual([location, authority]);
}

describe('with several projects', () => {
  const folder = createTestFolder();
  let app: TestApp;
  let blog: TestRepository;
  let recorder: GitRecorder;
  beforeAll(async () => {
    recorder = recordGit(folder.path);
    blog = createTestRepository({ Dockerfile: 'FROM scratch\n', blog: 'yes' });
    blog.git('branch', 'posts');
    // A clock that stands: nothing but a request can be the cause of a git.
    app = await startTestApp({
      clock: createFakeClock(),
      prepare: (repository) => { repository.git('branch', 'carts'); repository.commit({ more: 'x' }); },
      configure: (config) => ({
        ...config, surroundings: { ...config.surroundings, path: recorder.path },
        projects: [
          ...config.projects.map((project) => ({ ...project, name: sampleProject('shop').name, images: { registries: ['registry.example.com'], labels: {} } })),
          sampleProject('blog', { repository: blog.path, host: 'blog.example.com' }),
        ],
      }),
    });
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    blog[Symbol.dispose]();
    folder[Symbol.dispose]();
  });
  const previews = () => [
    ['localhost', 'branch=posts', `hash-${blog.head()}.blog.example.com`], ['localhost', `hash=${app.repository.head('main')}`, `hash-${app.repository.head('main')}.shop.localhost`], ['localhost', 'project=shop&branch=main', `hash-${app.repository.head('main')}.shop.localhost`],
    ['shop.localhost', 'branch=main', `hash-${app.repository.head('main')}.shop.localhost`], ['blog.example.com', 'branch=main', `hash-${blog.head()}.blog.example.com`],
  ] as const;

  it('A13: from the server’s host and from each project’s, a path that looks like a host stays a path on the preview’s', async () => {
    for (const [host, query, preview] of previews()) {
      for (const path of PATHS) {
        const head = await headOf({ port: app.port, host, target: withQuery(path, query) });
        expect([host, path, statusOf(head), lineOf(head, 'location')]).toEqual([host, path, 302, `http://${preview}:${app.port}${path}`]);
        expectHost(lineOf(head, 'location'), `${preview}:${app.port}`);
      }
    }
  });

  it('A19: what is not ours goes on byte by byte, and the name of a project is ours only on the server’s host', async () => {
    for (const [host, query, preview] of previews()) {
      for (const path of EXACT) expect(lineOf(await headOf({ port: app.port, host, target: withQuery(path, query) }), 'location')).toBe(`http://${preview}:${app.port}${path}`);
    }
    expect(lineOf(await headOf({ port: app.port, host: 'blog.example.com', target: '/p?project=mine&branch=main' }), 'location')).toBe(`http://hash-${blog.head()}.blog.example.com:${app.port}/p?project=mine`);
  });

  it('A13, A19: an image is led to like a commit', async () => {
    const [label] = new URL(lineOf(await headOf({ port: app.port, host: 'localhost', target: '/?image=registry.example.com/app:1' }), 'location') ?? '').hostname.split('.');
    expect(label).toMatch(/^container-[a-z0-9-]+$/);
    for (const host of ['localhost', 'shop.localhost']) {
      for (const path of [...PATHS, ...EXACT]) {
        const head = await headOf({ port: app.port, host, target: withQuery(path, 'image=registry.example.com/app:1') });
        expect([host, path, statusOf(head), lineOf(head, 'location')]).toEqual([host, path, 302, `http://${label ?? ''}.shop.localhost:${app.port}${path}`]);
        expectHost(lineOf(head, 'location'), `${label ?? ''}.shop.localhost:${app.port}`);
      }
    }
  });

  it('A1, A7, A11: the server’s host refuses what is no name before any project is asked', async () => {
    const before = recorder.calls().length;
    expect(before).toBeGreaterThan(0);
    for (const query of ['branch=a..b', 'branch=', 'branch=a%5cb', 'branch=@%7b-1%7d', 'branch[]=main', 'hash=zzz', 'hash=', 'hash[a]=abcd', 'hash=x@evil.com/', 'hash=abcd%5c', 'image=', 'image=x%20y', 'branch=main%0d%0aSet-Cookie:%20a=b']) {
      const head = await headOf({ port: app.port, host: 'localhost', target: `/?${query}` });
      expect([query, statusOf(head), lineOf(head, 'location'), lineOf(head, 'set-cookie')]).toEqual([query, 400, undefined, undefined]);
    }
    expect(recorder.calls()).toHaveLength(before);
  });

  it('A12, A15: a preview’s host below the server’s leads to the project that has it, and nowhere else', async () => {
    const home = `hash-${blog.head()}.blog.example.com:${app.port}`;
    for (const path of PATHS) {
      const head = await headOf({ port: app.port, host: `hash-${blog.head().toUpperCase()}.LOCALHOST`, target: path });
      expect([path, statusOf(head), lineOf(head, 'location'), lineOf(head, 'set-cookie')]).toEqual([path, 302, `http://${home}${path}`, undefined]);
      expectHost(lineOf(head, 'location'), home);
    }
    for (const host of [`hash-${blog.head()}.example.com`, `x.hash-${blog.head()}.localhost`, `hash-${blog.head()}.localhost.evil.com`, 'evil.com', 'blog.example.com.evil.com', 'evilblog.example.com', 'example.com', 'nothing.localhost', 'shop.example.com', 'blog.localhost.example.com']) {
      const head = await headOf({ port: app.port, host, target: '/?branch=main' });
      expect([host, statusOf(head), lineOf(head, 'location'), lineOf(head, 'set-cookie')]).toEqual([host, 421, undefined, undefined]);
    }
    expect(app.engine.calls.build).toBe(0);
  });
});

describe('with routing by session', () => {
  let app: TestApp;
  beforeAll(async () => { app = await startTestApp({ settings: { routing: 'session' } }); });
  afterAll(async () => { await app[Symbol.asyncDispose](); });

  it('A13, A19: the choice of a branch, and what it leads to, stay on the host, with path and parameters byte by byte', async () => {
    const authority = `localhost:${app.port}`;
    const label = `hash-${app.repository.head()}`;
    for (const path of [...PATHS, ...EXACT]) {
      const chosen = await headOf({ port: app.port, host: 'localhost', target: withQuery(path, 'branch=main') });
      expect([path, statusOf(chosen), lineOf(chosen, 'location')]).toEqual([path, 302, `http://${authority}${withQuery(path, `__slipway=${label}`)}`]);
      expectHost(lineOf(chosen, 'location'), authority);
      const there = await headOf({ port: app.port, host: 'localhost', target: withQuery(path, `__slipway=${label}`) });
      expect([path, statusOf(there), lineOf(there, 'location')]).toEqual([path, 302, `http://${authority}${path}`]);
      expectHost(lineOf(there, 'location'), authority);
    }
  });

  it('A14: nothing that is chosen makes a header', async () => {
    for (const text of ['hash-x%0d%0aX-Injected:%20y', '%0d%0aX-Injected:%20y', 'branch-main%0aX-Injected:%20y']) {
      const head = await headOf({ port: app.port, host: 'localhost', target: `/?__slipway=${text}` });
      expect([text, statusOf(head) >= 400, lineOf(head, 'x-injected'), lineOf(head, 'location')]).toEqual([text, true, undefined, undefined]);
    }
  });
});
