import type { FakeBuild } from '../support/fake-engine.js';
import { echo, gate, startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

const bearer = (app: TestApp) => ({ headers: { authorization: `Bearer ${app.token}` } });
const word = async (app: TestApp) => (await app.control('/status?branch=main')).text;
const FAILS: FakeBuild = { fail: 'exit code: 1' };

describe('building again', () => {
  it('puts a failure right at once, before anybody visits', async () => {
    let tries = 0;
    await using app = await startTestApp({ builds: () => (++tries === 1 ? FAILS : {}) });
    expect((await app.open('branch=main')).status).toBe(424);
    expect(await word(app)).toBe('FAIL');
    expect((await app.control('/?branch=main&reset=1', bearer(app))).status).toBe(202);
    await until(async () => await word(app) === 'NeedsPriming', 'the failure is over');
    expect(app.engine.calls.start).toBe(0);
  });

  it('keeps whoever waits for the build that it replaces', async () => {
    const first = gate();
    let tries = 0;
    await using app = await startTestApp({ builds: () => (++tries === 1 ? { until: first.opened } : {}) });
    const waiting = app.open('branch=main');
    await until(() => tries === 1, 'the first build runs');
    expect((await app.control('/?branch=main&reset=1', bearer(app))).status).toBe(202);
    expect((await waiting).json()).toMatchObject({ status: 'running', lastError: null });
    expect(app.engine.calls.build).toBe(2);
  });

  it('lets what the old image still answers come to its end', async () => {
    const slow = gate();
    await using app = await startTestApp({
      program: (spec) => ({ serve: (req, res) => { if (req.url === '/slow') void slow.opened.then(() => { res.end('whole'); }); else echo(spec)(req, res); } }),
    });
    await app.open('branch=main');
    const answer = app.get(app.commitHost(app.repository.head()), '/slow');
    await app.control('/?branch=main&reset=1', bearer(app));
    await until(async () => {
      const { build } = (await app.control('/api/status?branch=main')).json();
      return (build as { noCache: boolean; status: string }).noCache && (build as { status: string }).status === 'succeeded';
    }, 'it is built again');
    expect((await app.open('branch=main')).json()).toMatchObject({ status: 'running', release: 'v2' });
    slow.open();
    expect((await answer).text).toBe('whole');
  });

  it('I1: is refused when it was done a moment ago', async () => {
    await using app = await startTestApp();
    await app.control('/?branch=main&reset=1', bearer(app));
    const again = await app.control('/?branch=main&reset=1', bearer(app));
    expect([again.status, again.headers['retry-after']]).toEqual([429, '30']);
  });
});

describe('a restart', () => {
  it('while the application starts gives up that start and makes another one', async () => {
    let starts = 0;
    await using app = await startTestApp({ program: (spec) => (++starts === 1 ? {} : { serve: echo(spec) }) });
    const first = app.open('branch=main');
    await until(() => app.engine.calls.start === 1, 'it starts');
    const label = `hash-${app.repository.head()}`;
    expect((await app.control(`/actions/restart?preview=${label}`, { method: 'POST', ...bearer(app) })).status).toBe(202);
    expect((await app.open('branch=main')).json()).toMatchObject({ status: 'running', lastError: null });
    expect([app.engine.calls.start, (await first).status < 600]).toEqual([2, true]);
  });
});

describe('a failure of the surroundings', () => {
  it('K7: is answered but not remembered as the preview’s own', async () => {
    await using app = await startTestApp();
    app.engine.down();
    expect((await app.open('branch=main')).status).toBe(503);
    app.engine.up();
    expect((await app.control('/api/status?branch=main')).json()).toMatchObject({ lastError: null });
    expect((await app.open('branch=main')).json()).toMatchObject({ status: 'running' });
  });
});

describe('a name with a plus', () => {
  it('is a plus, since no branch has a space in its name', async () => {
    await using app = await startTestApp({ prepare: (repository) => { repository.setRef('refs/heads/feature/c++', repository.head()); } });
    expect((await app.control('/?branch=feature/c++')).status).toBe(302);
    expect((await app.control('/?branch=feature/c%2B%2B')).status).toBe(302);
  });
});
