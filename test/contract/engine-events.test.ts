import type { ContainerId, ReleaseNumber } from '../../src/domain/ids.js';
import type { ContainerEngine, EngineEvent } from '../../src/engine/port.js';
import { appDockerfile, buildApp, NEVER, requestFor, specFor, WORLDS, type EngineHome } from '../support/engine-world.js';
import { eventually } from '../support/eventually.js';

interface Heard extends AsyncDisposable {
  readonly events: readonly EngineEvent[];
  /** Waits until an event came that is so. */
  until(isSo: (event: EngineEvent) => boolean, what: string): Promise<EngineEvent>;
  ofContainer(id: ContainerId): readonly EngineEvent[];
}

/** Listens from now on: what happens after this is heard. */
async function listen(engine: Pick<ContainerEngine, 'watch'>): Promise<Heard> {
  const over = new AbortController();
  const events: EngineEvent[] = [];
  const listening = (async () => { for await (const event of engine.watch(over.signal)) events.push(event); })();
  const until: Heard['until'] = (isSo, what) => eventually(() => events.find(isSo), { what });
  await until(({ kind }) => kind === 'gap', 'the stream stands');
  return {
    events, until,
    ofContainer: (id) => events.filter((event) => event.kind === 'container-lost' && event.container === id),
    [Symbol.asyncDispose]: async () => { over.abort(); await listening; },
  };
}

const lostOf = (id: ContainerId) => (event: EngineEvent) => event.kind === 'container-lost' && event.container === id;
const startApp = async (home: EngineHome, mode: string, release = 1) => home.engine.start(specFor(home, await buildApp(home, mode), { release: release as ReleaseNumber }));

describe.each(WORLDS)('what happens on the %s engine', (_name, enter) => {
  it('begins with a gap: what was before is not known', async () => {
    await using home = await enter();
    await using heard = await listen(home.engine);
    expect(heard.events[0]).toEqual({ kind: 'gap' });
  });

  it('K13: a container that ends by itself is said to be lost, by nobody’s hand', async () => {
    await using home = await enter();
    await using heard = await listen(home.engine);
    const { id } = await startApp(home, 'crash');
    expect(await heard.until(lostOf(id), 'the end is heard')).toEqual({ kind: 'container-lost', container: id, byHand: false });
  });

  it('a container that is frozen and goes on is told of, whoever does it', async () => {
    await using home = await enter();
    await using heard = await listen(home.engine);
    const { id } = await startApp(home, 'serve');
    await home.engine.pause(id);
    await heard.until((event) => event.kind === 'container-paused' && event.container === id, 'the pause is heard');
    await home.engine.resume(id);
    await heard.until((event) => event.kind === 'container-resumed' && event.container === id, 'the end of it is heard');
    expect(heard.ofContainer(id)).toEqual([]);
  });

  it('K20: a container that somebody kills or removes is said to be lost by hand', async () => {
    await using home = await enter();
    await using heard = await listen(home.engine);
    const killed = await startApp(home, 'serve', 1);
    const removed = await startApp(home, 'serve', 2);
    await home.maintainer.kill(killed.id);
    await home.maintainer.remove(removed.id);
    for (const { id } of [killed, removed]) expect(await heard.until(lostOf(id), 'the loss is heard')).toEqual({ kind: 'container-lost', container: id, byHand: true });
  });

  it('what this server stops and removes is heard as well', async () => {
    await using home = await enter();
    await using heard = await listen(home.engine);
    const { id } = await startApp(home, 'serve');
    await home.engine.stop(id, 1_000);
    await heard.until(lostOf(id), 'the stop is heard');
    const stopped = heard.ofContainer(id).length;
    await home.engine.remove(id);
    await eventually(() => heard.ofContainer(id).length > stopped, { what: 'the removal is heard' });
  });

  it('K20, INV3: a container that is cut off its network is said to be lost, since its address is', async () => {
    await using home = await enter();
    await using heard = await listen(home.engine);
    const { id, target } = await startApp(home, 'serve');
    await home.maintainer.disconnect(id);
    await heard.until(lostOf(id), 'the loss is heard');
    expect(await home.engine.inspect(id)).toMatchObject({ running: true });
    expect((await home.engine.inspect(id))?.target).not.toEqual(target);
  });

  it('D9b: an image that somebody removes is said to be removed', async () => {
    await using home = await enter();
    const image = await home.engine.build(requestFor(home, appDockerfile('serve'), { tags: [`slipway/${home.project}:one`, `slipway/${home.project}:two`] }), NEVER);
    await using heard = await listen(home.engine);
    await home.maintainer.removeImage(image);
    await heard.until((event) => event.kind === 'image-removed' && event.image === image, 'the removal is heard');
    await eventually(async () => await home.engine.image(image) === undefined, { what: 'it is gone' });
  });

  it('K20: a network that somebody removes is said to be removed, and the next start makes it again', async () => {
    await using home = await enter();
    const image = await buildApp(home, 'serve');
    await home.engine.ensureNetwork(home.project);
    await using heard = await listen(home.engine);
    await home.maintainer.removeNetwork(home.project);
    await heard.until(({ kind }) => kind === 'network-removed', 'the removal is heard');
    expect(heard.events).toContainEqual({ kind: 'network-removed', project: home.project });
    const { id } = await home.engine.start(specFor(home, image));
    expect(await home.engine.inspect(id)).toMatchObject({ running: true });
  });

  it('says nothing of another server’s containers and networks', async () => {
    await using home = await enter();
    await using strange = await listen(home.stranger);
    await using heard = await listen(home.engine);
    const { id } = await startApp(home, 'serve');
    await home.engine.remove(id);
    await home.maintainer.removeNetwork(home.project);
    await heard.until(({ kind }) => kind === 'network-removed', 'the last of it is heard');
    // Images are anybody’s: one of them says that the stranger has heard all there was.
    const last = (engine: ContainerEngine) => engine.build({ ...requestFor(home, appDockerfile('serve'), { tags: [`slipway/${home.project}:last`] }) }, NEVER);
    await home.stranger.removeImage(await last(home.stranger));
    await strange.until(({ kind }) => kind === 'image-removed', 'the stranger hears');
    expect(strange.events.filter(({ kind }) => kind !== 'image-removed')).toEqual([{ kind: 'gap' }]);
  });

  it('tells everybody who listens, and ends for one without ending for the other', async () => {
    await using home = await enter();
    await using first = await listen(home.engine);
    const second = await listen(home.engine);
    const one = await startApp(home, 'serve', 1);
    await home.engine.remove(one.id);
    await Promise.all([first, second].map((heard) => heard.until(lostOf(one.id), 'both hear')));
    await second[Symbol.asyncDispose]();
    const other = await startApp(home, 'serve', 2);
    await home.engine.remove(other.id);
    await first.until(lostOf(other.id), 'the first one still hears');
    expect(second.ofContainer(other.id)).toEqual([]);
  });

  it('ends at once when it is given up, also before it began', async () => {
    await using home = await enter();
    const events: EngineEvent[] = [];
    for await (const event of home.engine.watch(AbortSignal.abort())) events.push(event);
    expect(events).toEqual([]);
    const over = new AbortController();
    for await (const event of home.engine.watch(over.signal)) { events.push(event); over.abort(); }
    expect(events).toEqual([{ kind: 'gap' }]);
  });
});
