import { countReads, type CountedReads } from '../support/counted-reads.js';
import type { FakeBuild } from '../support/fake-engine.js';
import { openEvents, type EventViewer } from '../support/sse.js';
import { gate, startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';
import { until } from '../support/until.js';

const EVENTS = '/__slipway/events';
const MANY = 40;

interface Counted extends AsyncDisposable {
  readonly app: TestApp;
  readonly reads: CountedReads;
}

/** A server whose reads are counted. */
async function startCounted(options: TestAppOptions = {}): Promise<Counted> {
  const reads = countReads();
  const app = await startTestApp({ ...options, watchDatabase: reads.watch });
  return { app, reads, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

const withBranches = (...names: string[]): Pick<TestAppOptions, 'prepare'> => ({ prepare: (repository) => { for (const name of names) repository.commit({ [name]: name }, { branch: name }); } });

/** Many viewers of one preview, each of whom has its state. */
async function openMany(app: TestApp, host: string, path = EVENTS): Promise<readonly EventViewer[]> {
  const viewers = await Promise.all(Array.from({ length: MANY }, () => openEvents(app, { host, path })));
  await Promise.all(viewers.map((viewer) => viewer.until(({ event }) => event === 'state')));
  return viewers;
}

const end = (viewers: readonly EventViewer[]) => { for (const viewer of viewers) viewer[Symbol.dispose](); };

/** Every status read looks for the builds of the commit, and of the key where it is known. */
const READS_OF_A_STATUS = 2;

/** How many more reads of builds there were. */
async function readsDuring({ reads }: Pick<Counted, 'reads'>, work: () => Promise<unknown>): Promise<number> {
  const before = reads.of('builds');
  await work();
  return reads.of('builds') - before;
}

describe('INV7: many event streams of one preview', () => {
  it('of one that runs cost one read of its status, and open nothing', async () => {
    await using counted = await startCounted();
    const { app, reads } = counted;
    await app.open('branch=main');
    const looks = app.engine.calls.image;
    let viewers: readonly EventViewer[] = [];
    const read = await readsDuring(counted, async () => { viewers = await openMany(app, app.commitHost(app.repository.head())); });
    expect(viewers.map(({ events }) => events[0]?.data.state)).toEqual(Array.from({ length: MANY }, () => 'running'));
    expect(read).toBeLessThanOrEqual(READS_OF_A_STATUS);
    expect(app.engine.calls.image).toBe(looks);
    expect(reads.of('routes')).toBeGreaterThan(0);
    end(viewers);
  });

  it('cost one read for each change, and all hear of it', async () => {
    const { opened, open } = gate();
    await using counted = await startCounted({ builds: () => ({ lines: ['one'], until: opened }) });
    const { app } = counted;
    const viewers = await openMany(app, app.commitHost(app.repository.head()));
    await Promise.all(viewers.map((viewer) => viewer.until(({ data }) => data.state === 'building')));
    const read = await readsDuring(counted, async () => {
      open();
      await Promise.all(viewers.map((viewer) => viewer.until(({ data }) => data.state === 'running')));
    });
    // From the end of the build to the end of the opening less than ten things change.
    expect(read).toBeLessThan(10 * READS_OF_A_STATUS);
    expect(app.engine.calls).toMatchObject({ build: 1, start: 1 });
    end(viewers);
  });

  it('cost nothing when another preview of the project is built, started and stopped', async () => {
    await using counted = await startCounted(withBranches('other', 'alone'));
    const { app } = counted;
    await app.open('branch=main');
    const alone = await readsDuring(counted, () => app.open('branch=alone'));
    const viewers = await openMany(app, app.commitHost(app.repository.head('main')));
    expect(await readsDuring(counted, () => app.open('branch=other'))).toBe(alone);
    expect(viewers.every(({ events }) => events.length === 1)).toBe(true);
    end(viewers);
  });

  it('hear of a build of the same key for another commit', async () => {
    const { opened, open } = gate();
    const twin = 'twin';
    await using counted = await startCounted({
      builds: (): FakeBuild => ({ until: opened }), files: { 'Dockerfile': 'FROM scratch\n', '.dockerignore': 'notes\n' },
      prepare: (repository) => { repository.commit({ notes: 'not sent' }, { branch: twin }); },
    });
    const { app } = counted;
    using first = await openEvents(app, { host: app.commitHost(app.repository.head('main')), path: EVENTS });
    await first.until(({ data }) => data.state === 'building');
    using second = await openEvents(app, { host: app.commitHost(app.repository.head(twin)), path: EVENTS });
    // Pending before its key is known, building after: a slow machine may show the second alone.
    await second.until(({ data }) => data.state === 'pending' || data.state === 'building');
    open();
    await second.until(({ data }) => data.state === 'running');
    expect(app.engine.calls.build).toBe(1);
  });

  it('share the read with those of the status page', async () => {
    await using counted = await startCounted();
    const { app } = counted;
    await app.open('branch=main');
    const label = app.commitHost(app.repository.head()).split('.')[0] ?? '';
    using first = await openEvents(app, { host: app.commitHost(app.repository.head()), path: EVENTS });
    await first.until(({ event }) => event === 'state');
    const one = await readsDuring(counted, async () => {
      using viewer = await openEvents(app, { host: app.host, path: `/api/previews/${label}/events` });
      await viewer.until(({ event }) => event === 'state');
    });
    // The page itself reads the status once, to know which application’s log to show.
    expect(one).toBeLessThanOrEqual(READS_OF_A_STATUS);
  });
});

describe('a new watcher', () => {
  it('of a preview whose build failed begins no opening', async () => {
    await using counted = await startCounted({ builds: () => ({ fail: 'no' }) });
    const { app, reads } = counted;
    await app.open('branch=main');
    const before = reads.of('source_keys') + app.engine.calls.image;
    using viewer = await openEvents(app, { host: app.commitHost(app.repository.head()), path: EVENTS });
    await viewer.until(({ data }) => data.state === 'error');
    await app.control('/healthz');
    // One look at the key belongs to the status.
    expect(reads.of('source_keys') + app.engine.calls.image - before).toBeLessThanOrEqual(1);
    expect(viewer.events).toHaveLength(1);
  });

  it('of a preview that was stopped opens it', async () => {
    await using counted = await startCounted({ settings: { 'idle.stop': '1s' } });
    const { app } = counted;
    await app.open('branch=main');
    await until(async () => (await app.engine.list()).length === 0, 'it is stopped');
    using viewer = await openEvents(app, { host: app.commitHost(app.repository.head()), path: EVENTS });
    await viewer.until(({ data }) => data.state === 'running');
    expect(app.engine.calls).toMatchObject({ build: 1, start: 2 });
  });
});

describe('INV7: event streams are bounded', () => {
  it('for one address, which is told when to come again, and shown to maintainers', async () => {
    await using app = await startTestApp();
    const host = app.commitHost(app.repository.head());
    await app.open('branch=main');
    const viewers = await Promise.all(Array.from({ length: 64 }, () => openEvents(app, { host, path: EVENTS })));
    const refused = await app.get(host, EVENTS);
    expect([refused.status, refused.json().error, refused.headers['retry-after']]).toEqual([429, 'too_many_requests', '5']);
    const build = await app.control('/api/builds');
    const [{ id }] = JSON.parse(build.text) as [{ id: string }];
    expect((await app.control(`/api/builds/${id}/events`)).status).toBe(429);
    expect((await app.control('/debug', { headers: { accept: 'text/html' } })).text).toMatch(/Open event streams[\s\S]*?64[\s\S]*?2,000/);
    end(viewers);
    await until(async () => (await app.get(host, '/__slipway/state')).status === 200 && await reopens(app, host), 'there is room again');
  });
});

async function reopens(app: TestApp, host: string): Promise<boolean> {
  using viewer = await openEvents(app, { host, path: EVENTS });
  return viewer.status === 200;
}

describe('K18: many who ask at the same time how a preview is', () => {
  it('share reads of its status', async () => {
    await using counted = await startCounted();
    const { app } = counted;
    const host = app.commitHost(app.repository.head());
    await app.open('branch=main');
    const answers: Promise<unknown>[] = [];
    const read = await readsDuring(counted, async () => {
      for (let n = 0; n < 200; n += 1) answers.push(app.get(host, '/__slipway/state').then(({ status }) => status));
      expect(new Set(await Promise.all(answers))).toEqual(new Set([200]));
    });
    // Two hundred reads of their own would look for builds four hundred times.
    expect(read).toBeLessThan(200);
  });
});
