import type { ImageId } from '../../src/domain/ids.js';
import { keyOf, openContext, commitOf, PROJECT, RECIPE, startBuilds, wanted } from './started-builds.js';

describe('an image that is wanted', () => {
  it('K18: is built once for 100 who begin at the same time', async () => {
    await using house = await startBuilds();
    const begun = await Promise.all(Array.from({ length: 100 }, () => house.builds.begin(wanted(1))));
    await house.clock.advance(0);
    expect(new Set(begun.map(({ build }) => build.id)).size).toBe(1);
    house.finish(1);
    const images = new Set(await Promise.all(begun.map(async ({ result }) => (await result).image)));
    expect(images.size).toBe(1);
    expect(house.engine.calls.build).toBe(1);
    expect(await house.store.list(PROJECT, 10)).toHaveLength(1);
  });

  it('K18: is built once for 100 commits with the same bytes', async () => {
    await using house = await startBuilds();
    const begun = await Promise.all(Array.from({ length: 100 }, (_, n) => house.builds.begin(wanted(1, { commit: commitOf(n) }))));
    await house.clock.advance(0);
    house.finish(1);
    await Promise.all(begun.map(({ result }) => result));
    expect(house.engine.calls.build).toBe(1);
  });

  it('D6, D16: is made from recipe and context, with the commit in build arguments and both tags', async () => {
    await using house = await startBuilds({ script: () => ({ lines: ['step 1'] }) });
    const notes = ['Submodules are not fetched.'];
    const begun = await house.builds.begin(wanted(7, {
      recipe: { ...RECIPE, dockerfile: 'web/Dockerfile', target: 'prod', args: { REVISION: 'r-{commit}', MODE: 'x' }, platform: 'linux/amd64' },
      openContext: async () => ({ ...await openContext(), notes }),
    }));
    const { build, image } = await begun.result;
    expect(house.engine.builds[0]).toMatchObject({
      project: PROJECT, build: build.id, key: keyOf(7), dockerfile: 'web/Dockerfile', target: 'prod', platform: 'linux/amd64', noCache: false,
      args: { REVISION: `r-${commitOf(7)}`, MODE: 'x' }, tags: [`slipway/shop:${commitOf(7)}`, `slipway/shop:${keyOf(7).slice(0, 32)}`],
    });
    expect(build).toMatchObject({ status: 'succeeded', image, trigger: 'open', attempt: 1, error: null });
    const [first, ...rest] = await house.textsOf(build.id);
    expect(first).toContain(build.id);
    expect(rest).toEqual([...notes, 'step 1', expect.stringContaining(`built ${image}`) as string]);
    expect(await house.store.find(build.id)).toEqual(build);
  });

  it('tells listeners of each change, in order', async () => {
    await using house = await startBuilds();
    const seen: string[] = [];
    const unsubscribe = house.builds.onChange(({ status }) => { seen.push(status); });
    const { result } = await house.beginRunning(1);
    expect(house.builds.activeOf(PROJECT, keyOf(1))?.status).toBe('building');
    house.finish(1);
    await result;
    unsubscribe();
    expect(seen).toEqual(['queued', 'building', 'succeeded']);
    expect(house.builds.activeOf(PROJECT, keyOf(1))).toBeUndefined();
  });
});

