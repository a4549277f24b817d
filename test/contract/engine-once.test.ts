import type { ImageId, ReleaseNumber } from '../../src/domain/ids.js';
import type { ContainerExit, EngineEvent, OnceOutput, OnceSpec } from '../../src/engine/port.js';
import { createDockerEngine } from '../../src/engine/docker.js';
import { systemClock } from '../../src/kernel/clock.js';
import { startEngineProxy } from '../support/engine-proxy.js';
import { appDockerfile, buildApp, enterDocker, log, NEVER, openDocker, requestFor, specFor, WORLDS, type EngineHome } from '../support/engine-world.js';
import { eventually } from '../support/eventually.js';

const COMMAND = ['node', '/app.cjs'];

function onceSpec(home: EngineHome, image: ImageId, change: Partial<OnceSpec> = {}): OnceSpec {
  const { process: _process, command: _command, ...spec } = specFor(home, image);
  return { ...spec, ...change };
}

interface Ran { readonly exit: ContainerExit; readonly output: readonly OnceOutput[] }

/** Runs a command to its end. */
async function runOnce(home: EngineHome, spec: OnceSpec, command: readonly string[]): Promise<Ran> {
  const output: OnceOutput[] = [];
  const exit = await home.engine.runOnce(spec, { command, signal: NEVER, onOutput: async (piece) => { output.push(piece); } });
  return { exit, output };
}

const printedOn = ({ output }: Ran, stream: OnceOutput['stream']) => output.filter((piece) => piece.stream === stream).map(({ text }) => text).join('');

