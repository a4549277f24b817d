import { eventually } from '../support/eventually.js';
import { NAVIGATION, startTestApp, type TestApp } from '../support/test-app.js';

let app: TestApp;
let commit: string;
beforeAll(async () => {
  app = await startTestApp({ prepare: (repository) => { for (const name of ['bearer', 'swap']) { repository.commit({ [name]: name }, { branch: name }); repository.git('checkout', '--quiet', 'main'); } } });
  commit = app.repository.head('main');
  await app.open('branch=main');
});
afterAll(async () => { await app[Symbol.asyncDispose](); });

const FORM = { 'content-type': 'application/x-www-form-urlencoded', ...NAVIGATION };
/** Every build there was, and every container that was started: what a change would add to. */
const changes = () => [app.engine.calls.build, app.engine.calls.start, app.engine.calls.stop, app.engine.calls.remove];
const confirmPath = () => `/confirm?action=reset&hash=${commit}`;

/** Opens the confirmation as a browser does. */
async function openConfirmation(cookie?: string): Promise<{ cookie: string; token: string; answer: Awaited<ReturnType<TestApp['control']>> }> {
  const answer = await app.control(confirmPath(), { headers: { ...NAVIGATION, ...(cookie === undefined ? {} : { cookie }) } });
  const token = /name="token" value="([0-9a-f]+)"/.exec(answer.text)?.[1] ?? '';
  return { answer, token, cookie: cookie ?? (answer.headers['set-cookie']?.[0] ?? '').split(';')[0] ?? '' };
}
const post = (fields: Record<string, string>, headers: Record<string, string>, path = '/actions/reset') =>
  app.control(path, { method: 'POST', headers: { ...FORM, ...headers }, body: new URLSearchParams(fields).toString() });
const own = () => `http://localhost:${app.port}`;

describe('reset without a confirmed form or the token', () => {
  it('D9, I1: a program is told to send the token, a browser is asked', async () => {
    const before = changes();
    const program = await app.control('/?branch=main&reset=1');
    expect([program.status, program.json().error]).toEqual([401, 'missing_token']);
    const browser = await app.control('/?branch=main&reset=1', { headers: NAVIGATION });
    expect([browser.status, browser.headers.location]).toEqual([303, `http://localhost:${app.port}${confirmPath()}`]);
    expect(browser.headers['set-cookie']).toBeUndefined();
    expect(changes()).toEqual(before);
  });

  it('I1: no method that is safe, and no GET of any kind, changes anything', async () => {
    const before = changes();
    const kinds: Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { 'sec-purpose': 'prefetch' }, { 'user-agent': 'Slackbot 1.0' }, { origin: 'null' }, { 'sec-fetch-dest': 'image' }, { ...NAVIGATION, 'sec-fetch-site': 'none' },
    ];
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      for (const headers of kinds) for (const path of ['/?branch=main&reset=1', confirmPath(), '/actions/reset?hash=x', '/actions/restart?preview=branch-main']) await app.control(path, { method, headers });
    }
    expect((await app.control(`/?branch=main&reset=1`, { method: 'HEAD', headers: { authorization: `Bearer ${app.token}` } })).status).toBe(401);
    expect(changes()).toEqual(before);
  });
});