describe('an image that is there', () => {
  it('is not built again: the same commit gets its own build back', async () => {
    await using house = await startBuilds({ script: () => ({}) });
    const first = await (await house.builds.begin(wanted(1))).result;
    const again = await house.builds.begin(wanted(1));
    expect(again.build.id).toBe(first.build.id);
    expect((await again.result).image).toBe(first.image);
    expect(house.engine.calls.build).toBe(1);
  });

  it('D16: serves another commit with the same key as “reused”, with a log line and the commit’s tag', async () => {
    await using house = await startBuilds({ script: () => ({}) });
    const first = await (await house.builds.begin(wanted(1))).result;
    const { build, image } = await (await house.builds.begin(wanted(1, { commit: commitOf(2) }))).result;
    expect(image).toBe(first.image);
    expect(build).toMatchObject({ status: 'reused', reusedFrom: first.build.id, commit: commitOf(2), image });
    expect(await house.textsOf(build.id)).toEqual([`reused build ${first.build.id} (build key ${keyOf(1).slice(0, 12)})`]);
    expect((await house.engine.image(image))?.tags).toEqual(expect.arrayContaining([`slipway/shop:${commitOf(1)}`, `slipway/shop:${commitOf(2)}`]));
    await house.builds.begin(wanted(1, { commit: commitOf(2) }));
    expect(await house.store.list(PROJECT, 10)).toHaveLength(2);
  });

  it('is found by its label when the records were lost', async () => {
    await using house = await startBuilds({ script: () => ({}) });
    const image = house.engine.addImage({ project: PROJECT, key: keyOf(1), tags: [`slipway/${PROJECT}:${keyOf(1).slice(0, 32)}`] });
    const { build, result } = await house.builds.begin(wanted(1));
    expect((await result).image).toBe(image);
    expect(build).toMatchObject({ status: 'reused', reusedFrom: null });
    expect(await house.textsOf(build.id)).toEqual([`reused build of another server (build key ${keyOf(1).slice(0, 12)})`]);
    expect(await house.images.ofKey(PROJECT, keyOf(1))).toMatchObject({ id: image });
    expect(house.engine.calls.build).toBe(0);
  });

  it('is not found by a label alone, which a Dockerfile can claim and a failed build leaves behind', async () => {
    await using house = await startBuilds({ script: () => ({}) });
    const good = house.engine.addImage({ project: PROJECT, key: keyOf(1), tags: [`slipway/${PROJECT}:${keyOf(1).slice(0, 32)}`] });
    const claimed = { project: PROJECT, createdAt: house.clock.now() + 1_000 };
    house.engine.addImage({ ...claimed, id: `sha256:${'1'.repeat(64)}` as ImageId, key: keyOf(1) });
    house.engine.addImage({ ...claimed, id: `sha256:${'2'.repeat(64)}` as ImageId, key: keyOf(2), tags: ['mine:1'] });
    expect((await (await house.builds.begin(wanted(1))).result).image).toBe(good);
    expect((await house.builds.begin(wanted(2))).build.status).toBe('queued');
  });

  it('K20: is built anew when it was removed behind our back', async () => {
    await using house = await startBuilds({ script: () => ({}) });
    const first = await (await house.builds.begin(wanted(1))).result;
    await house.engine.removeImage(first.image);
    const second = await (await house.builds.begin(wanted(1))).result;
    expect(second.build.id).not.toBe(first.build.id);
    expect(house.engine.calls.build).toBe(2);
    expect(await house.images.ofKey(PROJECT, keyOf(1))).toMatchObject({ id: second.image });
  });

  it('gets room for another one of the same key, recorded later, that is removed too', async () => {
    await using house = await startBuilds({ script: () => ({}) });
    const older = await (await house.builds.begin(wanted(1))).result;
    await house.clock.advance(1_000);
    const newer = await (await house.builds.begin(wanted(1), { anew: true })).result;
    await house.engine.removeImage(newer.image);
    const { build, image } = await (await house.builds.begin(wanted(1))).result;
    expect(image).toBe(older.image);
    expect(build).toMatchObject({ status: 'reused', reusedFrom: older.build.id });
    expect(house.engine.calls.build).toBe(2);
  });
});

