import { eventually } from '../support/eventually.js';
import { elementsOf } from '../support/html.js';
import { createSessionBrowser, urlsIn, type SessionBrowser } from '../support/session-browser.js';
import { removeImageOf, startStagedApp, type StagedApp } from '../support/staged-app.js';
import { gate, NAVIGATION, type TestAnswer } from '../support/test-app.js';

const wordsOf = (html: string) => html.replace(/<[^>]*>/g, ' ').replace(/&#(\d+);/g, (_all, code: string) => String.fromCodePoint(Number(code))).replace(/\s+/g, ' ').trim();
const BACK = '/confirm?action=roll-back&route=dev';
const ids = async (app: StagedApp, stage = 'dev') => app.read<{ id: string; reason: string; by: string; rollbackOf: string | null; commit: string }[]>(`releases?stage=${stage}`);
/** The status, the code and the words of an error page, and where its links lead. */
const failureOf = ({ status, text }: TestAnswer) => ({ status, code: /<code>(\w+)<\/code>/.exec(text)?.[1], words: wordsOf(text), urls: urlsIn(text) });

async function sendForm(app: StagedApp, browser: SessionBrowser, { action = 'roll-back', ...fields }: Record<string, string>): Promise<TestAnswer> {
  return app.control(`/actions/${action}`, {
    method: 'POST', body: new URLSearchParams(fields).toString(),
    headers: { ...NAVIGATION, 'cookie': browser.cookie(), 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin', 'origin': `http://localhost:${app.port}` },
  });
}

/** Opens a question. @returns its words, and the fields of its form */
async function ask(browser: SessionBrowser, path: string) {
  const { status, text } = await browser.go(path);
  const inputs = elementsOf(text).filter(({ name }) => name === 'input').map(({ attributes }) => [attributes.get('name') ?? '', attributes.get('value') ?? '']);
  return { status, words: wordsOf(text), fields: Object.fromEntries(inputs) as Record<string, string> };
}

describe('a rollback by a person', () => {
  it('X6: says what comes back, by name only, and brings it back with a form', async () => {
    await using app = await startStagedApp();
    const a = await app.run('a');
    await app.post('config?stage=dev', { set: { API: 'https://one.test', KEPT: 'same' } });
    const b = await app.run('b');
    await app.post('config?stage=dev', { set: { API: 'https://two.test', MORE: 'much' }, secrets: { TOKEN: 's3cr3t' } });
    const builds = app.engine.builds.length;
    const browser = createSessionBrowser(app);
    const { words } = await ask(browser, BACK);
    expect(words).toContain(`Roll dev back from v6 to ${b.id}?`);
    expect(words).toContain(`${b.id} comes back as a new release: commit ${b.commit.slice(0, 8)} “a commit”.`);
    expect(words).toContain('Its own configuration comes back with it: API changes; MORE, TOKEN go.');
    expect(words).toContain('Nothing is built: its image starts again, and v6 answers until it is healthy.');
    for (const value of ['two.test', 'one.test', 's3cr3t', 'much']) expect([value, words.includes(value)]).toEqual([value, false]);
    const { sent } = await browser.confirm(BACK);
    expect([sent.status, sent.headers.location]).toEqual([303, '/releases']);
    const [newest] = await ids(app);
    expect(newest).toMatchObject({ id: 'v7', reason: 'rollback', rollbackOf: b.id, by: 'web' });
    expect((await app.shown()).env).toMatchObject({ API: 'https://one.test', KEPT: 'same' });
    expect(app.engine.builds).toHaveLength(builds);
    expect((await ask(browser, BACK)).words).toContain('Roll dev back from v7 to v3?');
    await browser.confirm(BACK);
    expect(await app.shown()).toMatchObject({ commit: a.commit });
  });

  it('says so when what served before was brought back itself', async () => {
    await using app = await startStagedApp();
    const [a] = [await app.run('a'), await app.run('b')];
    await app.post('stages/dev/rollback');
    await app.run('c');
    const browser = createSessionBrowser(app);
    expect((await ask(browser, BACK)).words).toContain(`v5, which was ${a.id} brought back, comes back as a new release`);
    await browser.confirm(BACK);
    expect((await ids(app))[0]).toMatchObject({ rollbackOf: a.id, commit: a.commit });
  });

  it('does what was confirmed or nothing: whoever looked at another release is told so', async () => {
    await using app = await startStagedApp();
    const [, b] = [await app.run('a'), await app.run('b')];
    const browser = createSessionBrowser(app);
    const { fields } = await ask(browser, BACK);
    expect(fields).toMatchObject({ route: 'dev', seen: b.id });
    await app.run('c');
    const before = await ids(app);
    const late = failureOf(await sendForm(app, browser, fields));
    expect(late).toMatchObject({ status: 409, code: 'route_moved', words: expect.stringContaining('Look at what it serves now, and decide again.') as string });
    expect(late.urls).toContain('/releases');
    expect(await ids(app)).toEqual(before);
  });

  it('is refused with the way on: nothing earlier, nothing at all, no such stage, and what has one release only', async () => {
    await using app = await startStagedApp();
    const { commit } = await app.run('a');
    const failed = async (route: string) => failureOf(await app.control(`/confirm?action=roll-back&route=${route}`, { headers: NAVIGATION }));
    expect(await failed('dev')).toMatchObject({ status: 404, code: 'nothing_earlier', urls: expect.arrayContaining(['/releases']) as string[] });
    expect(await failed('prod')).toMatchObject({ status: 404, code: 'nothing_released', words: expect.stringContaining('slipway promote') as string });
    expect(await failed('tset')).toMatchObject({ status: 404, code: 'unknown_stage', urls: expect.arrayContaining(['/releases?route=test']) as string[] });
    expect(await failed(`hash-${commit}`)).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(await failed('branch-main')).toMatchObject({ status: 404, code: 'unknown_preview' });
    const token = { headers: { ...NAVIGATION, authorization: `Bearer ${app.token}` }, method: 'POST' };
    expect(failureOf(await app.control('/actions/roll-back?route=dev', token))).toMatchObject({ status: 404, code: 'nothing_earlier', urls: expect.arrayContaining(['/releases']) as string[] });
  });

  it('takes a branch back, too', async () => {
    await using app = await startStagedApp();
    const first = app.repository.head();
    await app.get('branch-main.localhost', '/');
    const second = app.repository.commit({ b: 'b' });
    await app.fetch(second);
    await eventually(async () => (await app.get('branch-main.localhost', '/')).json().commit === second, { what: 'the branch follows' });
    expect((await createSessionBrowser(app).confirm('/confirm?action=roll-back&route=branch-main')).sent.status).toBe(303);
    expect((await app.get('branch-main.localhost', '/')).json().commit).toBe(first);
  });

  it('needs the form of this browser, or the token', async () => {
    await using app = await startStagedApp();
    await app.run('a');
    await app.run('b');
    const browser = createSessionBrowser(app);
    const { fields } = await ask(browser, BACK);
    expect((await app.control('/actions/roll-back?route=dev', { method: 'POST' })).status).toBe(401);
    expect((await sendForm(app, createSessionBrowser(app), fields)).status).toBe(403);
    expect((await sendForm(app, browser, { ...fields, token: 'f'.repeat(64) })).status).toBe(403);
    expect((await ids(app))[0]?.reason).toBe('code');
    const program = await app.control('/actions/roll-back?route=dev', { method: 'POST', headers: { authorization: `Bearer ${app.token}` } });
    expect([program.status, program.json()]).toEqual([202, { url: '/releases' }]);
    expect((await ids(app))[0]).toMatchObject({ reason: 'rollback', by: 'api' });
  });
});

describe('a rollback to a release whose image is gone', () => {
  it('X6: offers to build it again, and rolls back once that is done', async () => {
    await using app = await startStagedApp();
    const [a] = [await app.run('a'), await app.run('b')];
    await removeImageOf(app, a.id);
    const browser = createSessionBrowser(app);
    const gone = failureOf((await browser.confirm(BACK)).sent);
    expect(gone).toMatchObject({ status: 410, code: 'image_gone', words: expect.stringContaining('Build it again and roll back') as string });
    const offer = gone.urls.find((url) => url.includes('rebuild')) ?? '';
    const { words } = await ask(browser, offer);
    expect(words).toContain(`Build ${a.id} again and roll dev back to it?`);
    const builds = app.engine.builds.length;
    const { sent } = await browser.confirm(offer);
    expect([sent.status, sent.headers.location]).toEqual([303, '/releases']);
    expect((await ids(app))[0]).toMatchObject({ reason: 'rollback', rollbackOf: a.id, commit: a.commit, by: 'web' });
    expect([app.engine.builds.length, (await app.shown()).commit]).toEqual([builds + 1, a.commit]);
  });

  it('shows a build that takes long, and rolls back by itself after it', async () => {
    const { opened, open } = gate();
    let isSlow = false;
    await using app = await startStagedApp({ builds: () => (isSlow ? { until: opened } : {}) });
    const [a, b] = [await app.run('a'), await app.run('b')];
    await removeImageOf(app, a.id);
    isSlow = true;
    const { sent } = await createSessionBrowser(app).confirm('/confirm?action=rebuild-and-roll-back&route=dev');
    expect([sent.status, sent.headers.location]).toEqual([303, expect.stringMatching(/^\/builds\/b_/) as string]);
    expect(wordsOf((await app.control(sent.headers.location ?? '', { headers: NAVIGATION })).text)).toContain('building');
    expect(await app.shown()).toMatchObject({ commit: b.commit });
    open();
    await eventually(async () => (await app.shown()).commit === a.commit, { what: 'dev goes over' });
    expect((await ids(app))[0]).toMatchObject({ reason: 'rollback', rollbackOf: a.id });
  });

  it('tells at once of a build that fails, and what serves goes on', async () => {
    let isBroken = false;
    await using app = await startStagedApp({ builds: () => (isBroken ? { fail: 'no such step' } : {}) });
    const [a, b] = [await app.run('a'), await app.run('b')];
    await removeImageOf(app, a.id);
    isBroken = true;
    const failed = failureOf((await createSessionBrowser(app).confirm('/confirm?action=rebuild-and-roll-back&route=dev')).sent);
    expect(failed).toMatchObject({ status: 424, code: 'build_failed', urls: expect.arrayContaining(['/releases']) as string[] });
    expect(await app.shown()).toMatchObject({ commit: b.commit });
  });
});

describe('a promotion by a person', () => {
  const PROMOTE = '/confirm?action=promote&stage=test';

  it('X17: says what goes where, and takes the image along with a form', async () => {
    await using app = await startStagedApp();
    const { id, commit } = await app.run('a');
    const builds = app.engine.builds.length;
    const browser = createSessionBrowser(app);
    const { words, fields } = await ask(browser, PROMOTE);
    expect(words).toContain(`Promote ${id} from dev to test?`);
    for (const part of [`test gets commit ${commit.slice(0, 8)} “a commit”, as a release of its own with the configuration of test.`, 'Nothing is built: it is the image that dev serves.', 'It is the first release of test.']) expect(words).toContain(part);
    expect(fields).toMatchObject({ stage: 'test', seen: `${id}-none` });
    const { sent } = await browser.confirm(PROMOTE);
    expect([sent.status, sent.headers.location]).toEqual([303, '/releases']);
    expect((await ids(app, 'test'))[0]).toMatchObject({ reason: 'promotion', commit, by: 'web' });
    expect(await app.shown('test')).toMatchObject({ commit, env: { API: 'https://api.test' } });
    expect(app.engine.builds).toHaveLength(builds);
  });

  it('does what was confirmed or nothing, whichever of the two stages moved', async () => {
    await using app = await startStagedApp();
    await app.run('a');
    const browser = createSessionBrowser(app);
    const first = await ask(browser, PROMOTE);
    const b = await app.run('b');
    expect(failureOf(await sendForm(app, browser, { ...first.fields, action: 'promote' }))).toMatchObject({ status: 409, code: 'route_moved' });
    expect(await ids(app, 'test')).toEqual([]);
    const second = await ask(browser, PROMOTE);
    await app.post('stages/test/promote', { release: b.id });
    expect(failureOf(await sendForm(app, browser, { ...second.fields, action: 'promote' }))).toMatchObject({ status: 409, code: 'route_moved' });
    expect(await ids(app, 'test')).toHaveLength(1);
  });

  it('is refused with the way on: the first stage, nothing before it, the same again, no such stage', async () => {
    await using app = await startStagedApp();
    const failed = async (path: string) => failureOf(await app.control(path, { headers: NAVIGATION }));
    expect(await failed('/confirm?action=promote&stage=dev')).toMatchObject({ status: 409, code: 'wrong_stage', urls: expect.arrayContaining(['/releases']) as string[] });
    expect(await failed(PROMOTE)).toMatchObject({ status: 404, code: 'nothing_released' });
    expect(await failed('/confirm?action=promote&stage=branch-main')).toMatchObject({ status: 404, code: 'unknown_stage' });
    await app.run('a');
    await app.post('stages/test/promote');
    expect(failureOf((await createSessionBrowser(app).confirm(PROMOTE)).sent)).toMatchObject({ status: 409, code: 'already_served', urls: expect.arrayContaining(['/releases']) as string[] });
  });

  it('P7: that does not get healthy ends on a page that says why and leads back, and what served goes on', async () => {
    let broken = false;
    await using app = await startStagedApp({
      change: (project) => ({ ...project, run: { ...project.run, readyTimeoutMs: 300 } }),
      program: ({ commit, env }) => ({ serve: (_req, res) => { res.statusCode = broken && env.SLIPWAY_ENV === 'test' ? 500 : 200; res.end(JSON.stringify({ commit })); } }),
    });
    const a = await app.run('a');
    await app.post('stages/test/promote');
    await app.run('b');
    broken = true;
    const failed = failureOf((await createSessionBrowser(app).confirm(PROMOTE)).sent);
    expect(failed).toMatchObject({ status: 504, code: 'start_timeout', words: expect.stringContaining('not healthy after 0.3 s: GET / 500') as string, urls: expect.arrayContaining(['/releases']) as string[] });
    broken = false;
    expect(await app.shown('test')).toMatchObject({ commit: a.commit });
  });
});
