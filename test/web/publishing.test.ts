import type { CommitHash } from '../../src/domain/ids.js';
import { eventually } from '../support/eventually.js';
import { startStagedApp, type StagedApp } from '../support/staged-app.js';
import { echo, gate, type Gate } from '../support/test-app.js';

const serves = async (app: StagedApp) => (await app.read<{ commit: string | null }>('stages/dev')).commit;
const releases = async (app: StagedApp) => (await app.read<{ id: string }[]>('releases?stage=dev')).map(({ id }) => id);

/** A stage with two releases, and a publish of a third commit whose build goes on until `open`. */
async function startSlowPublish(publish: string | null = null) {
  let [slow, bad] = ['' as CommitHash, ''];
  /** What is built until it is opened. */
  const gates = new Map<string, Gate>();
  const app = await startStagedApp({
    change: (project) => ({ ...project, publish }),
    builds: ({ tags }) => { const [, held] = [...gates].find(([commit]) => tags.some((tag) => tag.endsWith(commit))) ?? []; return held ? { until: held.opened } : {}; },
    program: (spec) => (spec.commit === bad ? { exits: { code: 1 } } : { serve: echo(spec) }),
  });
  const building = (wanted = slow) => eventually(async () => (await app.read<{ commit: string; status: string }[]>('builds')).some(({ commit, status }) => commit === wanted && status === 'building'), { what: 'the slow one is built' });
  const begin = (name = 'slow') => { slow = app.repository.commit({ [name]: name }); gates.set(slow, gate()); return slow; };
  return { app, open: (commit = slow) => { gates.get(commit)?.open(); }, slow: () => slow, breakDown: (commit: string) => { bad = commit; }, begin, building, [Symbol.asyncDispose]: app[Symbol.asyncDispose] };
}

