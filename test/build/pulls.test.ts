import type { BuildId, BuildKey } from '../../src/domain/ids.js';
import { keyOfReference, parseImageReference } from '../../src/domain/image-reference.js';
import type { BuildWanted } from '../../src/build/wanted.js';
import { until } from '../support/until.js';
import { keyOf, MINUTE, PROJECT, startBuilds, wanted } from './started-builds.js';

const REFERENCE = parseImageReference('registry.example.com/app:v1');
const KEY = keyOfReference(REFERENCE);

/** A pull as the flow wants it. */
function pull(text = REFERENCE.text, labels: Readonly<Record<string, string>> = {}): BuildWanted {
  return { ...wanted(1), commit: null, key: keyOfReference(parseImageReference(text)), recipe: { image: text, labels } };
}
const never = new Promise<never>(() => undefined);
const ended = (work: Promise<unknown>) => work.then(() => 'pulled', (error: unknown) => error);

describe('a pull', () => {
  it('D13: is recorded like a build, with the image for its recipe, its log and its tags', async () => {
    await using house = await startBuilds({ registry: () => ({ lines: ['v1: Pulling from app'] }) });
    const { build, image } = await (await house.builds.begin(pull())).result;
    expect(build).toMatchObject({ status: 'succeeded', commit: null, key: KEY, recipe: { image: REFERENCE.text, labels: {} }, image, noCache: false });
    expect(await house.store.find(build.id)).toEqual(build);
    expect(await house.textsOf(build.id)).toEqual([`pull ${build.id} of ${REFERENCE.text}`, 'v1: Pulling from app', `pulled as ${image} in 0.0 s`]);
    expect((await house.engine.image(image))?.tags).toEqual([`slipway/shop:${KEY.slice(0, 32)}`, expect.stringMatching(/^slipway\/shop:app-v1-[0-9a-f]{12}$/)]);
  });

  it('D13: happens once, however many ask, and not at all when the image is there', async () => {
    await using house = await startBuilds({ registry: () => ({}) });
    const begun = await Promise.all(Array.from({ length: 20 }, () => house.builds.begin(pull())));
    const images = await Promise.all(begun.map(async ({ result }) => (await result).image));
    await (await house.builds.begin(pull())).result;
    expect([new Set(images).size, house.engine.calls.pull, (await house.store.list(PROJECT, 10)).length]).toEqual([1, 1, 1]);
  });

  it('a reset joins the one that waits or runs, since it brings what the registry has now', async () => {
    await using house = await startBuilds({ registry: () => ({ until: never }) });
    const first = await house.builds.begin(pull());
    const second = await house.builds.begin(pull(), { anew: true });
    expect(second.build.id).toBe(first.build.id);
    first.result.catch(() => undefined);
  });

  it('D13: is asked for again when the image lacks a label that is wanted now', async () => {
    await using house = await startBuilds({ registry: () => ({ labels: { target: 'preview' } }) });
    await (await house.builds.begin(pull())).result;
    await (await house.builds.begin(pull(REFERENCE.text, { target: 'preview' }))).result;
    expect(house.engine.calls.pull).toBe(1);
    const { result } = await house.builds.begin(pull(REFERENCE.text, { target: 'other' }));
    expect(await ended(result)).toMatchObject({ code: 'image_not_allowed' });
    expect(house.engine.calls.pull).toBe(2);
  });

  it('D14: that failed is tried again after ten seconds, at once only when somebody asks for it', async () => {
    await using house = await startBuilds({ registry: () => undefined });
    expect(await ended((await house.builds.begin(pull())).result)).toMatchObject({ code: 'image_not_found' });
    expect(await ended(house.builds.begin(pull()))).toMatchObject({ code: 'image_not_found', details: { retryAfterSeconds: 10 } });
    await house.clock.advance(7_001);
    expect(await ended(house.builds.begin(pull()))).toMatchObject({ code: 'image_not_found', details: { retryAfterSeconds: 3 } });
    expect(house.engine.calls.pull).toBe(1);
    await ended((await house.builds.begin(pull(), { retry: true })).result);
    expect(house.engine.calls.pull).toBe(2);
    await house.clock.advance(10_000);
    await ended((await house.builds.begin(pull())).result);
    expect(house.engine.calls.pull).toBe(3);
  });

  it.each([
    { what: 'takes too long', ms: 20 * MINUTE, limits: { silenceMs: 60 * MINUTE }, message: 'The pull took longer than 1200 s.' },
    { what: 'says nothing for too long', ms: 10 * MINUTE, limits: {}, message: 'The pull printed nothing for 600 s.' },
  ])('K9: that $what is ended', async ({ ms, limits, message }) => {
    await using house = await startBuilds({ registry: () => ({ until: never }), limits });
    const { build, result } = await house.builds.begin(pull());
    const outcome = ended(result);
    await until(() => house.engine.calls.pull === 1, 'it runs');
    await house.clock.advance(ms);
    expect(await outcome).toMatchObject({ code: 'pull_failed', message });
    expect((await house.textsOf(build.id)).at(-1)).toContain(message);
  });

  it('says nothing about how long builds take, nor they about it', async () => {
    await using house = await startBuilds({ registry: () => ({}), script: () => ({ until: never }) });
    await (await house.builds.begin(pull())).result;
    const { build, result } = await house.builds.begin(wanted(7));
    result.catch(() => undefined);
    expect(house.builds.place(build.id)).toMatchObject({ etaSeconds: null });
    expect(await house.store.durations(PROJECT)).toEqual([]);
  });

  it('D14: left behind by a server that stopped is taken up again, and fails when it was interrupted twice', async () => {
    await using house = await startBuilds({ registry: () => ({ until: never }) });
    const { build, result } = await house.builds.begin(pull());
    result.catch(() => undefined);
    await until(() => house.engine.calls.pull === 1, 'it runs');
    const running = await house.store.find(build.id) ?? build;
    await house.another().resume(running, wanted(1).openContext);
    await until(() => house.engine.calls.pull === 2, 'it is taken up again');
    const second = await house.store.latestOfKey(PROJECT, KEY);
    expect([(await house.store.find(build.id))?.status, second?.attempt, second?.recipe]).toEqual(['interrupted', 2, { image: REFERENCE.text, labels: {} }]);
    await house.another().resume(second ?? build, wanted(1).openContext);
    expect((await house.store.find(second?.id ?? 'b_' as BuildId))?.error?.code).toBe('build_interrupted');
  });
});

describe('an image that a registry knows', () => {
  it('E15: is not taken for one that was built here, whatever key it claims', async () => {
    await using house = await startBuilds({ script: () => ({}) });
    house.engine.addImage({ project: PROJECT, key: keyOf(1), inRegistry: true, tags: [`slipway/${PROJECT}:${keyOf(1).slice(0, 32)}`] });
    const { build } = await (await house.builds.begin(wanted(1))).result;
    expect([build.status, house.engine.calls.build]).toEqual(['succeeded', 1]);
    house.engine.addImage({ project: PROJECT, key: '9'.repeat(64) as BuildKey, tags: [`slipway/${PROJECT}:${'9'.repeat(32)}`] });
    const reused = await (await house.builds.begin(wanted(2, { key: '9'.repeat(64) as BuildKey }))).result;
    expect([reused.build.status, house.engine.calls.build]).toEqual(['reused', 1]);
  });
});
