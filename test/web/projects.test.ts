import { join } from 'node:path';
import type { Config } from '../../src/config.js';
import { parseEnvironmentName } from '../../src/domain/ids.js';
import type { Project } from '../../src/domain/project.js';
import { createTestRepository, type TestRepository } from '../support/git.js';
import { sampleProject } from '../support/sample-project.js';
import { NAVIGATION, startTestApp, TOKEN, type TestApp } from '../support/test-app.js';

const JETPACK = parseEnvironmentName('a8c-for-agencies');

let app: TestApp;
let blogRepository: TestRepository;
/** Commits that only one project has, and one that both have. */
const commits = { shop: '', blog: '', both: '' };

const withBlog = (config: Config): Config => {
  const [shop] = config.projects;
  if (!shop) throw new Error('no project');
  const named: Project = { ...shop, name: sampleProject('shop').name };
  return { ...config, projects: [named, sampleProject('blog', { repository: blogRepository.path, environments: new Map([[JETPACK, { env: { NODE_ENV: 'agencies' } }]]) })] };
};

beforeAll(async () => {
  blogRepository = createTestRepository({ Dockerfile: 'FROM scratch\n', blog: 'yes' });
  app = await startTestApp({
    configure: withBlog,
    prepare: (shop) => {
      commits.shop = shop.head();
      commits.blog = blogRepository.head();
      shop.git('fetch', '-q', blogRepository.path, 'main:of-both');
      blogRepository.git('branch', 'of-both');
      commits.both = commits.blog;
      commits.blog = blogRepository.commit({ blog: 'more' });
      blogRepository.git('branch', 'posts');
    },
  });
});
afterAll(async () => { await app[Symbol.asyncDispose](); blogRepository[Symbol.dispose](); });

const locationOf = async (host: string, path: string) => {
  const { status, headers, text } = await app.get(host, path, { headers: NAVIGATION });
  return status === 302 ? headers.location : `${status} ${/<code>(\w+)<\/code>/.exec(text)?.[1] ?? ''}`;
};
const at = (host: string, path = '/') => `http://${host}:${app.port}${path}`;

