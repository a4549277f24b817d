import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { AppError } from '../../src/domain/errors.js';
import type { BuildKey, ProjectName } from '../../src/domain/ids.js';
import { parseImageReference } from '../../src/domain/image-reference.js';
import { NEVER, openDocker } from '../support/engine-world.js';
import { PULL_WORLDS, pullOf, type PullHome } from '../support/pull-world.js';
import { pushImage } from '../support/registry.js';

const codeOf = (work: Promise<unknown>) => work.then(() => 'none', (error: unknown) => (error instanceof AppError ? error.code : error));
const idsOf = async ({ engine, project }: PullHome) => (await engine.images(project)).map(({ id }) => id);

describe.each(PULL_WORLDS)('pulling, on the %s engine', (_world, enter) => {
  it('D13: makes an image of ours of what the registry has, with its settings, our tags and our labels', async () => {
    await using home = await enter();
    await home.push('team/app:v1', { labels: { target: 'preview' }, exposedPorts: [4000] });
    const request = pullOf(home, 'team/app:v1', { tags: [`slipway/${home.project}:app-v1`, `slipway/${home.project}:other`], labels: { target: 'preview' } });
    const id = await home.engine.pull(request, NEVER);
    const { project, key, build, tags } = request;
    expect(await home.engine.image(id)).toMatchObject({ id, project, key, build, tags, exposedPorts: [4000], labels: { target: 'preview' }, inRegistry: false });
    expect(await idsOf(home)).toEqual([id]);
    expect(request.lines.some((line) => line.includes('Pulling from team/app'))).toBe(true);
  });

  it('D13: pulls by digest', async () => {
    await using home = await enter();
    const digest = await home.push('app:v1');
    const request = pullOf(home, `app@${digest}`);
    const id = await home.engine.pull(request, NEVER);
    expect(await home.engine.image(id)).toMatchObject({ id, key: request.key });
  });

  it('D13: gives the same image back when the registry has nothing new, and another one when it has', async () => {
    await using home = await enter();
    await home.push('app:v1', { content: 'first' });
    const request = pullOf(home, 'app:v1', { tags: [`slipway/${home.project}:app`] });
    const first = await home.engine.pull(request, NEVER);
    expect(await home.engine.pull({ ...request, build: pullOf(home, 'app:v1').build }, NEVER)).toBe(first);
    await home.push('app:v1', { content: 'second' });
    const second = await home.engine.pull({ ...request, build: pullOf(home, 'app:v1').build }, NEVER);
    expect(second).not.toBe(first);
    expect([(await home.engine.image(first))?.tags, (await home.engine.image(second))?.tags]).toEqual([[], request.tags]);
    expect(new Set(await idsOf(home))).toEqual(new Set([first, second]));
  });

  it('D14: tells an image that is not there from a registry that is not', async () => {
    await using home = await enter();
    await home.push('app:v1');
    expect(await codeOf(home.engine.pull(pullOf(home, 'app:v2'), NEVER))).toBe('image_not_found');
    expect(await codeOf(home.engine.pull(pullOf(home, 'nobody:v1'), NEVER))).toBe('image_not_found');
    expect(await codeOf(home.engine.pull(pullOf(home, 'app:v1', { reference: parseImageReference(`${home.silent}/app:v1`) }), NEVER))).toBe('registry_unreachable');
    expect(await idsOf(home)).toEqual([]);
  });

  it('D13: refuses an image without a wanted label and keeps nothing of it', async () => {
    await using home = await enter();
    await home.push('app:v1', { labels: { target: 'other' } });
    const refused = home.engine.pull(pullOf(home, 'app:v1', { labels: { target: 'preview' } }), NEVER);
    await expect(refused).rejects.toMatchObject({ code: 'image_not_allowed', message: expect.stringContaining('target') as unknown });
    expect(await idsOf(home)).toEqual([]);
  });

  it('D13: ends with an abort’s own reason', async () => {
    await using home = await enter();
    await home.push('app:v1', { ballast: randomBytes(30 * 1024 * 1024) });
    const reason = new AppError('build_cancelled', 'cancelled by a test');
    const abort = new AbortController();
    const request = pullOf(home, 'app:v1', { onLine: () => { abort.abort(reason); } });
    await expect(home.engine.pull(request, abort.signal)).rejects.toBe(reason);
    expect(await idsOf(home)).toEqual([]);
    const late = new AbortController();
    late.abort(reason);
    await expect(home.engine.pull(pullOf(home, 'app:v1'), late.signal)).rejects.toBe(reason);
  });

  it('D13: keeps apart what projects and references pull, even of one image and at once', async () => {
    await using home = await enter();
    await home.push('app:v1', { content: 'same' });
    await home.push('app:v2', { content: 'same' });
    const other = `${home.project}x` as ProjectName;
    const requests = [pullOf(home, 'app:v1'), pullOf(home, 'app:v1', { project: other }), pullOf(home, 'app:v2')];
    const ids = await Promise.all(requests.map((request) => home.engine.pull(request, NEVER)));
    expect(new Set(ids).size).toBe(3);
    const [first, foreign, second] = ids;
    if (!first || !foreign || !second) throw new Error('not pulled');
    await home.engine.removeImage(first);
    await home.engine.removeImage(first);
    expect([await home.engine.image(first), (await home.engine.image(foreign))?.project, await idsOf(home)]).toEqual([undefined, other, [second]]);
  });

  it('E15: labels of an image in a registry cannot speak for one of ours', async () => {
    await using home = await enter();
    const claimed = 'd'.repeat(64) as BuildKey;
    await home.push('app:v1', { labels: { 'slipway.key': claimed, 'slipway.project': home.project, 'slipway.build': 'b_01ARZ3NDEKTSV4RRFFQ69G5FAV', 'slipway.release': '1', 'slipway.commit': 'e'.repeat(40), 'slipway.port': '1' } });
    const request = pullOf(home, 'app:v1');
    const id = await home.engine.pull(request, NEVER);
    expect((await home.engine.images(home.project)).map(({ key, build }) => [key, build])).toEqual([[request.key, request.build]]);
    expect(await home.engine.list()).toEqual([]);
    const image = await home.engine.image(id);
    expect(image).toMatchObject({ key: request.key });
    for (const name of ['release', 'commit', 'port']) expect(image?.labels[`slipway.${name}`] ?? '').toBe('');
  });
});

