import { NAVIGATION, startTestApp, type TestApp, type TestRequest } from '../support/test-app.js';
import { startTwoProjects, type TwoProjects } from './several-projects.js';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const POST = (app: TestApp, body: string | Buffer | object = '', headers: Record<string, string> = {}): TestRequest => ({
  method: 'POST', headers: { ...bearer(app.token), ...headers }, body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
});

describe('POST /repo/update', () => {
  let app: TestApp;
  const paths = () => ['/repo/update', `/api/projects/repository/update`];
  beforeAll(async () => { app = await startTestApp(); });
  afterAll(async () => { await app[Symbol.asyncDispose](); });

  it('P10: answers 202 with a build and 200 without, from where to where', async () => {
    const before = app.repository.head();
    const tips = [before];
    for (const path of paths()) {
      tips.push(app.repository.commit({ [`of${path.replaceAll('/', '-')}`]: '' }, { branch: 'main', message: `For ${path}\n\nand more`, author: 'Grace' }));
      const first = await app.control(path, POST(app, { branch: 'main' }));
      expect([path, first.status, first.headers['content-type'], first.headers['cache-control']]).toEqual([path, 202, 'application/json; charset=utf-8', 'no-store']);
      expect(first.json()).toEqual({
        from: expect.objectContaining({ branch: 'main', hash: tips.at(-2) }) as object, to: { branch: 'main', hash: tips.at(-1), author: 'Grace', message: `For ${path}` },
        build: { id: expect.stringMatching(/^b_/) as string, status: expect.any(String) as string },
      });
      const again = await app.control(path, POST(app, { branch: 'main' }));
      expect([again.status, again.json()]).toEqual([200, { from: first.json().to, to: first.json().to, build: null }]);
    }
  });

  it('P10: 401 without the token or with a wrong one, before anything is read or fetched', async () => {
    const known = (await app.control('/api/status?branch=main')).json().commit;
    expect(app.repository.commit({ more: 'x' }, { branch: 'main' })).not.toBe(known);
    for (const path of [...paths(), '/api/projects/nobody/update']) {
      for (const headers of [{}, bearer('wrong'), bearer(''), bearer(`${app.token}x`), { authorization: app.token }, { authorization: `Basic ${Buffer.from(`x:${app.token}`).toString('base64')}` }, { cookie: `token=${app.token}` }]) {
        for (const body of ['{}', '{', JSON.stringify({ token: app.token })]) {
          const answer = await app.control(path, { method: 'POST', headers: headers, body });
          expect([path, headers, body, answer.status, answer.json().error]).toEqual([path, headers, body, 401, 'missing_token']);
        }
      }
      expect((await app.control(`${path}?token=${app.token}`, { method: 'POST', body: '{}' })).status).toBe(401);
    }
    const form = await app.control('/repo/update', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded', 'origin': `http://localhost:${app.port}`, ...NAVIGATION }, body: `token=${app.token}` });
    expect(form.status).toBe(401);
    expect((await app.control('/api/status?branch=main')).json().commit).toBe(known);
  });

  it('takes no body at all, an empty one and one of any type', async () => {
    for (const path of paths()) {
      for (const request of [POST(app), POST(app, '{}'), POST(app, '{}', { 'content-type': 'application/x-www-form-urlencoded' }), POST(app, '{"ref":"main"}', { 'content-type': 'application/json' }), { method: 'POST', headers: bearer(app.token) }]) {
        expect((await app.control(path, request)).json()).toMatchObject({ to: { branch: 'main' } });
      }
    }
  });

  it.each<[string | Buffer, string]>([
    ['{"invalidate":"yes"}', '“invalidate” must be true or false.'], ['{"ref":1}', '“ref” must be a text.'], ['{"commit":null}', '“commit” must be a text.'], ['{"branch":["main"]}', '“branch” must be a text.'], ['{"project":{}}', '“project” must be a text.'],
    ['{"inval":true}', 'Unknown: “inval”.'], ['{"a":1,"ref":2,"b":3}', '“ref” must be a text. Unknown: “a”, “b”.'], ['{"by":""}', '“by” must have 1 to 64 printable characters, not only blanks.'], ['{"by":"a\\nb"}', '“by” must have 1 to 64 printable characters, not only blanks.'], [`{"by":"${'x'.repeat(65)}"}`, '“by” must have 1 to 64 printable characters, not only blanks.'],
    ['{"ref":"main","branch":"main"}', 'Give ref or branch, not both.'], ['[]', 'The body must be a JSON object.'], ['{', 'The body is not JSON.'], ['"main"', 'The body is not JSON.'], ['ref=main', 'The body is not JSON.'], ['{"ref":"main"}x', 'The body is not JSON.'], [Buffer.from([0xff, 0xfe, 0]), 'The body is not JSON.'],
    [`{"${'k'.repeat(500)}":1,"b":1,"c":1,"d":1,"e":1,"f":1}`, `Unknown: “${'k'.repeat(40)}”, “b”, “c”, “d”, “e” and more.`], ['{"__proto__":{"ref":"main"}}', '“__proto__” cannot be a name.'],
  ])('400 for %s: %s', async (body, sentence) => {
    const answer = await app.control('/repo/update', POST(app, body));
    expect([answer.status, answer.json().error]).toEqual([400, 'invalid_request']);
    expect(String(answer.json().message).startsWith(`${sentence} Correct the request`)).toBe(true);
  });

  it('400 for a project beside the one in the path, 413 beyond 64 kB', async () => {
    expect((await app.control('/api/projects/repository/update', POST(app, { project: 'repository' }))).json()).toMatchObject({ error: 'invalid_request', message: expect.stringContaining('“project”') as string });
    for (const path of paths()) {
      const answer = await app.control(path, POST(app, { ref: 'x'.repeat(70_000) }));
      expect([answer.status, answer.json().error]).toEqual([413, 'too_large']);
    }
  });

  it('is no page and no preview, whatever is asked of it', async () => {
    for (const path of paths()) {
      for (const query of ['', '?branch=main', `?hash=${app.repository.head()}`, '?branch=main&reset=1', '?image=registry.example.com/app:1']) {
        for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH']) {
          const answer = await app.control(`${path}${query}`, { method, headers: bearer(app.token) });
          expect([method, path, query, answer.status, answer.headers.allow, answer.headers.location]).toEqual([method, path, query, 405, 'POST', undefined]);
        }
      }
    }
    const started = app.engine.calls.build;
    expect((await app.control('/repo/update?branch=main&reset=1', POST(app, { ref: 'main' }))).json()).toMatchObject({ build: null });
    expect(app.engine.calls.build).toBe(started);
    expect((await app.control('/repo/updates?branch=main')).status).toBe(302);
  });

  it('is reached by an address too, as the API is, and belongs to the application on a preview’s host', async () => {
    for (const host of ['127.0.0.1', '[::1]']) for (const path of paths()) expect([host, path, (await app.get(host, path, POST(app))).status]).toEqual([host, path, 200]);
    expect((await app.get('127.0.0.1', '/repo/other', POST(app))).status).toBe(421);
    expect((await app.get('evil.com', '/repo/update', POST(app))).status).toBe(421);
    expect((await app.get(app.commitHost(app.repository.head()), '/repo/update', POST(app))).json()).toMatchObject({ method: 'POST', url: '/repo/update' });
  });
});

