import { parseEnvironmentName } from '../../src/domain/ids.js';
import { controlParameters, controlRoutes } from '../support/control-routes.js';
import { createTestRepository, type TestRepository } from '../support/git.js';
import { sampleProject } from '../support/sample-project.js';
import { echo, NAVIGATION, startTestApp, type TestApp } from '../support/test-app.js';
import { ASKED, AUTHOR, BRANCHES, checkAnswer, LINE, SUBJECT } from './escaped-samples.js';

let app: TestApp;
let blog: TestRepository;

function push(repository: TestRepository): void {
  for (const branch of BRANCHES) {
    const commit = repository.git('-c', `user.name=${AUTHOR}`, '-c', 'user.email=ada@example.com', 'commit-tree', '-m', `${SUBJECT} ${branch}`, 'main^{tree}');
    repository.setRef(`refs/heads/${branch}`, commit);
  }
}

beforeAll(async () => {
  blog = createTestRepository({ Dockerfile: 'FROM scratch\n', blog: 'yes' });
  push(blog);
  app = await startTestApp({
    prepare: push,
    builds: () => ({ lines: [LINE] }),
    program: (spec) => ({ lines: [LINE], serve: echo(spec) }),
    configure: (config) => ({
      ...config,
      projects: [
        ...config.projects.map((project) => ({ ...project, name: sampleProject('shop').name })),
        sampleProject('blog', { repository: blog.path, environments: new Map([[parseEnvironmentName('jet'), { env: { A: SUBJECT } }]]), stages: new Map([['dev', { env: {} }]]) }),
        sampleProject('gone', { repository: `${blog.path}/<img src=x onerror=alert(8)>` }),
      ],
    }),
  });
  for (const host of ['shop.localhost', 'blog.localhost']) for (const branch of BRANCHES.slice(0, 2)) await app.get(host, `/api/wait?branch=${encodeURIComponent(branch)}&timeout=20s`);
  app.log.error(LINE, { [SUBJECT]: SUBJECT });
}, 60_000);
afterAll(async () => {
  await app[Symbol.asyncDispose]();
  blog[Symbol.dispose]();
});

const GET = controlRoutes().filter(({ method, path }) => method === 'get' && !path.includes(':')).map(({ path }) => path);

describe('A4: with several projects', () => {
  it.each(['localhost', 'blog.localhost', 'gone.localhost'])('every page of %s shows the words of strangers as text', async (host) => {
    const asked = GET.flatMap((path) => [path, ...(path === '/api/wait' ? [] : controlParameters()).flatMap((name) => [ASKED, ...(name === 'branch' || name === 'q' ? BRANCHES.slice(0, 1) : [])].map((value) => `${path}?${name}=${encodeURIComponent(value)}`))]);
    for (let from = 0; from < asked.length; from += 50) {
      const some = asked.slice(from, from + 50);
      const answers = await Promise.all(some.map((path) => app.get(host, path, { headers: NAVIGATION })));
      for (const [index, answer] of answers.entries()) checkAnswer(`${host}${some[index] ?? ''}`, answer);
    }
  }, 90_000);

  it('the list of projects shows the words of their newest commits, and of git about a lost repository', async () => {
    const { text } = await app.get('localhost', '/', { headers: NAVIGATION });
    expect(text).toContain('&lt;/title&gt;&lt;/script&gt;');
    expect(text).toContain('&lt;img src=x onerror=alert(8)&gt;');
    const both = await app.get('localhost', `/?branch=${encodeURIComponent(BRANCHES[0] ?? '')}`, { headers: NAVIGATION });
    checkAnswer('in both', both);
    expect(both.status).toBe(409);
    const unknown = await app.get('localhost', `/?branch=${encodeURIComponent(`${BRANCHES[0] ?? ''}x`)}`, { headers: NAVIGATION });
    checkAnswer('in none', unknown);
    expect(unknown.text).toContain('a&lt;script&gt;alert(1)');
  });
});
