import type { BuildKey } from '../../src/domain/ids.js';
import { createFakeClock } from '../support/fake-clock.js';
import { eventually } from '../support/eventually.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

const MINUTE = 60_000;
const statusOf = async (app: TestApp) => (await app.control('/api/status?branch=main')).json();
const becomes = (app: TestApp, status: string) =>
  eventually(async () => (await statusOf(app)).status === status, { what: `the preview is ${status}` });

async function containerOf({ engine }: TestApp) {
  const [container] = await engine.list();
  if (!container) throw new Error('nothing runs');
  return container;
}

describe('K7: an engine that comes back', () => {
  it('has its running previews adopted at once, without a visit and without a start', async () => {
    const clock = createFakeClock();
    await using app = await startTestApp({ clock });
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    await app.stop();
    app.engine.down();
    await app.start();
    expect(await statusOf(app)).toMatchObject({ status: 'stopped' });
    app.engine.up();
    await becomes(app, 'running');
    expect((await app.get(host, '/')).status).toBe(200);
    expect(app.engine.calls.start).toBe(1);
  });

  it('is no hindrance to the end of the server while it is away', async () => {
    await using app = await startTestApp({ started: false });
    app.engine.down();
    await app.start();
    await app.stop();
    expect(app.engine.calls.watch).toBe(1);
  });
});

describe('K8: what happened while nobody could tell', () => {
  it.each<[string, number, object]>([
    ['ended by itself has crashed', 3, { status: 'error', lastError: { code: 'crashed', message: 'It exited with code 3.' } }],
    ['was ended with its engine has not', 137, { status: 'stopped', lastError: null }],
    ['ended when it was told to has not', 0, { status: 'stopped', lastError: null }],
  ])('an application that %s, and the next visit starts it', async (_what, code, status) => {
    await using app = await startTestApp();
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    const { id } = await containerOf(app);
    app.engine.down();
    app.engine.exit(id, code);
    expect(await statusOf(app)).toMatchObject({ status: 'running' });
    app.engine.up();
    await eventually(async () => (await statusOf(app)).status !== 'running' && (await app.engine.list()).length === 0, { what: 'its end is known' });
    await eventually(async () => { expect(await statusOf(app)).toMatchObject(status); return true; }, { what: 'it is said so' });
    expect((await app.get(host, '/')).status).toBe(200);
    expect([app.engine.calls.build, app.engine.calls.start]).toEqual([1, 2]);
  });

  it('a container that got another address is given up, and another one serves', async () => {
    await using app = await startTestApp();
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    const { id } = await containerOf(app);
    app.engine.cutEvents();
    app.engine.readdress(id, { address: '10.213.0.99', port: 3000 });
    app.engine.mendEvents();
    await eventually(async () => (await app.engine.list()).length === 0, { what: 'it is cleared away' });
    expect((await app.get(host, '/')).status).toBe(200);
    expect(app.engine.calls.start).toBe(2);
  });

  it('a preview that runs on is left alone', async () => {
    await using app = await startTestApp();
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    const lists = app.engine.calls.list;
    app.engine.down();
    app.engine.up();
    await eventually(() => app.engine.calls.list > lists, { what: 'the engine is asked what it has' });
    expect((await app.get(host, '/')).status).toBe(200);
    expect([app.engine.calls.start, app.engine.calls.inspect]).toEqual([1, 0]);
  });

  it('is found after five minutes at the latest, though no event is ever heard', async () => {
    const clock = createFakeClock();
    await using app = await startTestApp({ clock, settings: { 'idle.stop': '60m' } });
    await app.get(app.commitHost(app.repository.head()), '/');
    const { id, image } = await containerOf(app);
    app.engine.cutEvents();
    await app.engine.remove(id);
    await app.engine.removeImage(image);
    await clock.advance(4 * MINUTE);
    expect(await statusOf(app)).toMatchObject({ status: 'running' });
    await clock.advance(MINUTE);
    await becomes(app, 'unknown');
  });
});

describe('a storm of events', () => {
  it('INV7: asks for each image once, one after the other, and does not keep other events waiting', async () => {
    await using app = await startTestApp();
    await app.get(app.commitHost(app.repository.head()), '/');
    const { id, project } = await containerOf(app);
    const pruned = Array.from({ length: 300 }, (_, n) => app.engine.addImage({ project, key: n.toString(16).padStart(64, '0') as BuildKey }));
    const answer = app.engine.hold('image');
    const asked = app.engine.calls.image;
    for (const image of pruned) for (let name = 0; name < 3; name += 1) app.engine.untag(image);
    await app.engine.remove(id);
    await becomes(app, 'stopped');
    expect(app.engine.calls.image - asked).toBe(1);
    answer();
    await until(() => app.engine.calls.image - asked >= 300, 'all are asked for');
    await becomes(app, 'stopped');
    expect(app.engine.calls.image - asked).toBeLessThanOrEqual(301);
  });
});
