import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { eventually } from '../support/eventually.js';
import { gate, NAVIGATION, startTestApp, type TestApp } from '../support/test-app.js';
import { startTwoProjects } from './several-projects.js';

interface Facts {
  readonly machine: { cpus: number; node: string; process: { rssBytes: number }; disk: { freeBytes: number } | null };
  readonly engine: { version?: string; builder?: string; storageDriver?: string; error: string | null; protections: { name: string; holds: boolean | null }[] };
  readonly queue: { building: { id: string; project: string }[]; waiting: { id: string; project: string; position: number }[]; startedLastMinute: number; limits: Record<string, number> };
  readonly bounds: Record<string, { now: number; most: number | null }>;
  readonly failures: { count: number; last: { origin: string; message: string }[] };
  readonly loops: { name: string; project: string | null; passes: number; periodMs: number; lastAt: string | null }[];
  readonly mirrors: { project: string; repository: string; branches: number; tags: number; refreshedAt: string | null; fault: { message: string } | null }[];
}

const factsOf = async (app: TestApp, host = 'localhost') => JSON.parse((await app.get(host, '/debug')).text) as Facts;
const page = async (app: TestApp, host = 'localhost') => (await app.get(host, '/debug', { headers: NAVIGATION })).text;

describe('/debug', () => {
  it('D9: has machine, engine, protections, loops and mirrors', async () => {
    await using app = await startTestApp();
    const { machine, engine, loops, mirrors, failures } = await factsOf(app);
    expect([machine.node, machine.cpus > 0, machine.process.rssBytes > 0, (machine.disk?.freeBytes ?? 0) > 0]).toEqual([process.version, true, true, true]);
    expect(engine).toMatchObject({ version: 'fake', builder: 'buildkit', storageDriver: 'memory', error: null });
    expect(engine.protections.map(({ holds }) => holds)).toEqual([false, null, true]);
    expect(loops.map(({ name, project }) => (project === null ? name : `${name} ${project}`))).toEqual(expect.arrayContaining(['compare with the engine', 'fetch repository', 'follow branches', 'idle instances', 'measure the event loop', 'save last uses', 'sweep sessions']));
    expect(mirrors).toMatchObject([{ project: 'repository', branches: 1, tags: 0, fault: null }]);
    expect(failures).toEqual({ count: 0, last: [] });
    const text = await page(app);
    for (const part of [process.version, 'Nothing is limited in memory.', 'idle instances', 'badge-missing', 'badge-holds', 'badge-unclear']) expect(text).toContain(part);
  });

  it('D9: has what is built, what waits with its place, and how many began in a minute', async () => {
    const { opened, open } = gate();
    await using app = await startTestApp({
      settings: { 'builds.concurrency': '1' }, builds: () => ({ until: opened }),
      prepare: (repository) => { for (const branch of ['one', 'two']) { repository.git('checkout', '--quiet', 'main'); repository.commit({ [branch]: branch }, { branch }); } },
    });
    const opens: Promise<unknown>[] = [];
    for (const [index, branch] of ['main', 'one', 'two'].entries()) {
      opens.push(app.open(`branch=${branch}`));
      await eventually(async () => { const { queue } = await factsOf(app); return queue.building.length + queue.waiting.length === index + 1; }, { what: `the build of ${branch}` });
    }
    const { queue, bounds } = await factsOf(app);
    expect([queue.building.length, queue.waiting.map(({ position }) => position), queue.startedLastMinute, queue.limits]).toEqual([1, [1, 2], 1, { concurrency: 1, perMinute: 1_000, queue: 100 }]);
    expect(bounds.buildsWaiting).toEqual({ now: 2, most: 100 });
    const text = await page(app);
    for (const { id } of [...queue.building, ...queue.waiting]) expect(text).toContain(`href="/builds/${id}"`);
    open();
    await Promise.all(opens);
  });

  it('D9: counts what is held, in flight, streamed and connected, and how far each may grow', async () => {
    const answered = gate();
    const built = gate();
    await using app = await startTestApp({
      builds: ({ tags }) => (tags[0]?.endsWith(app.repository.head('slow')) ? { until: built.opened } : {}), prepare: (repository) => { repository.commit({ slow: 'yes' }, { branch: 'slow' }); },
      program: () => ({ serve: (req, res) => { if (req.url === '/hang') void answered.opened.then(() => res.end()); else res.end(); } }),
    });
    const [main, slow] = [app.commitHost(app.repository.head('main')), app.commitHost(app.repository.head('slow'))];
    await app.get(main, '/');
    const asked = [app.get(main, '/hang'), app.get(slow, '/'), app.get(slow, '/')];
    await eventually(async () => { const { bounds } = await factsOf(app); return bounds.requestsInFlight?.now === 1 && bounds.requestsHeld?.now === 2; }, { what: 'one in flight and two held' });
    const { bounds } = await factsOf(app);
    expect(bounds).toMatchObject({ requestsHeld: { now: 2, most: 5_000 }, containers: { now: 1, most: 50 }, eventStreams: { now: 0 }, sessions: { now: 0, most: 10_000 }, connections: { most: 10_000 } });
    expect(bounds.connections?.now).toBeGreaterThanOrEqual(4);
    await app.control(`/confirm?action=restart&preview=branch-main`, { headers: NAVIGATION });
    expect((await factsOf(app)).bounds.sessions?.now).toBe(1);
    answered.open();
    built.open();
    await Promise.all(asked);
  });

  it('D9: says that the engine does not answer, and all else', async () => {
    await using app = await startTestApp();
    app.engine.down();
    const { engine, mirrors } = await factsOf(app);
    expect([engine.error, engine.version, engine.protections, mirrors.length]).toEqual([expect.stringContaining('No container engine answers') as string, undefined, [], 1]);
    expect(await page(app)).toContain('No container engine answers');
  });

  it('D9: has the failures that ended earlier processes', async () => {
    await using app = await startTestApp();
    writeFileSync(join(app.stateDir, 'failures.json'), JSON.stringify({ count: 7, last: [{ at: Date.UTC(2026, 0, 1), origin: 'unhandledRejection', message: '<b>nobody</b> caught me' }] }));
    expect((await factsOf(app)).failures).toMatchObject({ count: 7, last: [{ origin: 'unhandledRejection' }] });
    expect(await page(app)).toContain('&lt;b&gt;nobody&lt;/b&gt; caught me');
  });

  it('D9: on a project’s host has its repository and builds only, and on the server host links to the projects’ hosts', async () => {
    const { opened, open } = gate();
    await using two = await startTwoProjects({ builds: () => ({ until: opened }) });
    const { app, at } = two;
    const opens = ['shop', 'blog'].map((project) => app.get(`branch-main.${project}.localhost`, '/'));
    await eventually(async () => (await factsOf(app)).queue.building.length === 2, { what: 'two builds' });
    const { queue, mirrors } = await factsOf(app, 'shop.localhost');
    expect([queue.building.map(({ project }) => project), mirrors.map(({ project }) => project)]).toEqual([['shop'], ['shop']]);
    const blogs = (await factsOf(app)).queue.building.find(({ project }) => project === 'blog');
    expect(await page(app)).toContain(`href="${at('blog.localhost', `/builds/${blogs?.id ?? ''}`)}"`);
    expect(await page(app, 'shop.localhost')).not.toContain('blog');
    open();
    await Promise.all(opens);
  });
});
