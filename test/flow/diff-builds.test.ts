import type { BuildId } from '../../src/domain/ids.js';
import { createDiffBuilds, type DiffBuilds } from '../../src/flow/diff-builds.js';
import type { BuiltImage } from '../../src/build/wanted.js';
import { startBuilds, wanted, type StartedBuilds } from '../build/started-builds.js';
import { gate } from '../support/test-app.js';

type Files = Readonly<Record<string, string>>;

interface Diffed extends AsyncDisposable {
  readonly house: StartedBuilds;
  readonly diff: DiffBuilds;
  /** Makes the image of a key, without cache, with these files in it. */
  build(n: number, files: Files): Promise<BuiltImage>;
}

async function startDiffed(): Promise<Diffed> {
  const next: Files[] = [];
  const house = await startBuilds({ script: () => ({ files: next.shift() ?? {} }) });
  return {
    house, diff: createDiffBuilds({ engine: house.engine, buildStore: house.store, clock: house.clock }),
    build: async (n, files) => { next.push(files); return (await house.builds.begin(wanted(n), { anew: true })).result; },
    [Symbol.asyncDispose]: () => house[Symbol.asyncDispose](),
  };
}

describe('P12: two builds of the same key', () => {
  it('differ in the files that were added, removed and changed, each sorted', async () => {
    await using world = await startDiffed();
    const first = await world.build(1, { 'same': 'x', 't': '1', 'a/old': '1', 'a/gone': '1' });
    await world.build(2, { t: 'of another key' });
    const second = await world.build(1, { 'same': 'x', 't': '2', 'a/old': '2', 'z/new': '1', 'b/new': '1' });
    expect(await world.diff(second.build)).toEqual({
      against: first.build.id, added: ['b/new', 'z/new'], removed: ['a/gone'], changed: ['a/old', 't'], counts: { added: 2, removed: 1, changed: 2 },
    });
    expect(second.image).not.toBe(first.image);
  });

  it('are compared with the newest before it, and with none after it', async () => {
    await using world = await startDiffed();
    const builds = [await world.build(1, { t: '1' }), await world.build(1, { t: '2' }), await world.build(1, { t: '2' })];
    const [first, second, third] = builds.map(({ build }) => build);
    if (!first || !second || !third) throw new Error('three builds');
    expect(await world.diff(third)).toMatchObject({ against: second.id, changed: [] });
    expect(await world.diff(second)).toMatchObject({ against: first.id, changed: ['t'] });
    await expect(world.diff(first)).rejects.toMatchObject({ code: 'nothing_to_compare', status: 404, message: `No other build made the key of ${first.id} before it.` });
  });

  it('pass over one whose image is gone, and say so when there is no other', async () => {
    await using world = await startDiffed();
    const [first, second, third] = [await world.build(1, { t: '1' }), await world.build(1, { t: '2' }), await world.build(1, { t: '3' })];
    await world.house.engine.removeImage(second.image);
    expect(await world.diff(third.build)).toMatchObject({ against: first.build.id, changed: ['t'] });
    await expect(world.diff(second.build)).rejects.toMatchObject({ code: 'build_image_gone', status: 410, message: `The image of ${second.build.id} is gone.` });
    await world.house.engine.removeImage(first.image);
    await expect(world.diff(third.build)).rejects.toMatchObject({ code: 'build_image_gone', message: expect.stringContaining(second.build.id) as string });
  });

  it('are nothing to compare where nothing was made', async () => {
    await using world = await startDiffed();
    const { build } = await world.build(1, {});
    const reused = { ...build, id: 'b_01ARZ3NDEKTSV4RRFFQ69G5FAV' as BuildId, status: 'reused' as const, reusedFrom: build.id };
    await expect(world.diff(reused)).rejects.toMatchObject({ code: 'nothing_to_compare', message: `${reused.id} made no image: it reused that of ${build.id}.` });
    await expect(world.diff({ ...build, status: 'failed', image: null })).rejects.toMatchObject({ code: 'nothing_to_compare', message: `${build.id} made no image: it is failed.` });
  });

  it('name ten thousand files of each kind and count the others', async () => {
    await using world = await startDiffed();
    const many = (letter: string) => Object.fromEntries(Array.from({ length: 10_050 }, (_, n) => [`${letter}/${String(n).padStart(5, '0')}`, letter]));
    await world.build(1, many('removed'));
    const { build } = await world.build(1, many('added'));
    const { added, removed, counts } = await world.diff(build);
    expect([added.length, added.at(-1), removed.length, counts]).toEqual([10_000, 'added/09999', 10_000, { added: 10_050, removed: 10_050, changed: 0 }]);
  });

  it('are read once for all who ask at the same time, two pairs at once', async () => {
    await using world = await startDiffed();
    const builds = [];
    for (const n of [1, 2, 3]) { await world.build(n, {}); builds.push((await world.build(n, {})).build); }
    const [first, second, third] = builds;
    if (!first || !second || !third) throw new Error('three builds');
    const { opened, open } = gate();
    const image = async (id: Parameters<typeof world.house.engine.image>[0]) => { await opened; return world.house.engine.image(id); };
    const diff = createDiffBuilds({ engine: { image, files: world.house.engine.files }, buildStore: world.house.store, clock: world.house.clock });
    const before = world.house.engine.calls.files;
    const asked = [diff(first), diff(first), diff(second)];
    await expect(diff(third)).rejects.toMatchObject({ code: 'too_busy' });
    open();
    await Promise.all(asked);
    expect(world.house.engine.calls.files - before).toBe(4);
    await expect(diff(third)).resolves.toMatchObject({ changed: [] });
  });

  it('are given up when they take too long', async () => {
    await using world = await startDiffed();
    await world.build(1, {});
    const { build } = await world.build(1, {});
    const signals: AbortSignal[] = [];
    const { opened, open } = gate();
    const files: StartedBuilds['engine']['files'] = async function* (_image, signal) { signals.push(signal); open(); await new Promise(() => undefined); yield { path: '', digest: '' }; };
    const comparing = createDiffBuilds({ engine: { image: world.house.engine.image, files }, buildStore: world.house.store, clock: world.house.clock })(build);
    comparing.catch(() => undefined);
    await opened;
    await world.house.clock.advance(10 * 60_000);
    await expect(comparing).rejects.toMatchObject({ code: 'engine_timeout' });
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });
});
