import { processorMs } from '../support/processor-time.js';
import { startTestApp, ask, type TestApp } from '../support/test-app.js';

let app: TestApp;
beforeAll(async () => { app = await startTestApp(); });
afterAll(async () => { await app[Symbol.asyncDispose](); });
const askAs = (host: string, path: string, headers: Readonly<Record<string, string>> = {}) => ask({ port: app.port, host, path }, { headers });

describe('hosts', () => {
  it('A12, A15: 421 for all that is not ours, without a cookie, whatever a proxy header says', async () => {
    const hash = app.repository.head();
    const hosts = ['evil.com', 'localhost.evil.com', `hash-${hash}.localhost.evil.com`, 'evillocalhost', `hash-${hash}.evil.com`, `user@localhost`, 'localhost:80:80', 'a b', '-.-..', `${'x'.repeat(64)}.localhost`];
    for (const host of hosts) {
      for (const path of ['/', '/api/builds', '/healthz', '/?branch=main']) {
        const answer = await askAs(host, path, { 'x-forwarded-host': 'localhost', 'accept': 'text/html' });
        expect([host, answer.status]).toEqual([host, 421]);
        expect(answer.headers['set-cookie']).toBeUndefined();
        expect(answer.headers.location).toBeUndefined();
      }
    }
  });

  it('A12: forwarded headers change no redirect', async () => {
    const answer = await app.control('/?branch=main', { headers: { 'x-forwarded-host': 'evil.com', 'x-forwarded-proto': 'https', 'forwarded': 'host=evil.com' } });
    expect(answer.headers.location).toBe(`http://${app.commitHost(app.repository.head())}:${app.port}/`);
  });

  it('A15: 404 for a label that names nothing and for a host below a preview', async () => {
    for (const host of ['nothing.localhost', `x.${app.commitHost(app.repository.head())}`, 'a.b.localhost', 'run-x.localhost', 'container-x.localhost', 'hash-xyz.localhost', 'hash-abc.localhost', 'branch-.localhost']) {
      expect([host, (await app.get(host, '/')).status]).toEqual([host, 404]);
    }
    expect(app.engine.calls.start).toBe(0);
  });

  it.each(['127.0.0.1', '[::1]', '192.168.1.7'])('the address %s has health and API only, and leads to the server’s host', async (address) => {
    const at = (path: string) => askAs(`${address}:${app.port}`, path);
    for (const path of ['/healthz', '/readyz', '/api/queue-size', '/api/builds']) expect([path, (await at(path)).status]).toEqual([path, 200]);
    const home = await at('/');
    expect([home.status, home.headers.location]).toEqual([302, `http://localhost:${app.port}/`]);
    for (const path of ['/status', '/log', '/healthz/x', '/confirm?action=reset&hash=abcd', '/actions/reset', '/assets/slipway.css', '/apis']) expect([path, (await at(path)).status]).toEqual([path, 421]);
  });

  it('A17: ten thousand parameters, nested or repeated, are ignored quickly', async () => {
    const queries = [
      Array.from({ length: 2_500 }, (_, at) => `${at}=`).join('&'), `a${'[b]'.repeat(1_000)}=1`, 'a[]=&'.repeat(2_000), `${'%5b'.repeat(2_000)}=1`, '&'.repeat(12_000), '='.repeat(12_000),
    ];
    for (const query of queries) {
      const ask = async () => { for (const path of ['healthz', 'status']) expect([path, (await app.control(`/${path}?${query}`)).status]).toEqual([path, 200]); };
      expect(await processorMs(ask)).toBeLessThan(2_000);
    }
    expect((await app.control(`/?${queries[2] ?? ''}branch=main`)).status).toBe(302);
  });

  it('A18: a path that cannot be decoded is a bad request on every route, and quickly so', async () => {
    const paths = ['/%E0%A4%A', '/%', '/builds/%E0%A4%A', '/previews/%', '/api/builds/%ff/log', '/assets/%', '/actions/%', '/log/%', '/api/%zz'];
    for (const path of paths) {
      const answer = await app.control(path);
      expect([path, answer.status]).toEqual([path, 400]);
      expect(answer.text).not.toMatch(/ at |node_modules|\.ts/);
    }
    for (const path of [`/${'-'.repeat(8_000)}`, '/a'.repeat(4_000), `/builds/${'a'.repeat(8_000)}`, `/previews/${'hash-'.repeat(1_500)}`]) {
      expect(await processorMs(async () => { expect((await app.control(path)).status).toBe(404); })).toBeLessThan(2_000);
    }
  });

  it('J10: a log of nobody is not found, whatever its name tries', async () => {
    const paths = ['/log/../../etc/passwd', '/api/builds/..%2f..%2fetc%2fpasswd/log', '/api/builds/%00/log', '/api/builds/b_01ARZ3NDEKTSV4RRFFQ69G5FAV/log', '/api/previews/..%2f..%2f/log', '/assets/..%2f..%2fpackage.json', '/assets/../../package.json'];
    for (const path of paths) {
      const answer = await app.control(path);
      expect([path, answer.status < 500 && answer.status >= 400]).toEqual([path, true]);
      expect(answer.text).not.toContain('"dependencies"');
    }
  });
});
