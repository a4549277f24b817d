import type { AllowedImages } from '../../src/domain/project.js';
import { createFakeClock } from '../support/fake-clock.js';
import type { FakePull } from '../support/fake-registry.js';
import { APP, hostOf, labelOf, REGISTRY, startImageApp } from '../support/image-app.js';
import { gate, NAVIGATION, type TestAnswer, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

const JSON_ONLY = { headers: { accept: 'application/json' } } as const;
const PAGE = { headers: NAVIGATION } as const;
const bearer = (app: TestApp) => ({ headers: { authorization: `Bearer ${app.token}` } });
const query = (reference: string, more = '') => `image=${encodeURIComponent(reference)}${more}`;
const word = async (app: TestApp) => (await app.control(`/status?${query(APP)}`)).text;
const told = ({ status, json }: TestAnswer) => [status, json().error];

describe('an image that may not run', () => {
  it('D13: is refused with 403 when its registry is not allowed, wherever it is named, and nobody asks the registry', async () => {
    await using app = await startImageApp();
    for (const path of ['/?', '/status?', '/api/status?', '/api/wait?']) {
      expect(told(await app.control(`${path}${query('other.example.com/app:1')}`))).toEqual([403, 'image_not_allowed']);
    }
    const page = await app.control(`/?${query('other.example.com/app:1')}`, PAGE);
    expect([page.status, page.headers.location]).toEqual([403, undefined]);
    expect(page.text).toContain('Images of other.example.com may not run here.');
    expect(app.engine.calls.pull).toBe(0);
  });

  it('D13: none is allowed unless the project names a registry', async () => {
    await using app = await startImageApp({ allowed: () => ({ registries: [], labels: {} }) });
    expect(told(await app.control(`/?${query(APP)}`))).toEqual([403, 'image_not_allowed']);
  });

  it('D13: is refused with 403 when it lacks a label or has another value, before anything of it runs', async () => {
    const images = new Map<string, FakePull>([[APP, { labels: { target: 'other' } }], [`${REGISTRY}/bare:1`, {}], [`${REGISTRY}/good:1`, { labels: { target: 'preview', more: 'x' } }]]);
    await using app = await startImageApp({ images, allowed: () => ({ registries: [REGISTRY], labels: { target: 'preview' } }) });
    const page = await app.get(await hostOf(app, APP), '/', PAGE);
    expect(page.status).toBe(403);
    expect(page.text).toContain('its label target has another value than preview');
    expect(page.text).toMatch(/href="http:\/\/localhost:\d+\/builds\/b_\w+"[^>]*>Log of the pull/);
    const bare = await app.get(await hostOf(app, `${REGISTRY}/bare:1`), '/', JSON_ONLY);
    expect([...told(bare), bare.json().message]).toEqual([403, 'image_not_allowed', expect.stringContaining('lacks the label target=preview')]);
    expect(await word(app)).toBe('FAIL');
    expect(app.engine.calls.start).toBe(0);
    expect((await app.get(await hostOf(app, `${REGISTRY}/good:1`), '/')).status).toBe(200);
  });

  it('D13: runs no more once the configuration does not allow it, whether it ran or slept', async () => {
    let allowed: AllowedImages = { registries: [REGISTRY], labels: {} };
    await using app = await startImageApp({ allowed: () => allowed });
    const host = await hostOf(app, APP);
    expect((await app.get(host, '/')).status).toBe(200);
    allowed = { registries: [REGISTRY], labels: { target: 'preview' } };
    await app.restart();
    expect(told(await app.get(host, '/', JSON_ONLY))).toEqual([403, 'image_not_allowed']);
    expect(await app.engine.list()).toEqual([]);
    allowed = { registries: ['other.example.com'], labels: {} };
    await app.restart();
    expect(told(await app.get(host, '/', JSON_ONLY))).toEqual([403, 'image_not_allowed']);
    allowed = { registries: [REGISTRY], labels: {} };
    await app.restart();
    expect((await app.get(host, '/')).status).toBe(200);
  });
});

describe('an image that is not one', () => {
  it.each(['app', 'app:1', 'https://registry.example.com/app:1', `${REGISTRY}/app`, `${REGISTRY}/App:1`, `${REGISTRY}/app:1 `, '', '<script>alert(1)</script>', `${REGISTRY}/../app:1`])('D13: %j is answered with 400 in a sentence', async (text) => {
    await using app = await startImageApp();
    for (const path of ['/?', '/api/status?']) expect(told(await app.control(`${path}${query(text)}`))).toEqual([400, 'invalid_image']);
    const page = await app.control(`/?${query(text)}`, PAGE);
    expect([page.status, page.text.includes('Give an image as registry/name:tag.'), page.text.includes('<script>alert')]).toEqual([400, true, false]);
  });

  it('D13: neither is one that is named beside a branch, twice, in a stranger’s environment, or to be pulled and deleted', async () => {
    await using app = await startImageApp();
    for (const more of ['&branch=main', '&hash=abcd', `&${query(APP)}`, '&reset=1&delete=1']) expect(told(await app.control(`/?${query(APP)}${more}`))).toEqual([400, 'invalid_request']);
    expect(told(await app.control(`/?${query(APP, '&env=nowhere')}`))).toEqual([404, 'unknown_environment']);
    expect(told(await app.get('container-nobody-abcdef.localhost', '/', JSON_ONLY))).toEqual([404, 'unknown_preview']);
  });
});

describe('a pull that fails', () => {
  it('D14: 404 when the registry has no such image, and the next try finds it once it was pushed', async () => {
    const clock = createFakeClock();
    const images = new Map<string, FakePull>();
    await using app = await startImageApp({ images, clock });
    const host = await hostOf(app, APP);
    const page = await app.get(host, '/', PAGE);
    expect(page.status).toBe(404);
    expect(page.headers).toMatchObject({ 'x-slipway-state': 'error', 'cache-control': 'no-store' });
    expect(page.text).toContain(`There is no ${APP}`);
    images.set(APP, {});
    expect(told(await app.get(host, '/', JSON_ONLY))).toEqual([404, 'image_not_found']);
    expect([app.engine.calls.pull, await word(app)]).toEqual([1, 'FAIL']);
    await clock.advance(10_001);
    expect((await app.get(host, '/')).status).toBe(200);
    expect(await word(app)).toBe('Ready');
  });

  it('D14: 503 with Retry-After when the registry cannot be reached, and it is not asked by every reload', async () => {
    const clock = createFakeClock();
    const images = new Map<string, FakePull>([[APP, { fail: { code: 'registry_unreachable', message: `${REGISTRY} could not be reached: connection refused` } }]]);
    await using app = await startImageApp({ images, clock });
    const host = await hostOf(app, APP);
    for (let reload = 0; reload < 20; reload += 1) {
      const page = await app.get(host, '/', PAGE);
      expect([page.status, Number(page.headers['retry-after']) > 0]).toEqual([503, true]);
    }
    expect(app.engine.calls.pull).toBe(1);
    images.set(APP, {});
    await clock.advance(10_001);
    expect((await app.get(host, '/', PAGE)).status).toBe(200);
  });

  it('D14: 424 with the registry’s own words for everything else, still said after a restart of the server', async () => {
    const clock = createFakeClock();
    const images = new Map<string, FakePull>([[APP, { lines: ['v1: Pulling'], fail: { code: 'pull_failed', message: 'no matching manifest for <this> machine' } }]]);
    await using app = await startImageApp({ images, clock });
    const host = await hostOf(app, APP);
    const page = await app.get(host, '/', PAGE);
    expect(page.status).toBe(424);
    expect(page.text).toContain('no matching manifest for &lt;this&gt; machine');
    expect(page.text).toContain('v1: Pulling');
    await app.restart();
    expect(await word(app)).toBe('FAIL');
    expect((await app.control(`/api/status?${query(APP)}`)).json()).toMatchObject({ status: 'error', reference: APP, commit: null, lastError: { code: 'pull_failed' }, build: { status: 'failed', reference: APP } });
  });

  it('D14: container faults are those of any preview', async () => {
    let starts = 0;
    await using app = await startImageApp({ program: () => (++starts === 1 ? { lines: ['Error: no database'], exits: { code: 3 } } : { refused: 'no such command' }) });
    const host = await hostOf(app, APP);
    const crashed = await app.get(host, '/', JSON_ONLY);
    expect([...told(crashed), crashed.json().lastLines]).toEqual([502, 'crashed', ['Error: no database']]);
    const restart = await app.control(`/actions/restart?preview=${labelOf(host)}`, { method: 'POST', ...bearer(app) });
    expect(restart.status).toBe(202);
    await until(async () => (await app.get(host, '/', JSON_ONLY)).json().error === 'start_failed', 'it is started again');
    expect(app.engine.calls.pull).toBe(1);
  });
});

describe('changes', () => {
  it('D13, I1: pulling again and deleting want the token or a confirmation', async () => {
    await using app = await startImageApp();
    const host = await hostOf(app, APP);
    await app.get(host, '/');
    for (const [change, action] of [['reset', 'pull-image'], ['delete', 'delete-preview']]) {
      expect(told(await app.control(`/?${query(APP, `&${change}=1`)}`))).toEqual([401, 'missing_token']);
      expect((await app.control(`/?${query(APP, `&${change}=1`)}`, { method: 'HEAD', ...bearer(app) })).status).toBe(401);
      const person = await app.control(`/?${query(APP, `&${change}=1`)}`, PAGE);
      expect([person.status, person.headers.location]).toEqual([303, `http://localhost:${app.port}/confirm?action=${action}&preview=${labelOf(host)}`]);
      expect((await app.control(`/actions/${action}?preview=${labelOf(host)}`, { method: 'POST' })).status).toBe(401);
    }
    expect([app.engine.calls.pull, app.engine.calls.stop]).toEqual([1, 0]);
  });

  it('D13: a confirmed form deletes: the container stops, the image goes, and its URL pulls again', async () => {
    await using app = await startImageApp();
    const host = await hostOf(app, APP);
    await app.get(host, '/');
    const form = await app.control(`/confirm?action=delete-preview&preview=${labelOf(host)}`, PAGE);
    const [token = '', cookie = ''] = [/name="token" value="([0-9a-f]+)"/.exec(form.text)?.[1], (form.headers['set-cookie']?.[0] ?? '').split(';')[0]];
    const answer = await app.control('/actions/delete-preview', {
      method: 'POST', body: new URLSearchParams({ preview: labelOf(host), token }).toString(),
      headers: { ...NAVIGATION, cookie, 'content-type': 'application/x-www-form-urlencoded', 'origin': `http://localhost:${app.port}` },
    });
    expect([answer.status, answer.headers.location]).toEqual([303, '/status']);
    expect([await app.engine.list(), await word(app)]).toEqual([[], 'NotBuilt']);
    expect((await app.get(host, '/')).status).toBe(200);
    expect(app.engine.calls).toMatchObject({ pull: 2, removeImage: 1 });
  });

  it('D13: the image stays as long as another environment serves it', async () => {
    await using app = await startImageApp();
    const [plain, jetpack] = [await hostOf(app, APP), await hostOf(app, APP, '&env=jetpack')];
    for (const host of [plain, jetpack]) await app.get(host, '/');
    const remove = (more = '') => app.control(`/?${query(APP, `${more}&delete=1`)}`, bearer(app));
    expect((await remove('&env=jetpack')).json()).toEqual({ deleted: labelOf(jetpack) });
    expect([(await app.engine.list()).length, app.engine.calls.removeImage]).toEqual([1, 0]);
    expect((await app.get(plain, '/')).status).toBe(200);
    expect((await remove()).status).toBe(200);
    expect([await app.engine.list(), app.engine.calls.removeImage, app.engine.calls.pull]).toEqual([[], 1, 1]);
  });

  it('D13: deleting ends a pull that is under way', async () => {
    const { opened, open } = gate();
    await using app = await startImageApp({ images: new Map([[APP, { until: opened }]]) });
    const waiting = app.get(await hostOf(app, APP), '/', JSON_ONLY);
    await until(() => app.engine.calls.pull === 1, 'the pull runs');
    expect((await app.control(`/?${query(APP, '&delete=1')}`, bearer(app))).status).toBe(200);
    expect(told(await waiting)).toEqual([424, 'build_cancelled']);
    open();
    expect(app.engine.calls.start).toBe(0);
  });
});

describe('what people see', () => {
  it('D8b, D13: /status, the project’s page, the preview’s page and the pull’s page name the image', async () => {
    await using app = await startImageApp();
    const host = await hostOf(app, APP);
    await app.get(host, '/');
    const [row] = (await app.control('/status')).json() as unknown as Record<string, unknown>[];
    expect(row).toMatchObject({ label: labelOf(host), kind: 'image', word: 'Ready', commit: null, reference: APP, release: 'v1', branch: null });
    for (const path of ['/status', '/', `/previews/${labelOf(host)}`]) expect((await app.control(path, PAGE)).text).toContain(`<bdi>${APP}</bdi>`);
    const preview = await app.control(`/previews/${labelOf(host)}`, PAGE);
    for (const action of ['pull-image', 'delete-preview', 'restart']) expect(preview.text).toContain(`/confirm?action=${action}&amp;preview=${labelOf(host)}`);
    const [build] = (await app.control('/api/builds')).json() as unknown as { id: string }[];
    const page = (await app.control(`/builds/${build?.id ?? ''}`, PAGE)).text;
    expect(page).toContain(`Pull of ${APP}`);
    expect(page).toContain(`href="/?image=${encodeURIComponent(APP)}"`);
    expect(page).toContain(`/confirm?action=pull-image&amp;preview=${labelOf(host)}`);
    expect((await app.control(`/api/builds/${build?.id ?? ''}/log`)).text).toMatch(/pull b_\w+ of registry\.example\.com\/team\/app:v1\n.*Pulling from team\/app\n.*pulled as sha256:\w+ in/);
  });
});
