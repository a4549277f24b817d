import type { BuildId, ContainerId, EnvironmentName, ImageId, ReleaseNumber } from '../../src/domain/ids.js';
import type { ContainerEngine } from '../../src/engine/port.js';
import { ask, buildApp, collect, NEVER, requestFor, specFor, WORLDS } from '../support/engine-world.js';

const GONE = 'f'.repeat(64) as ContainerId;
const second = 2 as ReleaseNumber;

/** Reads until the application says that it listens. */
async function untilListening(engine: ContainerEngine, id: ContainerId): Promise<void> {
  for await (const line of engine.output(id, { tail: 100, follow: true })) if (line.text === 'listening') return;
}

describe.each(WORLDS)('containers on the %s engine', (_name, enter) => {
  it('starts a container whose target answers', async () => {
    await using home = await enter();
    const { target } = await home.engine.start(specFor(home, await buildApp(home, 'serve')));
    expect(await ask(target, '/cart?x=1')).toBe('hello from /cart?x=1');
  });

  it('tells what runs, for whom, and where', async () => {
    await using home = await enter();
    const spec = specFor(home, await buildApp(home, 'serve'), { environment: 'jetpack' as EnvironmentName, release: second });
    const { id, target } = await home.engine.start(spec);
    const { project, release, commit, build, environment, image } = spec;
    const container = await home.engine.inspect(id);
    expect(container).toMatchObject({ id, project, release, commit, build, environment, image, running: true, target, exit: null });
    expect(container?.startedAt).toBeGreaterThan(Date.now() - 60_000);
    expect(await home.engine.list()).toEqual([container]);
  });

  it('keeps what has no build and no environment apart from what has', async () => {
    await using home = await enter();
    const { id } = await home.engine.start(specFor(home, await buildApp(home, 'serve'), { build: null }));
    expect(await home.engine.inspect(id)).toMatchObject({ build: null, environment: null });
  });

  it('lists only this server\'s containers', async () => {
    await using home = await enter();
    await home.engine.start(specFor(home, await buildApp(home, 'serve')));
    expect(await home.stranger.list()).toEqual([]);
  });

  it('changes nothing of another server\'s', async () => {
    await using home = await enter();
    const { id } = await home.engine.start(specFor(home, await buildApp(home, 'serve')));
    await home.stranger.stop(id, 0);
    await home.stranger.remove(id);
    expect(await home.stranger.inspect(id)).toBeUndefined();
    expect(await home.engine.inspect(id)).toMatchObject({ running: true });
  });

  it('K10: replaces the container when a release is started twice', async () => {
    await using home = await enter();
    const spec = specFor(home, await buildApp(home, 'serve'));
    const first = await home.engine.start(spec);
    const again = await home.engine.start(spec);
    expect((await home.engine.list()).map(({ id }) => id)).toEqual([again.id]);
    expect(await home.engine.inspect(first.id)).toBeUndefined();
    expect(await ask(again.target)).toBe('hello from /');
  });

  it('E17: a command that does not exist ends the container with 127, and its output names it', async () => {
    await using home = await enter();
    const { id } = await home.engine.start(specFor(home, await buildApp(home, 'nosuch')));
    expect(await home.engine.waitForExit(id, NEVER)).toMatchObject({ code: 127 });
    const lines = await collect(home.engine.output(id, { tail: 5, follow: false }));
    expect(lines.map(({ text }) => text).join()).toContain('nosuch');
  });

  it('E17: fails in the engine\'s words when an image has no command, and leaves nothing', async () => {
    await using home = await enter();
    const image = await home.engine.build(requestFor(home, 'FROM scratch\nCOPY app.cjs /app.cjs\n'), NEVER);
    await expect(home.engine.start(specFor(home, image))).rejects.toMatchObject({ code: 'start_failed', message: expect.stringMatching(/no command specified/i) as string });
    expect(await home.engine.list()).toEqual([]);
  });

  it('fails when the image is gone', async () => {
    await using home = await enter();
    const image = `sha256:${'0'.repeat(64)}` as ImageId;
    await expect(home.engine.start(specFor(home, image))).rejects.toMatchObject({ code: 'start_failed' });
  });

  it('K13: tells the exit code of a container that ended', async () => {
    await using home = await enter();
    const { id } = await home.engine.start(specFor(home, await buildApp(home, 'crash')));
    expect(await home.engine.waitForExit(id, NEVER)).toEqual({ code: 3, outOfMemory: false, message: null });
    expect(await home.engine.inspect(id)).toMatchObject({ running: false, target: null, exit: { code: 3 } });
  });

  it('F4: tells when a container ended for want of memory', async () => {
    await using home = await enter();
    const { id } = await home.engine.start(specFor(home, await buildApp(home, 'hungry'), { memoryBytes: 64 * 1024 * 1024 }));
    expect(await home.engine.waitForExit(id, NEVER)).toMatchObject({ outOfMemory: true });
  });

  it('ends a wait when the container is removed or the wait is given up', async () => {
    await using home = await enter();
    const { id } = await home.engine.start(specFor(home, await buildApp(home, 'serve')));
    const abort = new AbortController();
    const givenUp = home.engine.waitForExit(id, abort.signal);
    abort.abort();
    expect(await givenUp).toBeUndefined();
    await home.engine.remove(id);
    expect(await home.engine.waitForExit(id, NEVER)).toBeUndefined();
  });

  it('freezes a container, which answers what came meanwhile once it goes on', async () => {
    await using home = await enter();
    const { id, target } = await home.engine.start(specFor(home, await buildApp(home, 'serve')));
    expect(await ask(target)).toBe('hello from /');
    expect(await home.engine.pause(id)).toBe(true);
    expect(await home.engine.inspect(id)).toMatchObject({ running: true, paused: true, target, exit: null });
    expect((await home.engine.list()).map(({ paused }) => paused)).toEqual([true]);
    let isAnswered = false;
    const answer = ask(target, '/later').finally(() => { isAnswered = true; });
    // Looking at it takes longer than an answer would.
    for (let looks = 0; looks < 5; looks += 1) await home.engine.inspect(id);
    expect(isAnswered).toBe(false);
    expect(await home.engine.resume(id)).toBe(true);
    expect(await answer).toBe('hello from /later');
    expect(await home.engine.inspect(id)).toMatchObject({ running: true, paused: false });
  });

  it('freezes what is frozen, and lets go on what goes on, without a word', async () => {
    await using home = await enter();
    const { id } = await home.engine.start(specFor(home, await buildApp(home, 'serve')));
    expect([await home.engine.resume(id), await home.engine.pause(id), await home.engine.pause(id), await home.engine.resume(id)]).toEqual([true, true, true, true]);
  });

  it('freezes nothing that does not run, is gone, or is another server’s', async () => {
    await using home = await enter();
    const ended = await home.engine.start(specFor(home, await buildApp(home, 'crash')));
    await home.engine.waitForExit(ended.id, NEVER);
    const { id } = await home.engine.start(specFor(home, await buildApp(home, 'serve'), { release: second }));
    expect([await home.engine.pause(ended.id), await home.engine.resume(ended.id), await home.engine.pause(GONE), await home.engine.resume(GONE)]).toEqual([false, false, false, false]);
    expect([await home.stranger.pause(id), await home.engine.inspect(id)]).toEqual([false, expect.objectContaining({ paused: false })]);
    await home.engine.pause(id);
    expect([await home.stranger.resume(id), await home.engine.inspect(id)]).toEqual([false, expect.objectContaining({ paused: true })]);
  });

  it('stops and removes what is frozen', async () => {
    await using home = await enter();
    const first = await home.engine.start(specFor(home, await buildApp(home, 'serve')));
    const other = await home.engine.start(specFor(home, await buildApp(home, 'serve'), { release: second }));
    await home.engine.pause(first.id);
    await home.engine.pause(other.id);
    await home.engine.stop(first.id, 5_000);
    expect(await home.engine.inspect(first.id)).toMatchObject({ running: false, paused: false });
    await home.engine.remove(other.id);
    expect(await home.engine.inspect(other.id)).toBeUndefined();
  });

  it('gives the last lines of the output', async () => {
    await using home = await enter();
    const { id } = await home.engine.start(specFor(home, await buildApp(home, 'crash')));
    await home.engine.waitForExit(id, NEVER);
    const lines = await collect(home.engine.output(id, { tail: 2, follow: false }));
    expect(lines.map(({ stream, text }) => `${stream} ${text}`)).toEqual(['stdout two', 'stdout three']);
    expect(Date.parse(lines[0]?.at ?? '')).toBeGreaterThan(Date.now() - 60_000);
  });

  it('follows the output until the container ends', async () => {
    await using home = await enter();
    const { id } = await home.engine.start(specFor(home, await buildApp(home, 'serve')));
    const texts: string[] = [];
    for await (const { text } of home.engine.output(id, { tail: 100, follow: true })) {
      texts.push(text);
      await home.engine.stop(id, 1_000);
    }
    expect(texts).toEqual(['listening']);
  });

  it('ends a followed output when its signal aborts', async () => {
    await using home = await enter();
    const { id } = await home.engine.start(specFor(home, await buildApp(home, 'serve')));
    const abort = new AbortController();
    for await (const _line of home.engine.output(id, { tail: 100, follow: true, signal: abort.signal })) abort.abort();
    expect(await home.engine.inspect(id)).toMatchObject({ running: true });
  });

  it('has no output of a container that is gone', async () => {
    await using home = await enter();
    expect(await collect(home.engine.output(GONE, { tail: 10, follow: true }))).toEqual([]);
  });

  it('K16: shows the ports a container listens on, and which of them nobody else can reach', async () => {
    await using home = await enter();
    const open = await home.engine.start(specFor(home, await buildApp(home, 'serve')));
    const closed = await home.engine.start(specFor(home, await buildApp(home, 'local'), { release: second }));
    await untilListening(home.engine, open.id);
    await untilListening(home.engine, closed.id);
    expect(await home.engine.listeningPorts(open.id)).toEqual([{ port: 3000, loopbackOnly: false }]);
    expect(await home.engine.listeningPorts(closed.id)).toEqual([{ port: 3000, loopbackOnly: true }]);
    expect(await home.engine.listeningPorts(GONE)).toBeUndefined();
  });

  it('lets a container end by itself after SIGTERM', async () => {
    await using home = await enter();
    const { id } = await home.engine.start(specFor(home, await buildApp(home, 'serve')));
    await untilListening(home.engine, id);
    await home.engine.stop(id, 10_000);
    expect(await home.engine.inspect(id)).toMatchObject({ running: false, exit: { code: 143, outOfMemory: false } });
    await home.engine.stop(id, 10_000);
  });

  it('K17: kills a container that is deaf to SIGTERM after its grace', async () => {
    await using home = await enter();
    const { id } = await home.engine.start(specFor(home, await buildApp(home, 'deaf')));
    await untilListening(home.engine, id);
    await home.engine.stop(id, 1_000);
    expect(await home.engine.inspect(id)).toMatchObject({ running: false, exit: { code: 137 } });
  });

  it('removes a running container, and nothing happens when it is gone', async () => {
    await using home = await enter();
    const { id } = await home.engine.start(specFor(home, await buildApp(home, 'serve'), { build: null as BuildId | null }));
    await Promise.all([home.engine.remove(id), home.engine.remove(id)]);
    expect(await home.engine.inspect(id)).toBeUndefined();
    await home.engine.remove(id);
    await home.engine.stop(id, 0);
  });

  it('makes one network however many ask at once', async () => {
    await using home = await enter();
    const names = await Promise.all(Array.from({ length: 5 }, () => home.engine.ensureNetwork(home.project)));
    expect(new Set(names).size).toBe(1);
  });
});