describe('M3: a publish whose build takes long', () => {
  it.each(['rollback', 'publish'])('takes no %s back that came meanwhile: 409, and nothing is changed', async (what) => {
    await using house = await startSlowPublish();
    const { app } = house;
    const first = await app.run('a');
    await app.run('b');
    const asked = app.post('publish', { commit: house.begin(), by: 'early' });
    await house.building();
    const other = app.repository.commit({ c: 'c' });
    expect((await (what === 'rollback' ? app.post('stages/dev/rollback') : app.post('publish', { commit: other }))).status).toBe(200);
    const before = await releases(app);
    house.open();
    const refused = await asked;
    expect([refused.status, refused.json().error]).toEqual([409, 'route_moved']);
    expect(await serves(app)).toBe(what === 'rollback' ? first.commit : other);
    expect(await releases(app)).toEqual(before);
    expect(await app.read('stages/dev')).toMatchObject({ lastError: null });
  });

  it('counts as asked for later than one that was asked for before it and came first', async () => {
    await using house = await startSlowPublish();
    const { app } = house;
    await app.run('a');
    const quick = app.repository.commit({ quick: 'quick' });
    // Built before, so that it only waits for its turn.
    await app.open(`hash=${quick}`);
    const commit = house.begin();
    const [early, late] = [app.post('publish', { commit: quick }), app.post('publish', { commit })];
    expect((await early).status).toBe(200);
    await house.building();
    house.open();
    expect((await late).status).toBe(200);
    expect(await serves(app)).toBe(commit);
  });

  it('remembers which publish serves though a later one failed', async () => {
    await using house = await startSlowPublish();
    const { app } = house;
    await app.run('a');
    const bad = app.repository.commit({ bad: 'bad' });
    house.breakDown(bad);
    const quick = house.begin('quick');
    const early = app.post('publish', { commit: quick });
    await house.building();
    const commit = house.begin();
    const late = app.post('publish', { commit });
    await house.building();
    house.open(quick);
    expect((await early).status).toBe(200);
    expect((await app.post('publish', { commit: bad })).json().error).toBe('crashed');
    house.open();
    expect((await late).status).toBe(200);
    expect(await serves(app)).toBe(commit);
  });

  it('goes on when nothing but a variable was set meanwhile, and takes it up', async () => {
    await using house = await startSlowPublish();
    const { app } = house;
    await app.run('a');
    const asked = app.post('publish', { commit: house.begin() });
    await house.building();
    expect((await app.post('config', { set: { COLOUR: 'red' } })).status).toBe(200);
    house.open();
    expect((await asked).status).toBe(200);
    expect(await app.shown()).toMatchObject({ commit: house.slow(), env: { COLOUR: 'red' } });
  });

  it('goes on neither when what was decided meanwhile had a variable set after it', async () => {
    await using house = await startSlowPublish();
    const { app } = house;
    await app.run('a');
    const asked = app.post('publish', { commit: house.begin() });
    await house.building();
    const other = app.repository.commit({ c: 'c' });
    expect((await app.post('publish', { commit: other })).status).toBe(200);
    expect((await app.post('config', { set: { COLOUR: 'red' } })).status).toBe(200);
    house.open();
    expect((await asked).json().error).toBe('route_moved');
    expect(await app.shown()).toMatchObject({ commit: other, env: { COLOUR: 'red' } });
  });

  it.each(['publish', 'run'])('by itself takes no %s back that came meanwhile, and goes on with the next commit', async (what) => {
    await using house = await startSlowPublish('main');
    const { app } = house;
    const is = (commit: string) => eventually(async () => await serves(app) === commit, { what: `dev serves ${commit}` });
    await is(app.repository.head());
    const fix = app.repository.commit({ fix: 'fix' }, { branch: 'hotfix' });
    await app.fetch(house.begin());
    await house.building();
    if (what === 'publish') expect((await app.post('publish', { commit: fix })).status).toBe(200);
    else {
      const { build } = (await app.open(`hash=${fix}`)).json() as { build: { id: string } };
      const { id } = (await app.post('releases', { build: build.id, stage: 'dev' })).json();
      expect((await app.post('stages/dev/run', { release: id })).status).toBe(200);
    }
    const before = await releases(app);
    house.open();
    await eventually(() => app.log.recent().some(({ message, fields }) => message === 'branch not published' && fields.code === 'route_moved'), { what: 'it is not published' });
    expect([await serves(app), await releases(app)]).toEqual([fix, before]);
    const next = app.repository.commit({ next: 'next' }, { branch: 'main' });
    await app.fetch(next);
    await is(next);
  });

  it('by itself does not undo a rollback that was made while it was built, and goes on with the next commit', async () => {
    await using house = await startSlowPublish('main');
    const { app } = house;
    const is = (commit: string) => eventually(async () => await serves(app) === commit, { what: `dev serves ${commit}` });
    const first = app.repository.head();
    await is(first);
    const second = app.repository.commit({ b: 'b' });
    await app.fetch(second);
    await is(second);
    await app.fetch(house.begin());
    await house.building();
    expect((await app.post('stages/dev/rollback')).status).toBe(200);
    const before = await releases(app);
    house.open();
    await eventually(() => app.log.recent().some(({ message, fields }) => message === 'branch not published' && fields.code === 'route_moved'), { what: 'it is not published' });
    expect([await serves(app), await releases(app)]).toEqual([first, before]);
    const next = app.repository.commit({ next: 'next' });
    await app.fetch(next);
    await is(next);
  });
});

it('L1: the log names who asked, and says of a publish that moved nothing that it did not', async () => {
  await using app = await startStagedApp();
  await app.post('publish', { branch: 'main', by: 'alice' });
  await app.post('publish', { branch: 'main', by: 'bob' });
  const said = app.log.recent().filter(({ message }) => message.startsWith('route ')).map(({ message, fields }) => [message, fields.by, fields.release]);
  expect(said.toReversed()).toEqual([['route moved', 'alice', 1], ['route serves it already', 'bob', 1]]);
});