describe('the confirmation', () => {
  it('I3, I7: carries a form token and begins a session on its own host only', async () => {
    const { answer, token } = await openConfirmation();
    expect(answer.status).toBe(200);
    expect(token).toMatch(/^[0-9a-f]{64}$/);
    const cookies = answer.headers['set-cookie'] ?? [];
    expect(cookies).toHaveLength(1);
    expect(cookies[0]).toMatch(/^slw_sid=[^;]+; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/);
    expect(answer.text).toContain(`<input type="hidden" name="hash" value="${commit}">`);
  });

  it('asks about known actions and plain values only', async () => {
    for (const query of ['action=reset', 'action=nothing&hash=abcd', 'hash=abcd', 'action=__proto__&hash=abcd', 'action=reset&hash=%3Cscript%3E', 'action=reset&hash=a&hash=b']) {
      const answer = await app.control(`/confirm?${query}`, { headers: NAVIGATION });
      expect([query, answer.status >= 400 && answer.status < 500]).toEqual([query, true]);
      expect(answer.headers['set-cookie']).toBeUndefined();
    }
  });

  it('lets the change through with its token, from a page of this server', async () => {
    const { cookie, token } = await openConfirmation();
    const [builds = 0] = changes();
    const answer = await post({ hash: commit, token }, { cookie, 'origin': own(), 'sec-fetch-site': 'same-origin' });
    expect(answer.status).toBe(303);
    expect(answer.headers.location).toMatch(/^\/builds\/b_\w+$/);
    await eventually(() => app.engine.calls.build === builds + 1, { what: 'the build' });
    const plain = await post({ preview: `hash-${commit}`, token }, { cookie, origin: own() }, '/actions/restart');
    expect([plain.status, plain.headers.location]).toEqual([303, `/previews/hash-${commit}`]);
    await app.open('branch=main');
  });
});

describe('a form that was not confirmed here', () => {
  const cases: readonly (readonly [string, (valid: { token: string; cookie: string; other: string }) => [Record<string, string>, Record<string, string>]])[] = [
    ['a wrong token', ({ cookie }) => [{ token: 'f'.repeat(64) }, { cookie, origin: own() }]],
    ['another session’s token', ({ cookie, other }) => [{ token: other }, { cookie, origin: own() }]],
    ['no session', ({ token }) => [{ token }, { origin: own() }]],
    ['a made-up session', ({ token }) => [{ token }, { cookie: 'slw_sid=s%3Amade-up.signature', origin: own() }]],
    ['I5: two sessions', ({ token, cookie }) => [{ token }, { cookie: `${cookie}; slw_sid=s%3Aevil.sig`, origin: own() }]],
    ['I5: two sessions, the other first', ({ token, cookie }) => [{ token }, { cookie: `slw_sid=evil; ${cookie}`, origin: own() }]],
    ['another site', ({ token, cookie }) => [{ token }, { cookie, 'origin': own(), 'sec-fetch-site': 'cross-site' }]],
    ['a preview beside it', ({ token, cookie }) => [{ token }, { cookie, 'origin': `http://hash-${commit}.localhost:${app.port}`, 'sec-fetch-site': 'same-site' }]],
    ['a preview’s origin', ({ token, cookie }) => [{ token }, { cookie, origin: `http://hash-${commit}.localhost:${app.port}` }]],
    ['no origin to speak of', ({ token, cookie }) => [{ token }, { cookie, origin: 'null' }]],
    ['no origin at all', ({ token, cookie }) => [{ token }, { cookie }]],
    ['another port', ({ token, cookie }) => [{ token }, { cookie, origin: 'http://localhost:1' }]],
    ['another scheme', ({ token, cookie }) => [{ token }, { cookie, origin: own().replace('http', 'https') }]],
  ];

  it.each(cases)('I1: 403 and nothing happens with %s', async (_what, make) => {
    const valid = await openConfirmation();
    const other = await openConfirmation();
    const [fields, headers] = make({ ...valid, other: other.token });
    const before = changes();
    for (const accept of ['text/html', 'application/json']) {
      const answer = await post({ hash: commit, ...fields }, { ...headers, accept, 'sec-fetch-mode': accept === 'text/html' ? 'navigate' : 'cors' });
      expect(answer.status).toBe(403);
      expect(accept === 'text/html' ? answer.text : answer.json().error).toEqual(accept === 'text/html' ? expect.stringContaining('press the button there') : 'cross_site');
    }
    expect(changes()).toEqual(before);
  });

  it('401 without any token, and for a token in the query or given twice', async () => {
    const { cookie, token } = await openConfirmation();
    const before = changes();
    const origin = own();
    expect((await post({ hash: commit }, { cookie, origin })).status).toBe(401);
    expect((await post({ hash: commit }, { cookie, origin }, `/actions/reset?token=${token}`)).status).toBe(401);
    expect((await post({ hash: commit }, {}, `/actions/reset?token=${app.token}&access_token=${app.token}`)).status).toBe(401);
    expect((await app.control('/actions/reset', { method: 'POST', headers: { ...FORM, cookie, origin }, body: `hash=${commit}&token=${token}&token=${token}` })).status).toBe(401);
    expect((await app.control('/actions/reset', { method: 'POST', headers: { 'content-type': 'application/json', cookie, origin }, body: JSON.stringify({ hash: commit, token }) })).status).toBe(401);
    expect(changes()).toEqual(before);
  });

  it('400 or 413 for a form that is none', async () => {
    const big = await app.control('/actions/reset', { method: 'POST', headers: FORM, body: `hash=${'x'.repeat(70_000)}` });
    expect(big.status).toBe(413);
    const many = await app.control('/actions/reset', { method: 'POST', headers: FORM, body: 'a=1&'.repeat(1_000) });
    expect(many.status).toBe(413);
    const coded = await app.control('/actions/reset', { method: 'POST', headers: { ...FORM, 'content-encoding': 'nonsense' }, body: 'hash=x' });
    expect(coded.status).toBe(400);
  });
});

