import { startBuilds, wanted } from './started-builds.js';

const saysAgain = (text: string) => text.startsWith('Built again without cache');

describe('P12: a forced rebuild of the same key', () => {
  it('says so at the beginning of its log, and how to see what differs', async () => {
    await using house = await startBuilds({ script: () => ({ lines: ['step'] }) });
    const first = await (await house.builds.begin(wanted(1))).result;
    const { build } = await (await house.builds.begin(wanted(1), { anew: true })).result;
    const [title, said, step] = await house.textsOf(build.id);
    expect(title).toContain('without cache');
    expect(said).toBe(`Built again without cache; build ${first.build.id} made the same key before. To see which files differ: slipway view ${build.id} --diff`);
    expect(step).toBe('step');
    expect((await house.textsOf(first.build.id)).some(saysAgain)).toBe(false);
  });

  it('names the last one that made it, and none that failed', async () => {
    let fails = false;
    await using house = await startBuilds({ script: () => (fails ? { fail: 'no' } : {}) });
    const first = await (await house.builds.begin(wanted(1))).result;
    fails = true;
    await (await house.builds.begin(wanted(1), { anew: true })).result.catch(() => undefined);
    fails = false;
    const { build } = await (await house.builds.begin(wanted(1), { anew: true })).result;
    expect((await house.textsOf(build.id)).filter(saysAgain)).toEqual([expect.stringContaining(` ${first.build.id} `)]);
  });

  it('is none where nothing made the key before, or where the cache was allowed', async () => {
    await using house = await startBuilds({ script: () => ({}) });
    const alone = await (await house.builds.begin(wanted(1), { anew: true })).result;
    const first = await (await house.builds.begin(wanted(2))).result;
    await house.engine.removeImage(first.image);
    const cached = await (await house.builds.begin(wanted(2))).result;
    expect(cached.build.id).not.toBe(first.build.id);
    for (const { build } of [alone, cached]) expect((await house.textsOf(build.id)).some(saysAgain)).toBe(false);
  });
});
