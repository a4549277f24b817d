import { NAVIGATION, startTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let build: string;
beforeAll(async () => {
  app = await startTestApp();
  const { build: made } = (await app.open('branch=main')).json() as { build: { id: string } };
  build = made.id;
});
afterAll(async () => { await app[Symbol.asyncDispose](); });

const paths = () => [
  '/', '/?q=ma&page=1', '/status', '/status?branch=main', '/log', '/log?format=json', '/localimages', '/debug', '/debug?format=json', '/api/images', `/builds/${build}`, '/previews/branch-main', `/previews/hash-${app.repository.head()}`, '/api/status?branch=main', '/api/builds', `/api/builds/${build}`,
  `/api/builds/${build}/log`, `/api/previews/hash-${app.repository.head()}/log`, '/api/queue-size', '/healthz', '/readyz', '/nothing', '/builds/b_x', '/?branch=nothing-like-it', '/assets/slipway.css',
];

describe('every answer of the control plane', () => {
  it('I17, I18, I23: is framed by nobody, read by no other origin, and tells nothing of its making', async () => {
    for (const path of paths()) {
      const { headers, text, status } = await app.control(path, { headers: { ...NAVIGATION, origin: 'http://evil.com' } });
      expect([path, status < 500]).toEqual([path, true]);
      expect(headers).toMatchObject({
        'content-security-policy': expect.stringMatching(/frame-ancestors 'none'|^sandbox/) as string, 'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'same-origin', 'cross-origin-opener-policy': 'same-origin', 'referrer-policy': 'same-origin', 'x-robots-tag': 'noindex',
      });
      expect(headers['access-control-allow-origin']).toBeUndefined();
      expect(headers['x-powered-by']).toBeUndefined();
      expect(text).not.toMatch(/node_modules|\bat \S+ \(|\/src\//);
    }
  });

  it('I3: sets no cookie', async () => {
    for (const path of paths()) {
      for (const headers of [NAVIGATION, { accept: 'application/json' }, { cookie: 'slw_sid=s%3Anobody.sig' }]) expect((await app.control(path, { headers })).headers['set-cookie']).toBeUndefined();
    }
  });

  it('is not stored, but for styles and scripts', async () => {
    for (const path of paths().filter((each) => !each.startsWith('/assets/'))) expect((await app.control(path)).headers['cache-control']).toBe('no-store');
    for (const asset of ['slipway.css', 'pico.min.css', 'log-tail.js']) {
      const answer = await app.control(`/assets/${asset}`);
      expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'public, max-age=3600']);
    }
  });

  it('answers HEAD as GET without a body, and 405 with Allow to any other method', async () => {
    for (const path of paths().filter((each) => !/nothing|b_x|assets|z$|branch=/.test(each))) {
      expect((await app.control(path, { method: 'HEAD' })).text).toBe('');
      for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
        const answer = await app.control(path, { method });
        expect([path, method, answer.status, answer.headers.allow]).toEqual([path, method, 405, 'GET, HEAD']);
      }
    }
    const action = await app.control('/actions/reset');
    expect([action.status, action.headers.allow]).toEqual([405, 'POST']);
  });

  it('says in an error what to do next, with a request id, to people and to programs', async () => {
    const answer = await app.control('/nothing', { headers: { accept: 'application/json' } });
    expect(answer.status).toBe(404);
    expect(answer.json()).toEqual({ error: 'not_found', message: expect.stringContaining('Go to the project page.') as string, requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string });
    const page = await app.control('/nothing', { headers: NAVIGATION });
    expect(page.status).toBe(404);
    expect(page.text).toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-/);
  });
});