describe('the token', () => {
  it('as a bearer makes a change without any session', async () => {
    const [builds = 0] = changes();
    const reset = () => app.control('/actions/reset', {
      method: 'POST', headers: { 'authorization': `bearer ${app.token}`, 'content-type': 'application/x-www-form-urlencoded' }, body: `hash=${app.repository.head('bearer')}`,
    });
    const answer = await reset();
    expect(answer.status).toBe(202);
    expect(answer.headers['set-cookie']).toBeUndefined();
    await eventually(() => app.engine.calls.build === builds + 1, { what: 'the build' });
    const again = await reset();
    expect(again.status).toBe(429);
    expect(Number(again.headers['retry-after'])).toBeGreaterThan(0);
    expect(app.engine.calls.build).toBe(builds + 1);
  });

  it('refuses a wrong one, also beside a form that would do', async () => {
    const { cookie, token } = await openConfirmation();
    const before = changes();
    for (const authorization of ['Bearer wrong', `Bearer ${app.token}x`, `Bearer ${app.token.slice(1)}`, 'Bearer', `Basic ${app.token}`, `Token ${app.token}`]) {
      const answer = await post({ hash: commit, token }, { cookie, authorization, 'origin': own(), 'accept': 'application/json', 'sec-fetch-mode': 'cors' });
      expect([authorization, answer.status, answer.json().error]).toEqual([authorization, 401, 'missing_token']);
    }
    expect(changes()).toEqual(before);
  });

  it('shows nowhere', async () => {
    for (const path of ['/', '/log', '/status', '/api/builds', confirmPath()]) expect((await app.control(path, { headers: NAVIGATION })).text).not.toContain(app.token);
  });

  it('D10: reset builds without cache, serves on meanwhile, and then serves the new image', async () => {
    const host = app.commitHost(app.repository.head('swap'));
    const { image } = (await app.get(host, '/')).json();
    const [builds = 0] = changes();
    expect((await app.control('/?branch=swap&reset=1', { headers: { authorization: `Bearer ${app.token}` } })).status).toBe(202);
    await eventually(async () => {
      const answer = await app.get(host, '/');
      expect(answer.status).toBe(200);
      return answer.json().image !== image;
    }, { what: 'the new image' });
    expect(app.engine.builds.at(-1)).toMatchObject({ noCache: true });
    expect(app.engine.calls.build).toBe(builds + 1);
  });
});
