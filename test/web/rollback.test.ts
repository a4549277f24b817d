import { eventually } from '../support/eventually.js';
import { removeImageOf, startStagedApp, type StagedApp } from '../support/staged-app.js';
import { gate } from '../support/test-app.js';

const ids = async (app: StagedApp, stage = 'dev') => (await app.read<{ id: string; rollbackOf: string | null; reason: string }[]>(`releases?stage=${stage}`));
const back = (app: StagedApp, body: object = {}, stage = 'dev') => app.post(`stages/${stage}/rollback`, body);

describe('rolling back a stage', () => {
  it('X6: appends the release before as a new one; twice goes two steps back, and then there is nothing earlier', async () => {
    await using app = await startStagedApp();
    const a = await app.run('a');
    const b = await app.run('b');
    await app.run('c');
    const builds = app.engine.builds.length;
    const first = await back(app, { by: 'alice' });
    expect(first.json()).toMatchObject({ route: 'dev', release: { reason: 'rollback', rollbackOf: b.id, commit: b.commit, by: 'alice' } });
    expect(await app.shown()).toMatchObject({ commit: b.commit });
    const second = await back(app);
    expect(second.json()).toMatchObject({ release: { rollbackOf: a.id, commit: a.commit } });
    expect(await app.shown()).toMatchObject({ commit: a.commit });
    const third = await back(app);
    expect([third.status, third.json().error]).toEqual([404, 'nothing_earlier']);
    expect(app.engine.builds).toHaveLength(builds);
    expect(await app.shown()).toMatchObject({ commit: a.commit });
  });

  it('X6: goes to a release that is named, and not to the one that serves', async () => {
    await using app = await startStagedApp();
    const a = await app.run('a');
    await app.run('b');
    const c = await app.run('c');
    expect((await back(app, { to: c.id })).json().error).toBe('already_served');
    expect((await back(app, { to: a.id })).json()).toMatchObject({ release: { rollbackOf: a.id, commit: a.commit } });
    expect((await back(app, { to: a.id })).json().error).toBe('already_served');
    expect((await back(app, { to: 'v99' })).json().error).toBe('unknown_release');
    expect((await back(app, { to: a.id, hops: 1 })).json().error).toBe('invalid_request');
    expect((await back(app, { to: c.id })).json()).toMatchObject({ release: { rollbackOf: c.id, commit: c.commit } });
    expect((await back(app, { hops: 2 })).json()).toMatchObject({ release: { rollbackOf: a.id } });
    expect((await back(app, {}, 'prod')).json().error).toBe('nothing_released');
  });

  it('X8: leaves the rows there were as they were', async () => {
    await using app = await startStagedApp();
    await app.run('a');
    await app.run('b');
    const before = await ids(app);
    await back(app);
    expect((await ids(app)).slice(1)).toEqual(before);
  });

  it('X9: brings its configuration back with it, which a restart does not take away', async () => {
    await using app = await startStagedApp();
    const { id } = await app.run('a');
    await app.post('config?stage=dev', { set: { COLOUR: 'red' } });
    expect((await app.shown()).env).toMatchObject({ COLOUR: 'red' });
    await back(app, { to: id });
    expect((await app.shown()).env).not.toHaveProperty('COLOUR');
    const before = await ids(app);
    await app.restart();
    expect((await app.shown()).env).not.toHaveProperty('COLOUR');
    expect(await ids(app)).toEqual(before);
  });

  it('says that an image is gone, and builds it again when asked to', async () => {
    await using app = await startStagedApp();
    const a = await app.run('a');
    await app.run('b');
    await removeImageOf(app, a.id);
    const gone = await back(app);
    expect([gone.status, gone.json().error]).toEqual([410, 'image_gone']);
    expect(gone.json().message).toContain(a.commit);
    const builds = app.engine.builds.length;
    expect((await back(app, { rebuild: true })).json()).toMatchObject({ release: { rollbackOf: a.id, commit: a.commit } });
    expect(app.engine.builds).toHaveLength(builds + 1);
    expect(await app.shown()).toMatchObject({ commit: a.commit });
  });

  it('X7: a rebuilt release says which build its image is of', async () => {
    await using app = await startStagedApp();
    const a = await app.run('a');
    await app.run('b');
    await removeImageOf(app, a.id);
    const { release } = (await back(app, { rebuild: true })).json() as { release: { build: string; image: string } };
    const [newest] = await app.read<{ id: string; image: string; commit: string }[]>(`builds?hash=${a.commit}`);
    expect([release.build, release.image]).toEqual([newest?.id, newest?.image]);
    expect((await app.read<{ build: string }>(`releases/${a.id}`)).build).not.toBe(release.build);
  });

  it('lets others change the stage while it builds again, and leaves what they decided', async () => {
    const { opened, open } = gate();
    let isSlow = false;
    await using app = await startStagedApp({ builds: () => (isSlow ? { until: opened } : {}) });
    const [a, b, c] = [await app.run('a'), await app.run('b'), await app.run('c')];
    await removeImageOf(app, b.id);
    const builds = app.engine.builds.length;
    isSlow = true;
    const rebuilding = back(app, { rebuild: true });
    await eventually(() => app.engine.builds.length > builds, { what: 'it builds' });
    expect((await back(app, { to: a.id })).status).toBe(200);
    open();
    const late = await rebuilding;
    expect([late.status, late.json().error]).toEqual([409, 'route_moved']);
    expect(await app.shown()).toMatchObject({ commit: a.commit });
    expect((await back(app, { to: c.id })).status).toBe(200);
  });

  it('goes where it was to go when a variable is set while it builds again', async () => {
    const { opened, open } = gate();
    let isSlow = false;
    await using app = await startStagedApp({ builds: () => (isSlow ? { until: opened } : {}) });
    const a = await app.run('a');
    await app.run('b');
    await removeImageOf(app, a.id);
    const builds = app.engine.builds.length;
    isSlow = true;
    const rebuilding = back(app, { rebuild: true });
    await eventually(() => app.engine.builds.length > builds, { what: 'it builds' });
    expect((await app.post('config', { set: { COLOUR: 'red' } })).status).toBe(200);
    open();
    expect((await rebuilding).json()).toMatchObject({ release: { reason: 'rollback', rollbackOf: a.id, commit: a.commit } });
    expect(await app.shown()).toMatchObject({ commit: a.commit });
  });

  it('builds again also what failed to build before', async () => {
    let isBroken = false;
    await using app = await startStagedApp({ builds: () => (isBroken ? { fail: 'no room' } : {}) });
    const a = await app.run('a');
    await app.run('b');
    await removeImageOf(app, a.id);
    isBroken = true;
    expect((await back(app, { rebuild: true })).json().error).toBe('build_failed');
    isBroken = false;
    expect((await back(app, { rebuild: true })).json()).toMatchObject({ release: { rollbackOf: a.id } });
  });

  it('answers the second of two at once that the stage is busy', async () => {
    await using app = await startStagedApp();
    await app.run('a');
    await app.run('b');
    await app.run('c');
    const both = await Promise.all([back(app), back(app)]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(both.find(({ status }) => status === 409)?.json().error).toBe('route_busy');
    expect((await ids(app)).filter(({ reason }) => reason === 'rollback')).toHaveLength(1);
  });
});

describe('rolling back a branch', () => {
  it('holds until a commit comes that was never there', async () => {
    await using app = await startStagedApp();
    const branch = async () => (await app.get('branch-main.localhost', '/')).json().commit;
    const first = app.repository.head();
    expect(await branch()).toBe(first);
    const bad = app.repository.commit({ bad: 'bad' });
    await app.fetch(bad);
    await eventually(async () => await branch() === bad, { what: 'the branch follows' });
    const moved = await app.post('previews/branch-main/rollback');
    expect(moved.json()).toMatchObject({ route: 'branch-main', release: { commit: first, reason: 'rollback' } });
    expect(await branch()).toBe(first);
    await app.restart();
    expect(await branch()).toBe(first);
    for (const { id } of await app.engine.list()) await app.engine.remove(id);
    await eventually(async () => (await app.get('branch-main.localhost', '/')).status === 200, { what: 'it is open again' });
    expect(await branch()).toBe(first);
    const good = app.repository.commit({ good: 'good' });
    await app.fetch(good);
    await eventually(async () => await branch() === good, { what: 'the branch follows again' });
  });

  it('holds though the tip is another commit of the content that was rolled back, and through a changed configuration', async () => {
    await using app = await startStagedApp();
    const shown = async () => (await app.get('branch-main.localhost', '/')).json() as { commit: string; env: Record<string, string> };
    const first = app.repository.head();
    expect((await shown()).commit).toBe(first);
    const bad = app.repository.commit({ bad: 'bad' });
    await app.fetch(bad);
    await eventually(async () => (await shown()).commit === bad, { what: 'the branch follows' });
    // The same content again: no release of its own.
    const same = app.repository.commit({});
    await app.fetch(same);
    await app.post('previews/branch-main/rollback');
    expect((await shown()).commit).toBe(first);
    expect((await app.post('config', { set: { COLOUR: 'red' } })).json()).toMatchObject({ changed: true, releases: [{ route: 'branch-main', error: null }] });
    expect(await shown()).toMatchObject({ commit: first, env: { COLOUR: 'red' } });
    for (const { id } of await app.engine.list()) await app.engine.remove(id);
    await app.post('config', { set: { COLOUR: 'blue' } });
    // Whoever follows the branch may start it with the configuration of before, which then goes on until the new one is healthy.
    await eventually(async () => (await shown()).env.COLOUR === 'blue', { what: 'it runs with the new configuration' });
    expect((await shown()).commit).toBe(first);
    await app.restart();
    expect(await shown()).toMatchObject({ commit: first, env: { COLOUR: 'blue' } });
  });

  it('is refused for a commit, which has one release to go to', async () => {
    await using app = await startStagedApp();
    const commit = app.repository.head();
    await app.open(`hash=${commit}`);
    expect((await app.post(`previews/hash-${commit}/rollback`)).json()).toMatchObject({ error: 'invalid_request' });
    expect((await app.post('previews/branch-nothing/rollback')).json().error).toBe('unknown_preview');
  });
});