describe('pulling, as the engine’s owner sees it', () => {
  const docker = openDocker();
  const enter = PULL_WORLDS[1]?.[1] ?? (() => Promise.reject(new Error('no engine')));
  const named = async (reference: string) => docker.getImage(reference).inspect().then(({ Id }) => Id, () => undefined);

  it('leaves no name and no container behind', async () => {
    await using home = await enter();
    await home.push('app:v1');
    const request = pullOf(home, 'app:v1', { tags: [`slipway/${home.project}:app`] });
    const id = await home.engine.pull(request, NEVER);
    expect(await named(request.reference.text)).toBeUndefined();
    expect(await docker.listContainers({ all: true, filters: { label: [`slipway.project=${home.project}`] } })).toEqual([]);
    const { RepoTags, RepoDigests } = await docker.getImage(id).inspect();
    expect([RepoTags, RepoDigests.filter((name) => !name.startsWith('slipway/'))]).toEqual([request.tags, []]);
  });

  it('gives a name back to the image that had it, and deletes nothing of it', async () => {
    await using home = await enter();
    const reference = `${home.registry}/app:v1`;
    await home.push('app:v1', { content: 'old' });
    for await (const _ of await docker.pull(reference) as AsyncIterable<unknown>);
    const before = await named(reference);
    await home.push('elsewhere:v1');
    await pushOver(reference);
    const id = await home.engine.pull(pullOf(home, 'app:v1'), NEVER);
    expect(await named(reference)).toBe(before);
    await home.engine.removeImage(id);
    expect(await named(reference)).toBe(before);
    expect((await docker.listImages()).filter(({ RepoDigests }) => RepoDigests?.some((name) => name.startsWith(home.registry)))).toEqual([]);
    await docker.getImage(reference).remove();
  });

  it('a container that a crash left under the name of ours makes room', async () => {
    await using home = await enter();
    await home.push('app:v1');
    const request = pullOf(home, 'app:v1');
    const id = await home.engine.pull(request, NEVER);
    const { 'slipway.instance': instance = '' } = (await home.engine.image(id))?.labels ?? {};
    await home.engine.removeImage(id);
    await docker.createContainer({ name: `slipway-${instance}-pull-${request.key.slice(0, 32)}`, Image: 'slipway-demo/node', Labels: { 'slipway.instance': instance } });
    expect(await home.engine.image(await home.engine.pull(request, NEVER))).toMatchObject({ key: request.key });
  });

  it('a container of somebody else with that name stays, and is named', async () => {
    await using home = await enter();
    await home.push('app:v1');
    const request = pullOf(home, 'app:v1');
    const id = await home.engine.pull(request, NEVER);
    const { 'slipway.instance': instance = '' } = (await home.engine.image(id))?.labels ?? {};
    await home.engine.removeImage(id);
    const name = `slipway-${instance}-pull-${request.key.slice(0, 32)}`;
    const foreign = await docker.createContainer({ name, Image: 'slipway-demo/node' });
    await expect(home.engine.pull(request, NEVER)).rejects.toMatchObject({ code: 'pull_failed', message: expect.stringContaining(name) as unknown });
    await foreign.remove();
  });

  it('pulls of one name that overlap do not take each other’s name for its owner’s', async () => {
    await using home = await enter();
    await home.push('app:v1');
    const pulls: Promise<unknown>[] = [];
    const pullNext = (): void => {
      if (pulls.length === 5) return;
      // The next one begins when this one has the image, and its name, and is not through with it.
      pulls.push(home.engine.pull(pullOf(home, 'app:v1', { onLine: (line) => { if (line.startsWith('Status: ')) pullNext(); } }), NEVER));
    };
    pullNext();
    for (const pull of pulls) await pull;
    expect([pulls.length, (await idsOf(home)).length, await named(`${home.registry}/app:v1`)]).toEqual([5, 5, undefined]);
  });

  it('who gives up while another one pulls the same name waits for nobody', async () => {
    await using home = await enter();
    await home.push('app:v1', { ballast: randomBytes(20 * 1024 * 1024) });
    const abort = new AbortController();
    const ended: string[] = [];
    const first = home.engine.pull(pullOf(home, 'app:v1', { onLine: () => { abort.abort(new AppError('build_cancelled', 'cancelled by a test')); } }), NEVER).then(() => { ended.push('first'); });
    const second = codeOf(home.engine.pull(pullOf(home, 'app:v1'), abort.signal)).then((code) => { ended.push(String(code)); });
    await Promise.all([first, second]);
    expect(ended).toEqual(['build_cancelled', 'first']);
    expect(await idsOf(home)).toHaveLength(1);
  });

  it('an image that a registry knows says so', async () => {
    await using home = await enter();
    const key = 'f'.repeat(64);
    await home.push('app:v1', { labels: { 'slipway.key': key, 'slipway.project': home.project } });
    for await (const _ of await docker.pull(`${home.registry}/app:v1`) as AsyncIterable<unknown>);
    expect((await home.engine.images(home.project)).map((image) => [image.key, image.inRegistry])).toEqual([[key, true]]);
    await docker.getImage(`${home.registry}/app:v1`).remove();
  });

  /** Pushes another image under a name that the engine has, without touching that name. */
  async function pushOver(reference: string): Promise<void> {
    const kept = `slipway-test/${randomBytes(4).toString('hex')}`;
    await docker.getImage(reference).tag({ repo: kept, tag: 'kept' });
    await docker.getImage(reference).remove();
    await pushImage(docker, reference, { content: 'new' });
    const colon = reference.lastIndexOf(':');
    await docker.getImage(`${kept}:kept`).tag({ repo: reference.slice(0, colon), tag: reference.slice(colon + 1) });
    await docker.getImage(`${kept}:kept`).remove();
  }
});
