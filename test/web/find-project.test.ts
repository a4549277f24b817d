import { createServer, type Server } from 'node:net';
import type { Config } from '../../src/config.js';
import { parseEnvironmentName } from '../../src/domain/ids.js';
import { createTestRepository, type TestRepository } from '../support/git.js';
import { listen } from '../support/listen.js';
import { sampleProject } from '../support/sample-project.js';
import { NAVIGATION, startTestApp, type TestApp } from '../support/test-app.js';

const SALE = parseEnvironmentName('sale');

/** A remote that takes connections and says nothing. */
async function startSilent(): Promise<Awaited<ReturnType<typeof listen>> & { server: Server }> {
  const server = createServer();
  return { ...await listen(server), server };
}

describe('a commit or branch without its project', () => {
  let app: TestApp;
  let twin: TestRepository;
  let silent: Awaited<ReturnType<typeof startSilent>>;

  beforeAll(async () => {
    silent = await startSilent();
    twin = createTestRepository({ Dockerfile: 'FROM scratch\n', twin: '1' });
    app = await startTestApp({
      configure: (config: Config) => ({
        ...config,
        projects: [
          ...config.projects.map((project) => ({ ...project, name: sampleProject('shop').name, environments: new Map([[SALE, { env: {} }]]) })),
          sampleProject('twin', { repository: twin.path }), sampleProject('silent', { repository: `http://127.0.0.1:${silent.port}/x.git` }),
        ],
      }),
      prepare: (repository) => {
        repository.git('fetch', '-q', twin.path, 'main:of-both');
        repository.git('branch', 'only-shop');
        twin.git('branch', 'of-both');
      },
    });
  });
  afterAll(async () => { await app[Symbol.asyncDispose](); twin[Symbol.dispose](); await silent[Symbol.asyncDispose](); });

  it('is found at once while others ask for what nobody has and one remote is silent', async () => {
    const unknown = Array.from({ length: 20 }, (_, n) => app.get('localhost', `/?branch=nowhere-${n}`));
    const hashes = Array.from({ length: 20 }, (_, n) => app.get(`hash-${n.toString(16).padStart(40, 'd')}.localhost`, '/'));
    let answered = 0;
    for (const each of [...unknown, ...hashes]) each.then(() => { answered += 1; }, () => undefined);
    const known = await Promise.all([app.get('localhost', '/?branch=only-shop'), app.get('localhost', `/?hash=${app.repository.head('only-shop')}`), app.get('branch-only-shop.localhost', '/')]);
    expect(known.map(({ status }) => status)).toEqual([302, 302, 302]);
    expect(answered).toBe(0);
    // Nobody waits for the silent one for ever, and what it has stays unknown.
    for (const { status, text } of await Promise.all([...unknown, ...hashes])) {
      expect(status).toBe(503);
      expect(JSON.parse(text)).toMatchObject({ error: 'git_unreachable' });
    }
  }, 60_000);

  it('is told apart by the environment that only one project has', async () => {
    const commit = twin.head('of-both');
    expect((await app.get(`sale-hash-${commit}.localhost`, '/p')).headers.location).toBe(`http://sale-hash-${commit}.shop.localhost:${app.port}/p`);
    expect((await app.get('localhost', `/p?hash=${commit}&env=sale`)).headers.location).toBe(`http://sale-hash-${commit}.shop.localhost:${app.port}/p`);
  });

  it('is asked about by `/status` and the API as well', async () => {
    expect((await app.get('localhost', '/status?branch=only-shop')).text).toBe('NotBuilt');
    expect((await app.get('localhost', '/api/status?branch=only-shop')).json()).toMatchObject({ project: 'shop', status: 'unknown' });
    expect((await app.get('localhost', '/api/wait?branch=only-shop&timeout=20s')).json()).toMatchObject({ project: 'shop', status: 'running' });
    const both = await app.get('localhost', '/api/status?branch=of-both');
    expect([both.status, both.json()]).toEqual([409, expect.objectContaining({ error: 'ambiguous_project', projects: ['shop', 'twin'] })]);
    expect((await app.get('localhost', '/api/status?branch=of-both&project=twin')).json()).toMatchObject({ project: 'twin' });
  });

  it('leads a person to each project that has it, path and query kept', async () => {
    const commit = twin.head('of-both');
    const page = await app.get(`hash-${commit}.localhost`, '/p?y=1', { headers: NAVIGATION });
    expect(page.status).toBe(409);
    for (const name of ['shop', 'twin']) expect(page.text).toContain(`href="http://hash-${commit}.${name}.localhost:${app.port}/p?y=1"`);
  });

  it('keeps method and body on the way to the project', async () => {
    const commit = app.repository.head('only-shop');
    for (const [method, status] of [['GET', 302], ['HEAD', 302], ['POST', 307], ['DELETE', 307]] as const) {
      expect([method, (await app.get(`hash-${commit}.localhost`, '/form', { method })).status]).toEqual([method, status]);
    }
  });
});