describe('P10: POST /repo/update with several projects', () => {
  let two: TwoProjects;
  beforeAll(async () => { two = await startTwoProjects(); });
  afterAll(async () => { await two[Symbol.asyncDispose](); });
  const toOf = async (host: string, path: string, body: object) => (await two.app.get(host, path, POST(two.app, body))).json();

  it('finds the project by its name in the body, in the URL or by its host', async () => {
    const { app, blog } = two;
    for (const [host, path, body] of [['localhost', '/repo/update', { project: 'blog' }], ['localhost', '/repo/update?project=blog', {}], ['blog.localhost', '/repo/update', {}], ['blog.localhost', '/repo/update', { project: 'blog' }], ['localhost', '/api/projects/blog/update', {}], ['blog.localhost', '/api/projects/blog/update', {}]] as const) {
      expect([host, path, body, await toOf(host, path, body)]).toEqual([host, path, body, expect.objectContaining({ to: expect.objectContaining({ hash: blog.head() }) as object })]);
    }
    expect(await toOf('shop.localhost', '/repo/update', {})).toMatchObject({ to: { hash: app.repository.head() } });
  });

  it('404 unknown_project with the nearest names else', async () => {
    for (const [host, path, body, projects] of [['localhost', '/repo/update', {}, ['shop', 'blog']], ['localhost', '/repo/update', { project: 'blogs' }, ['blog']], ['localhost', '/api/projects/shp/update', {}, ['shop']], ['shop.localhost', '/repo/update', { project: 'blog' }, ['shop']], ['shop.localhost', '/api/projects/blog/update', {}, ['shop']], ['shop.localhost', '/api/projects/somebody-elses/update', {}, []]] as const) {
      const answer = await two.app.get(host, path, POST(two.app, body));
      expect([host, path, answer.status, answer.json().error, answer.json().projects]).toEqual([host, path, 404, 'unknown_project', projects]);
    }
  });
});

it('P10: with routing by session it is below the prefix, and the application has the rest', async () => {
  await using app = await startTestApp({ settings: { routing: 'session' } });
  expect((await app.control('/__slipway/repo/update', POST(app))).json()).toMatchObject({ to: { hash: app.repository.head() } });
  expect((await app.control('/repo/update', POST(app))).status).toBe(404);
});
