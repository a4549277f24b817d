import { AppError } from '../../src/domain/errors.js';
import type { BuildKey, ImageId } from '../../src/domain/ids.js';
import { appDockerfile, buildApp, contextOf, NEVER, requestFor, specFor, WORLDS } from '../support/engine-world.js';

const BASE = 'FROM slipway-demo/node:latest\n';

const failureOf = (work: Promise<unknown>): Promise<unknown> => work.then(() => undefined, (error: unknown) => error);

async function appErrorOf(work: Promise<unknown>): Promise<AppError> {
  const error = await failureOf(work);
  if (!(error instanceof AppError)) throw new Error(`not an AppError: ${String(error)}`);
  return error;
}

describe.each(WORLDS)('builds and images on the %s engine', (_name, enter) => {
  it('describes itself', async () => {
    await using home = await enter();
    const description = await home.engine.describe();
    expect(description.builder).toMatch(/^(buildkit|classic)$/);
    expect(description.version).not.toBe('');
    expect(description.address).not.toBe('');
  });

  it('builds an image and gives it its tags and who it is for', async () => {
    await using home = await enter();
    const tags = [`slipway/${home.project}:${'a'.repeat(40)}`, `slipway/${home.project}:${'b'.repeat(32)}`];
    const request = requestFor(home, appDockerfile('serve'), { tags });
    const id = await home.engine.build(request, NEVER);
    expect(await home.engine.image(id)).toMatchObject({ id, project: home.project, key: request.key, build: request.build, tags, exposedPorts: [3000] });
  });

  it('reports the output line by line', async () => {
    await using home = await enter();
    const request = requestFor(home, `${BASE}RUN echo first line; echo wörld\n`, { noCache: true });
    await home.engine.build(request, NEVER);
    expect(request.lines.some((line) => line.endsWith('first line'))).toBe(true);
    expect(request.lines.some((line) => line.endsWith('wörld'))).toBe(true);
    expect(request.lines.some((line) => line.includes('\n'))).toBe(false);
  });

  it('passes build arguments', async () => {
    await using home = await enter();
    const request = requestFor(home, `${BASE}ARG COLOUR\nRUN echo colour is $COLOUR\n`, { args: { COLOUR: 'teal' }, noCache: true });
    await home.engine.build(request, NEVER);
    expect(request.lines.some((line) => line.endsWith('colour is teal'))).toBe(true);
  });

  it('uses the Dockerfile it is told to', async () => {
    await using home = await enter();
    const context = contextOf(`${BASE}EXPOSE 4000\n`, 'docker/Web.dockerfile');
    const id = await home.engine.build(requestFor(home, '', { context, dockerfile: 'docker/Web.dockerfile' }), NEVER);
    expect((await home.engine.image(id))?.exposedPorts).toEqual([4000]);
  });

  it('E22: fails with the step\'s own output when a step fails', async () => {
    await using home = await enter();
    const request = requestFor(home, `${BASE}RUN echo about to break; exit 7\n`);
    const error = await appErrorOf(home.engine.build(request, NEVER));
    expect(error.code).toBe('build_failed');
    expect(error.message).toMatch(/exit 7/);
    expect(error.details.lastLines?.some((line) => line.endsWith('about to break'))).toBe(true);
    expect(await home.engine.images(home.project)).toEqual([]);
  });

  it('E18: names the base image that cannot be had', async () => {
    await using home = await enter();
    const error = await appErrorOf(home.engine.build(requestFor(home, 'FROM nowhere.invalid/there:1\nRUN exit 1\n'), NEVER));
    expect(error.code).toBe('build_failed');
    expect(error.message).toMatch(/^The base image “nowhere.invalid\/there:1” could not be had/);
  });

  it('fails when the Dockerfile is missing', async () => {
    await using home = await enter();
    const error = await appErrorOf(home.engine.build(requestFor(home, BASE, { dockerfile: 'nope/Dockerfile' }), NEVER));
    expect(error.code).toBe('build_failed');
    expect(error.message).toMatch(/nope\/Dockerfile/);
  });

  it('E20: ends within a second of an abort, with its reason', async () => {
    await using home = await enter();
    const reason = new AppError('build_cancelled', 'cancelled by a test');
    const abort = new AbortController();
    let abortedAt = 0;
    const request = requestFor(home, `${BASE}RUN echo sleeping now; sleep infinity\n`, {
      onLine: (line) => { if (line.endsWith('sleeping now') && !line.includes('RUN')) { abortedAt = performance.now(); abort.abort(reason); } },
    });
    expect(await failureOf(home.engine.build(request, abort.signal))).toBe(reason);
    expect(performance.now() - abortedAt).toBeLessThan(1_000);
    expect(request.context.destroyed).toBe(true);
    expect(await home.engine.images(home.project)).toEqual([]);
  });

  it('fails with the context\'s own reason when the context breaks', async () => {
    await using home = await enter();
    const request = requestFor(home, BASE);
    const reason = new AppError('tree_too_large', 'too many files');
    request.context.destroy(reason);
    expect(await failureOf(home.engine.build(request, NEVER))).toBe(reason);
  });

  it('lists a project\'s images, newest first, and no other project\'s', async () => {
    await using home = await enter();
    await using other = await enter();
    const key = 'd'.repeat(64) as BuildKey;
    const first = await home.engine.build(requestFor(home, `${BASE}RUN echo 1\n`, { key, noCache: true }), NEVER);
    const second = await home.engine.build(requestFor(home, `${BASE}RUN echo 2\n`, { noCache: true }), NEVER);
    await other.engine.build(requestFor(other, `${BASE}RUN echo 3\n`), NEVER);
    const images = await home.engine.images(home.project);
    expect(images.map(({ id }) => id)).toEqual([second, first]);
    expect(images[1]?.key).toBe(key);
  });

  it('knows no image that is not there', async () => {
    await using home = await enter();
    expect(await home.engine.image(`sha256:${'0'.repeat(64)}` as ImageId)).toBeUndefined();
  });

  it('moves a tag to the image that has it now', async () => {
    await using home = await enter();
    const tag = `slipway/${home.project}:moving`;
    const first = await home.engine.build(requestFor(home, `${BASE}RUN echo 1\n`, { tags: [tag] }), NEVER);
    const second = await home.engine.build(requestFor(home, `${BASE}RUN echo 2\n`), NEVER);
    await home.engine.tagImage(second, tag);
    expect((await home.engine.image(first))?.tags).toEqual([]);
    expect((await home.engine.image(second))?.tags).toEqual([tag]);
  });

  it('removes an image with all its tags, and twice is no fault', async () => {
    await using home = await enter();
    const tags = [`slipway/${home.project}:one`, `slipway/${home.project}-other:two`];
    const id = await home.engine.build(requestFor(home, `${BASE}RUN echo bye\n`, { tags }), NEVER);
    await home.engine.removeImage(id);
    await home.engine.removeImage(id);
    expect(await home.engine.image(id)).toBeUndefined();
  });

  it('keeps an image that a container uses, with its tags', async () => {
    await using home = await enter();
    const id = await buildApp(home, 'serve');
    await home.engine.tagImage(id, `slipway/${home.project}:used`);
    await home.engine.start(specFor(home, id));
    expect((await appErrorOf(home.engine.removeImage(id))).code).toBe('too_busy');
    expect((await home.engine.image(id))?.tags).toEqual([`slipway/${home.project}:used`]);
  });
});
