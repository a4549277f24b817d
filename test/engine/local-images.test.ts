import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RefName } from '../../src/domain/ids.js';
import { slugOf } from '../../src/domain/slug.js';
import { containersWith, docker, startForeignContainer } from '../support/real-docker.js';
import { createSampleRepository, unbuilt, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

interface ListedImage { readonly id: string; readonly bytes: number; readonly tags: readonly string[]; readonly branches: readonly string[]; readonly running: readonly string[] }
interface Protection { readonly name: string; readonly holds: boolean | null; readonly detail: string }

describe('images on a real engine', () => {
  let sample: SampleRepository;
  let server: ServerProcess;
  const imagesOf = async (commit: string) => JSON.parse((await server.get('localhost', `/api/images?q=${commit}`)).text) as ListedImage[];
  const remove = async (id: string) => server.get('localhost', `/api/images/${id}`, { method: 'DELETE', headers: { authorization: `Bearer ${await server.token()}` } });
  const wordOf = async (commit: string) => (await server.get('localhost', `/status?hash=${commit}`)).text;
  const isThere = (name: string) => docker.getImage(name).inspect().then(() => true, () => false);
  const runningOf = async (commit: string) => (await containersWith(server.label)).filter(({ Labels }) => Labels['slipway.commit'] === commit).length;

  beforeAll(async () => {
    sample = await createSampleRepository();
    server = await startServer({ repository: sample.path });
  }, 120_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  it('D9b, D16: an image is deleted with its names and containers, its URL builds again, and others stay', async () => {
    const [gone, stays] = [await sample.commit('to-go', unbuilt()), await sample.commit('to-stay', unbuilt())];
    for (const commit of [gone, stays]) expect((await server.get(`hash-${commit}.localhost`, '/')).status).toBe(200);
    await using foreign = await startForeignContainer();
    const [image] = await imagesOf(gone);
    expect([image?.branches, image?.running.length, (image?.bytes ?? 0) > 0]).toEqual([['to-go'], 1, true]);
    const name = `slipway/${sample.project}:${gone}`;
    expect([image?.tags.includes(name), await isThere(name)]).toEqual([true, true]);
    expect((await remove(image?.id ?? '')).status).toBe(200);
    expect([await isThere(name), await isThere(image?.id ?? ''), await runningOf(gone), await wordOf(gone)]).toEqual([false, false, 0, 'NotBuilt']);
    expect([await runningOf(stays), await wordOf(stays), await foreign.runningSince() !== undefined]).toEqual([1, 'Ready', true]);
    expect((await server.get(`hash-${gone}.localhost`, '/')).status).toBe(200);
    expect([await isThere(name), (await imagesOf(gone))[0]?.id === image?.id]).toEqual([true, false]);
  }, 120_000);

  it('D16: a reused commit has its name as well', async () => {
    for (const branch of ['main', 'docs/readme-only']) await server.get(`hash-${sample.branches[branch] ?? ''}.localhost`, '/');
    const ids = await Promise.all(['main', 'docs/readme-only'].map(async (branch) => (await docker.getImage(`slipway/${sample.project}:${sample.branches[branch] ?? ''}`).inspect()).Id));
    expect(ids[0]).toBe(ids[1]);
  }, 60_000);

  it('D9b: the image of a branch’s preview stays, and so does one that a container of somebody else uses', async () => {
    await server.get(`branch-${slugOf('feature/cart' as RefName)}.localhost`, '/');
    const [kept] = await imagesOf(sample.branches['feature/cart'] ?? '');
    const refused = await remove(kept?.id ?? '');
    expect([refused.status, refused.text.includes('“feature/cart”'), await isThere(kept?.id ?? '')]).toEqual([409, true, true]);
    const commit = await sample.commit('shared', unbuilt());
    await server.get(`hash-${commit}.localhost`, '/');
    const [shared] = await imagesOf(commit);
    const container = await docker.createContainer({ Image: shared?.id ?? '', Cmd: ['true'] });
    try {
      expect([(await remove(shared?.id ?? '')).status, await isThere(shared?.id ?? '')]).toEqual([409, true]);
      expect((await server.get(`hash-${commit}.localhost`, '/')).status).toBe(200);
    } finally {
      await container.remove({ force: true });
    }
  }, 120_000);

  it('D9: /debug says what the engine really protects', async () => {
    const { engine } = JSON.parse((await server.get('localhost', '/debug')).text) as { engine: { version: string; storageDriver: string; protections: Protection[] } };
    const { Driver } = await docker.info() as { Driver: string };
    expect([engine.version, engine.storageDriver]).toEqual([(await docker.version()).Version, Driver]);
    const holds = Object.fromEntries(engine.protections.map((each) => [each.name, each.holds]));
    expect(holds).toMatchObject({ 'No traffic between previews': true, 'No ports on the machine': true, 'Limits of builds': false });
  });
});