describe.each(WORLDS)('X16: a command that is run once on the %s engine', (_name, enter) => {
  it('prints on both streams, exactly, and its exit code is passed on', async () => {
    await using home = await enter();
    const ran = await runOnce(home, onceSpec(home, await buildApp(home, 'serve'), { env: { GREETING: 'wörld' } }), [...COMMAND, 'once']);
    expect(ran.exit).toEqual({ code: 3, outOfMemory: false, message: null });
    expect([printedOn(ran, 'stdout'), printedOn(ran, 'stderr')]).toEqual(['hello wörld\nno end', 'careful\n']);
  });

  it('leaves no container, whatever happened', async () => {
    await using home = await enter();
    const spec = onceSpec(home, await buildApp(home, 'serve'));
    await runOnce(home, spec, [...COMMAND, 'crash']);
    await home.engine.runOnce(spec, { command: [...COMMAND, 'crash'], signal: NEVER, onOutput: () => Promise.reject(new Error('nobody reads')) }).catch(() => undefined);
    expect(await home.maintainer.onces()).toBe(0);
  });

  it('says what went wrong when there is no such command, and how it ended', async () => {
    await using home = await enter();
    const ran = await runOnce(home, onceSpec(home, await buildApp(home, 'serve')), ['nosuch']);
    expect(ran.exit.code).toBe(127);
    expect(printedOn(ran, 'stderr')).toContain('nosuch');
  });

  it('tells when it ended for want of memory', async () => {
    await using home = await enter();
    const ran = await runOnce(home, onceSpec(home, await buildApp(home, 'serve'), { memoryBytes: 64 * 1024 * 1024 }), [...COMMAND, 'hungry']);
    expect(ran.exit).toMatchObject({ outOfMemory: true });
  });

  it('fails in the engine’s words when the image is gone', async () => {
    await using home = await enter();
    await expect(runOnce(home, onceSpec(home, `sha256:${'0'.repeat(64)}` as ImageId), COMMAND)).rejects.toMatchObject({ code: 'start_failed' });
    expect(await home.maintainer.onces()).toBe(0);
  });

  it('is killed and removed when nobody wants it any more', async () => {
    await using home = await enter();
    const gone = new AbortController();
    const reason = new Error('gone');
    const running = home.engine.runOnce(onceSpec(home, await buildApp(home, 'serve')), {
      command: [...COMMAND, 'deaf'], signal: gone.signal, onOutput: async ({ text }) => { if (text.includes('listening')) gone.abort(reason); },
    });
    await expect(running).rejects.toBe(reason);
    expect(await home.maintainer.onces()).toBe(0);
  });

  it('does not begin when nobody wants it already', async () => {
    await using home = await enter();
    const spec = onceSpec(home, await buildApp(home, 'serve'));
    await expect(home.engine.runOnce(spec, { command: COMMAND, signal: AbortSignal.abort(new Error('late')), onOutput: () => Promise.resolve() })).rejects.toThrow('late');
  });

  it('is no container of its release: neither listed, nor told of, nor in its way', async () => {
    await using home = await enter();
    const image = await buildApp(home, 'serve');
    const events: EngineEvent[] = [];
    const over = new AbortController();
    const listening = (async () => { for await (const event of home.engine.watch(over.signal)) events.push(event); })();
    await eventually(() => events.length > 0, { what: 'the stream stands' });
    const { id } = await home.engine.start(specFor(home, image));
    const during: string[] = [];
    const onOutput = async () => { during.push(...(await home.engine.list()).map((container) => container.id)); };
    await Promise.all([1, 2].map(() => home.engine.runOnce(onceSpec(home, image), { command: [...COMMAND, 'crash'], signal: NEVER, onOutput })));
    expect(new Set(during)).toEqual(new Set([id]));
    await home.engine.remove(id);
    await eventually(() => events.some((event) => event.kind === 'container-lost'), { what: 'the release’s own end is heard' });
    over.abort();
    await listening;
    expect(events.filter((event) => event.kind === 'container-lost' && event.container !== id)).toEqual([]);
  });

  it('keeps its image as long as it runs', async () => {
    await using home = await enter();
    const image = await buildApp(home, 'serve');
    const removals: unknown[] = [];
    await home.engine.runOnce(onceSpec(home, image), { command: [...COMMAND, 'once'], signal: NEVER, onOutput: async () => { removals.push(await home.engine.removeImage(image).catch((error: unknown) => error)); } });
    expect(removals[0]).toMatchObject({ code: 'too_busy' });
    await home.engine.removeImage(image);
    expect(await home.engine.image(image)).toBeUndefined();
  });

  it('of a server that was killed is removed, and that of another server and of this one stays', async () => {
    await using home = await enter();
    const image = await buildApp(home, 'serve');
    await home.maintainer.leaveOnce(image);
    expect(await home.stranger.removeLeftOnce()).toBe(0);
    const counts: number[] = [];
    await home.engine.runOnce(onceSpec(home, image), { command: [...COMMAND, 'crash'], signal: NEVER, onOutput: async () => { counts.push(await home.engine.removeLeftOnce()); } });
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1);
    expect([await home.engine.removeLeftOnce(), await home.maintainer.onces()]).toEqual([0, 0]);
  });
});