describe('a build that failed', () => {
  const fails = { lines: ['npm error'], fail: 'executor failed running [npm ci]: exit code: 1' };

  it('D14: is remembered, by another server too, and not built again by the next visit', async () => {
    await using house = await startBuilds({ script: () => fails });
    const { result, build } = await house.builds.begin(wanted(1));
    await expect(result).rejects.toMatchObject({ code: 'build_failed', message: fails.fail, details: { lastLines: ['npm error'] } });
    await expect(house.builds.begin(wanted(1))).rejects.toMatchObject({ code: 'build_failed', message: fails.fail });
    await expect(house.another().begin(wanted(1))).rejects.toMatchObject({ code: 'build_failed' });
    expect(house.engine.calls.build).toBe(1);
    expect(await house.store.find(build.id)).toMatchObject({ status: 'failed', error: { code: 'build_failed', message: fails.fail } });
    expect((await house.textsOf(build.id)).at(-1)).toBe(`failed after 0.0 s: ${fails.fail}`);
  });

  it('D17: is built again ten seconds later when a registry did not let us in', async () => {
    let tries = 0;
    await using house = await startBuilds({ script: () => (++tries === 1 ? { code: 'registry_refused', fail: 'registry.example.com does not let us in' } : {}) });
    await expect((await house.builds.begin(wanted(1))).result).rejects.toMatchObject({ code: 'registry_refused' });
    await expect(house.builds.begin(wanted(1))).rejects.toMatchObject({ code: 'registry_refused', details: { retryAfterSeconds: 10 } });
    await house.clock.advance(10_000);
    await expect((await house.builds.begin(wanted(1))).result).resolves.toMatchObject({ build: { status: 'succeeded' } });
  });

  it.each([{ retry: true }, { anew: true }])('is built again for %j', async (options) => {
    let tries = 0;
    await using house = await startBuilds({ script: () => (++tries === 1 ? fails : {}) });
    await expect((await house.builds.begin(wanted(1))).result).rejects.toMatchObject({ code: 'build_failed' });
    const { build, result } = await house.builds.begin(wanted(1), options);
    await expect(result).resolves.toMatchObject({ build: { status: 'succeeded', noCache: options.anew ?? false } });
    expect(build.noCache).toBe(options.anew ?? false);
    expect(house.engine.calls.build).toBe(2);
  });

  it('K7: is tried again by the next visit when the engine was down', async () => {
    await using house = await startBuilds({ script: () => ({}) });
    const begun = await house.builds.begin(wanted(1));
    house.engine.down();
    await expect(begun.result).rejects.toMatchObject({ code: 'engine_unavailable' });
    house.engine.up();
    await expect((await house.builds.begin(wanted(1))).result).resolves.toMatchObject({ build: { status: 'succeeded' } });
    expect(await house.store.find(begun.build.id)).toMatchObject({ status: 'failed', error: { code: 'engine_unavailable' } });
  });

  it('is tried again by the next visit when the context could not be opened for a reason of ours', async () => {
    await using house = await startBuilds({ script: () => ({}) });
    const broken = wanted(1, { openContext: () => Promise.reject(new Error('secret path /x')) });
    const { build, result } = await house.builds.begin(broken);
    await expect(result).rejects.toMatchObject({ code: 'internal' });
    expect((await house.textsOf(build.id)).join('\n')).not.toContain('secret');
    await expect((await house.builds.begin(wanted(1))).result).resolves.toMatchObject({ build: { status: 'succeeded' } });
  });
});

describe('a build without cache', () => {
  it('takes the place of the one that runs, and is joined by others who ask for it', async () => {
    await using house = await startBuilds();
    const first = await house.beginRunning(1);
    const [second, joined] = await Promise.all([house.builds.begin(wanted(1), { anew: true }), house.builds.begin(wanted(1), { anew: true })]);
    await expect(first.result).rejects.toMatchObject({ code: 'build_replaced' });
    await house.clock.advance(0);
    expect(joined.build.id).toBe(second.build.id);
    expect((await house.builds.begin(wanted(1))).build.id).toBe(second.build.id);
    house.finish(1);
    await second.result;
    expect(house.engine.builds.map(({ noCache }) => noCache)).toEqual([false, true]);
    expect(house.engine.mostBuilds).toBe(1);
    expect((await house.textsOf(first.build.id)).at(-1)).toContain('A build without cache takes its place.');
  });

  it('is made although the image is there', async () => {
    await using house = await startBuilds({ script: () => ({}) });
    const first = await (await house.builds.begin(wanted(1))).result;
    await house.clock.advance(1_000);
    const second = await (await house.builds.begin(wanted(1), { anew: true })).result;
    expect(second.image).not.toBe(first.image);
    expect((await (await house.builds.begin(wanted(1))).result).image).toBe(second.image);
  });
});