describe('several projects', () => {
  it('are listed on the server host, for people and for programs', async () => {
    const page = await app.get('localhost', '/', { headers: NAVIGATION });
    expect(page.status).toBe(200);
    for (const name of ['shop', 'blog']) expect(page.text).toContain(`href="${at(`${name}.localhost`)}"`);
    expect((await app.get('localhost', '/')).json()).toEqual([
      { name: 'shop', url: at('shop.localhost'), branches: 2, running: 0 }, { name: 'blog', url: at('blog.localhost'), branches: 3, running: 0 },
    ]);
    const found = await app.get('localhost', '/?q=blo', { headers: NAVIGATION });
    expect([found.text.includes(at('blog.localhost')), found.text.includes(at('shop.localhost'))]).toEqual([true, false]);
  });

  it('are each served on their own host', async () => {
    for (const [name, commit] of [['shop', commits.shop], ['blog', commits.blog]] as const) {
      expect((await app.get(`${name}.localhost`, '/', { headers: NAVIGATION })).text).toContain(`<h1>${name}</h1>`);
      expect(await locationOf(`${name}.localhost`, '/p?branch=main&y=1')).toBe(at(`hash-${commit}.${name}.localhost`, '/p?y=1'));
      const opened = (await app.get(`${name}.localhost`, `/api/wait?branch=main&timeout=20s`)).json();
      expect(opened).toMatchObject({ project: name, commit, status: 'running', url: at(`hash-${commit}.${name}.localhost`) });
      const { env } = (await app.get(`hash-${commit}.${name}.localhost`, '/')).json() as { env: Record<string, string> };
      expect(env).toMatchObject({ SLIPWAY_COMMIT: commit, SLIPWAY_URL: at(`hash-${commit}.${name}.localhost`, '') });
    }
  });

  it('share no preview: the same commit is an instance of each', async () => {
    for (const name of ['shop', 'blog']) expect((await app.get(`${name}.localhost`, `/api/wait?branch=of-both&timeout=20s`)).json()).toMatchObject({ project: name, status: 'running' });
    const containers = (await app.engine.list()).filter(({ commit }) => commit === commits.both);
    expect(containers.map(({ project }) => project).sort()).toEqual(['blog', 'shop']);
  });

  it('D1: an environment with hyphens is opened by its name, and only where it is configured', async () => {
    expect(await locationOf('blog.localhost', '/?branch=main&env=a8c-for-agencies')).toBe(at(`a8c-for-agencies-hash-${commits.blog}.blog.localhost`));
    const { env } = (await app.get(`a8c-for-agencies-hash-${commits.blog}.blog.localhost`, '/')).json() as { env: Record<string, string> };
    expect(env).toMatchObject({ NODE_ENV: 'agencies', SLIPWAY_ENV: 'a8c-for-agencies' });
    expect(await locationOf('shop.localhost', '/?branch=main&env=a8c-for-agencies')).toBe('404 unknown_environment');
  });

  it('have one host below the server host, which leads to the one that has the commit or branch', async () => {
    expect(await locationOf(`hash-${commits.blog}.localhost`, '/a%2Fb//c?x=1&x=2')).toBe(at(`hash-${commits.blog}.blog.localhost`, '/a%2Fb//c?x=1&x=2'));
    expect(await locationOf(`hash-${commits.shop.slice(0, 12)}.localhost`, '/')).toBe(at(`hash-${commits.shop.slice(0, 12)}.shop.localhost`));
    expect(await locationOf('branch-posts.localhost', '/')).toBe(at('branch-posts.blog.localhost'));
    expect(await locationOf(`hash-${commits.both}.localhost`, '/')).toMatch(/^409 /);
    expect((await app.get(`hash-${'0'.repeat(40)}.localhost`, '/')).status).toBe(404);
    expect((await app.get('nothing.localhost', '/')).status).toBe(421);
  });

  it('are found by `?branch=` and `?hash=` on the server host; what several have must be told', async () => {
    expect(await locationOf('localhost', '/p?branch=posts&y=1')).toBe(at(`hash-${commits.blog}.blog.localhost`, '/p?y=1'));
    expect(await locationOf('localhost', `/?hash=${commits.shop}`)).toBe(at(`hash-${commits.shop}.shop.localhost`));
    expect(await locationOf('localhost', '/p?branch=main&project=blog&y=1')).toBe(at(`hash-${commits.blog}.blog.localhost`, '/p?y=1'));
    const both = await app.get('localhost', '/p?branch=main&y=1', { headers: NAVIGATION });
    expect(both.status).toBe(409);
    for (const name of ['shop', 'blog']) expect(both.text).toContain(`href="${at(`${name}.localhost`, '/p?branch=main&amp;y=1')}"`);
    expect(await locationOf('localhost', '/?branch=nowhere')).toBe('404 unknown_ref');
    expect(await locationOf('localhost', '/?branch=main&project=other')).toBe('404 unknown_project');
  });

  it('answer the API on the server host by name', async () => {
    expect((await app.get('localhost', '/api/status?branch=main&project=blog')).json()).toMatchObject({ project: 'blog', commit: commits.blog });
    const unnamed = await app.get('localhost', '/api/status?branch=main');
    expect([unnamed.status, unnamed.json()]).toEqual([409, expect.objectContaining({ error: 'ambiguous_project', projects: ['shop', 'blog'] })]);
    expect((await app.get('shop.localhost', '/api/status?branch=main&project=blog')).status).toBe(404);
    const all = JSON.parse((await app.get('localhost', '/api/builds')).text) as { id: string; project: string }[];
    expect(new Set(all.map(({ project }) => project))).toEqual(new Set(['shop', 'blog']));
    const [build] = all.filter(({ project }) => project === 'blog');
    expect((await app.get('localhost', `/api/builds/${build?.id ?? ''}`)).json()).toMatchObject({ project: 'blog' });
    expect((await app.get('shop.localhost', `/api/builds/${build?.id ?? ''}`)).status).toBe(404);
    expect(await locationOf('localhost', `/builds/${build?.id ?? ''}`)).toBe(at('blog.localhost', `/builds/${build?.id ?? ''}`));
    expect(await locationOf('localhost', `/previews/branch-posts?project=blog`)).toBe(at('blog.localhost', '/previews/branch-posts'));
    expect(JSON.parse((await app.get('blog.localhost', '/api/builds')).text) as unknown[]).toHaveLength(all.filter(({ project }) => project === 'blog').length);
  });

  it('on a project’s host `project` belongs to the application', async () => {
    expect(await locationOf('shop.localhost', '/?branch=main&project=5')).toBe(at(`hash-${commits.shop}.shop.localhost`, '/?project=5'));
  });

  it('D10: are reset by name on the server host, too', async () => {
    const answer = await app.get('localhost', '/?branch=posts&reset=1', { headers: { authorization: `Bearer ${TOKEN}` } });
    expect([answer.status, answer.json()]).toEqual([202, { build: expect.objectContaining({ project: 'blog', noCache: true }) as unknown }]);
    expect((await app.get('localhost', '/?branch=posts&reset=1', { headers: NAVIGATION })).headers.location).toBe(at('blog.localhost', `/confirm?action=reset&hash=${commits.blog}`));
  });

  it('have pages for an unknown path and for errors on the server host', async () => {
    const nothing = await app.get('localhost', '/nowhere', { headers: NAVIGATION });
    expect([nothing.status, nothing.text.includes('All projects')]).toEqual([404, true]);
    for (const path of ['/log', '/healthz', '/readyz']) expect([path, (await app.get('localhost', path)).status]).toEqual([path, 200]);
  });
});

it('several projects keep their mirrors apart, whatever their repositories are called', async () => {
  expect(app.stateDir).not.toBe('');
  const { readdir } = await import('node:fs/promises');
  expect((await readdir(join(app.stateDir, 'mirrors'))).filter((name) => name.endsWith('.git')).sort()).toEqual(['blog.git', 'shop.git']);
});
