import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import { once } from 'node:events';
import { eventually } from '../support/eventually.js';
import { containersWith, docker, imagesWith, networksWith, startForeignContainer } from '../support/real-docker.js';
import { createSampleRepository, unbuilt, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

describe('the engine, used behind the server’s back', () => {
  let sample: SampleRepository;
  let server: ServerProcess;
  let commit: string;
  let number = 0;

  beforeAll(async () => {
    sample = await createSampleRepository();
    server = await startServer({ repository: sample.path });
  }, 120_000);

  /** Each test has a preview of its own that runs. */
  beforeEach(async () => {
    commit = await sample.commit(`behind/${++number}`, unbuilt());
    expect((await server.get(hostOf(commit), '/')).status).toBe(200);
  }, 60_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  const hostOf = (hash: string) => `hash-${hash}.localhost`;
  const containerOf = async (hash: string) => {
    const found = (await containersWith(server.label)).find(({ Labels, State }) => Labels['slipway.commit'] === hash && State === 'running');
    if (!found) throw new Error(`nothing runs for ${hash}`);
    return found;
  };
  const wordOf = async (hash: string) => (await server.get('localhost', `/status?hash=${hash}`)).text;
  const says = (hash: string, word: string) => eventually(async () => await wordOf(hash) === word, { what: `/status says ${word}`, withinMs: 10_000 });
  const buildsOf = async (hash: string) =>
    (JSON.parse((await server.get('localhost', '/api/builds')).text) as { commit: string; status: string }[]).filter((build) => build.commit === hash).map(({ status }) => status);

  /** Ten visitors who ask all the time; each answer is the application’s own. */
  const startTraffic = (hash: string) => {
    let isOver = false;
    const answers: string[] = [];
    const visitor = async () => {
      while (!isOver) {
        const path = `/echo?n=${answers.length}`;
        const { status, text } = await server.get(hostOf(hash), path);
        answers.push(status === 200 && text.includes(path) ? 'good' : `${status} ${text.slice(0, 200)}`);
      }
    };
    const all = Promise.all(Array.from({ length: 10 }, visitor));
    const more = (count: number) => { const before = answers.length; return eventually(() => answers.length > before + count, { what: 'there is traffic' }); };
    return { answers, more, stop: async () => { await more(100); isOver = true; await all; return answers.filter((answer) => answer !== 'good'); } };
  };

  it('K20: docker rm -f during traffic costs no request that can be sent again, and starts one container', async () => {
    const traffic = startTraffic(commit);
    for (let round = 0; round < 3; round += 1) {
      await traffic.more(100);
      const { Id } = await containerOf(commit);
      await docker.getContainer(Id).remove({ force: true });
      await eventually(async () => (await containerOf(commit)).Id !== Id, { what: 'another one runs' });
    }
    expect(await traffic.stop()).toEqual([]);
    expect((await server.status(`hash=${commit}`))).toMatchObject({ status: 'running', lastError: null });
    expect(await buildsOf(commit)).toEqual(['succeeded']);
  }, 120_000);

  it.each<[string, (id: string) => Promise<unknown>]>([
    ['docker kill', (id) => docker.getContainer(id).kill()],
    ['docker stop', (id) => docker.getContainer(id).stop({ t: 5 })],
    ['docker restart', (id) => docker.getContainer(id).restart({ t: 5 })],
    ['docker network disconnect', async (id) => {
      const [name = ''] = Object.keys((await docker.getContainer(id).inspect()).NetworkSettings.Networks);
      await docker.getNetwork(name).disconnect({ Container: id, Force: true });
    }],
  ])('K20: %s during traffic costs no request that can be sent again, and is no failure of the application', async (_what, act) => {
    const traffic = startTraffic(commit);
    await traffic.more(50);
    const { Id } = await containerOf(commit);
    await act(Id);
    await eventually(async () => (await containerOf(commit)).Id !== Id, { what: 'another one runs' });
    expect(await traffic.stop()).toEqual([]);
    expect((await containersWith(server.label)).filter(({ Labels }) => Labels['slipway.commit'] === commit)).toHaveLength(1);
    expect((await server.status(`hash=${commit}`))).toMatchObject({ status: 'running', lastError: null });
  }, 120_000);

  it('K20: a WebSocket ends with its container, and the next one reaches the new one', async () => {
    const open = async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws`, { headers: { host: `${hostOf(commit)}:${server.port}` } });
      socket.on('error', () => undefined);
      await once(socket, 'open');
      return socket;
    };
    const first = await open();
    const closed = once(first, 'close');
    await docker.getContainer((await containerOf(commit)).Id).remove({ force: true });
    const second = await open();
    await closed;
    second.terminate();
  }, 60_000);

  it('D9b: docker rmi says NotBuilt within seconds, and the next visit builds', async () => {
    const { Id, ImageID } = await containerOf(commit);
    expect(await wordOf(commit)).toBe('Ready');
    await docker.getContainer(Id).remove({ force: true });
    await says(commit, 'NeedsPriming');
    await docker.getImage(ImageID).remove({ force: true });
    await says(commit, 'NotBuilt');
    expect((await server.get(hostOf(commit), '/')).status).toBe(200);
    expect(await buildsOf(commit)).toEqual(['succeeded', 'succeeded']);
    expect(await wordOf(commit)).toBe('Ready');
  }, 60_000);

  it('K20: docker rmi -f of what runs takes its names only: the preview goes on, and comes back without a build', async () => {
    const { Id, ImageID } = await containerOf(commit);
    const traffic = startTraffic(commit);
    await expect(docker.getImage(ImageID).remove({ force: true })).rejects.toMatchObject({ statusCode: 409 });
    for (const tag of (await docker.getImage(ImageID).inspect()).RepoTags) await docker.getImage(tag).remove({ force: true });
    await traffic.more(100);
    expect((await containerOf(commit)).Id).toBe(Id);
    await docker.getContainer(Id).remove({ force: true });
    await eventually(async () => (await containerOf(commit)).Id !== Id, { what: 'another one runs' });
    expect(await traffic.stop()).toEqual([]);
    expect(await buildsOf(commit)).toEqual(['succeeded']);
  }, 60_000);

  it('K20: docker network rm during traffic costs no request that can be sent again; the next start makes it again', async () => {
    const [network] = await networksWith(server.label);
    if (!network) throw new Error('there is no network');
    const traffic = startTraffic(commit);
    await traffic.more(50);
    // Other previews of the project hold the network too. The one with visitors is cut off last: they start another one at
    // once, and a request that loses two containers is not sent a third time.
    await eventually(async () => {
      const all = await containersWith(server.label);
      const isVisited = ({ Labels }: typeof all[number]) => Labels['slipway.commit'] === commit;
      for (const { Id } of [...all.filter((each) => !isVisited(each)), ...all.filter(isVisited)]) await docker.getNetwork(network.Id).disconnect({ Container: Id, Force: true }).catch(() => undefined);
      return docker.getNetwork(network.Id).remove().then(() => true, () => false);
    }, { what: 'the network is removed' });
    expect(await traffic.stop()).toEqual([]);
    expect((await containerOf(commit)).State).toBe('running');
    expect((await networksWith(server.label)).map(({ Id }) => Id)).toEqual([expect.not.stringContaining(network.Id)]);
  }, 120_000);

  it('K20: docker system prune -af takes what does not run: what runs goes on, what was pruned is built again, strangers stay', async () => {
    const asleep = commit;
    const { Id, ImageID } = await containerOf(asleep);
    await docker.getContainer(Id).remove({ force: true });
    await says(asleep, 'NeedsPriming');
    const running = await sample.commit(`behind/running-${number}`, unbuilt());
    expect((await server.get(hostOf(running), '/')).status).toBe(200);
    await using stranger = await startForeignContainer();
    const since = await stranger.runningSince();
    const traffic = startTraffic(running);
    await prune(server.label);
    expect((await imagesWith(server.label)).map((image) => image.Id)).not.toContain(ImageID);
    await says(asleep, 'NotBuilt');
    expect((await server.get(hostOf(asleep), '/')).status).toBe(200);
    expect(await traffic.stop()).toEqual([]);
    expect(await buildsOf(asleep)).toEqual(['succeeded', 'succeeded']);
    expect(await buildsOf(running)).toEqual(['succeeded']);
    expect(await stranger.runningSince()).toBe(since);
  }, 120_000);

  it('K20: everything of ours gone at once, in the middle of traffic, costs no request that can be sent again', async () => {
    const traffic = startTraffic(commit);
    await traffic.more(50);
    const { Id } = await containerOf(commit);
    for (const container of await containersWith(server.label)) await docker.getContainer(container.Id).remove({ force: true }).catch(() => undefined);
    await prune(server.label);
    await eventually(async () => (await containerOf(commit)).Id !== Id, { what: 'another one runs' });
    expect(await traffic.stop()).toEqual([]);
    expect(await wordOf(commit)).toBe('Ready');
  }, 120_000);
});

/** `docker system prune -af`, of what carries the label and of nothing else. */
async function prune(label: string): Promise<void> {
  const filters = { label: [label] };
  await docker.pruneContainers({ filters });
  await docker.pruneNetworks({ filters });
  await docker.pruneImages({ filters: { ...filters, dangling: ['false'] } });
}