describe('one-offs, as the engine has them', () => {
  const inspectOnce = async (home: EngineHome, spec: OnceSpec) => {
    const docker = openDocker();
    let info: Awaited<ReturnType<ReturnType<typeof docker.getContainer>['inspect']>> | undefined;
    await home.engine.runOnce(spec, {
      command: [...COMMAND, 'once'], signal: NEVER,
      onOutput: async () => {
        const [found] = await docker.listContainers({ all: true, filters: { label: [`slipway.instance=${home.instance}`, 'slipway.once=1'] } });
        info ??= await docker.getContainer(found?.Id ?? '').inspect();
      },
    });
    return info;
  };

  it('X16, X18: have every limit, nothing of the host, no port, a name and the labels of their release', async () => {
    await using home = await enterDocker();
    const spec = onceSpec(home, await buildApp(home, 'serve'), { release: 7 as ReleaseNumber });
    const info = await inspectOnce(home, spec);
    expect(info?.Name).toMatch(new RegExp(`^/slipway-${home.instance}-${home.project}-7-once-[0-9a-f]{12}$`));
    expect(info?.HostConfig).toMatchObject({
      CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges:true'], Memory: 134_217_728, MemorySwap: 134_217_728, NanoCpus: 1_000_000_000, PidsLimit: 64,
      Privileged: false, PublishAllPorts: false, PortBindings: {}, Init: true, RestartPolicy: { Name: 'no' }, NetworkMode: `slipway-${home.instance}-${home.project}`,
    });
    expect([info?.HostConfig.Binds ?? [], info?.Mounts]).toEqual([[], []]);
    expect(info?.Config.Labels).toMatchObject({ 'slipway.project': home.project, 'slipway.release': '7', 'slipway.commit': spec.commit, 'slipway.once': '1', 'slipway.process': '' });
  });

  it('keep the image’s entrypoint, which is given the command', async () => {
    await using home = await enterDocker();
    const image = await home.engine.build(requestFor(home, 'FROM slipway-demo/node:latest\nENTRYPOINT ["node", "-p"]\nCMD ["1"]\n'), NEVER);
    const ran = await runOnce(home, onceSpec(home, image), ['6 * 7']);
    expect([ran.exit.code, printedOn(ran, 'stdout')]).toEqual([0, '42\n']);
  });

  it('lose nothing of much output, and wait for whoever reads slowly', async () => {
    await using home = await enterDocker();
    let bytes = 0;
    let reading = 0;
    let most = 0;
    const exit = await home.engine.runOnce(onceSpec(home, await buildApp(home, 'serve')), {
      command: ['node', '-e', 'for (let n = 0; n < 100000; n += 1) console.log("ü" + String(n).padStart(9, "0"))'], signal: NEVER,
      onOutput: async ({ text }) => {
        most = Math.max(most, ++reading);
        bytes += Buffer.byteLength(text);
        await new Promise((resolve) => { setImmediate(resolve); });
        reading -= 1;
      },
    });
    expect([exit.code, bytes, most]).toEqual([0, 100_000 * 12, 1]);
  });

  it('survive that their network went since the last one', async () => {
    await using home = await enterDocker();
    const spec = onceSpec(home, await buildApp(home, 'serve'));
    await runOnce(home, spec, [...COMMAND, 'crash']);
    await home.maintainer.removeNetwork(home.project);
    expect((await runOnce(home, spec, [...COMMAND, 'crash'])).exit.code).toBe(3);
  });

  it('fail when somebody removes their container', async () => {
    await using home = await enterDocker();
    const docker = openDocker();
    const running = home.engine.runOnce(onceSpec(home, await buildApp(home, 'serve')), {
      command: [...COMMAND, 'serve'], signal: NEVER,
      onOutput: async () => {
        const [found] = await docker.listContainers({ filters: { label: [`slipway.instance=${home.instance}`, 'slipway.once=1'] } });
        await docker.getContainer(found?.Id ?? '').remove({ force: true });
      },
    });
    await expect(running).rejects.toMatchObject({ code: 'crashed', message: 'Its container was removed while it ran.' });
  });

  it('K8: are not over because the engine went away, and what they left is removed when it is back', async () => {
    await using home = await enterDocker();
    await using proxy = await startEngineProxy();
    const engine = createDockerEngine({ instance: home.instance, search: { dockerHost: proxy.address, home: '/nowhere' }, clock: systemClock, log });
    const running = engine.runOnce(onceSpec(home, await buildApp(home, 'serve')), { command: [...COMMAND, 'serve'], signal: NEVER, onOutput: () => proxy.leave() });
    await expect(running).rejects.toMatchObject({ code: 'engine_unavailable' });
    expect(await home.maintainer.onces()).toBe(1);
    await proxy.come();
    expect([await engine.removeLeftOnce(), await home.maintainer.onces()]).toEqual([1, 0]);
  });

  it('cannot be claimed by an image: what serves stays listed', async () => {
    await using home = await enterDocker();
    const image = await home.engine.build(requestFor(home, `${appDockerfile('serve')}LABEL slipway.once=1\n`), NEVER);
    const { id } = await home.engine.start(specFor(home, image));
    expect([(await home.engine.list()).map((container) => container.id), await home.engine.removeLeftOnce()]).toEqual([[id], 0]);
  });
});
