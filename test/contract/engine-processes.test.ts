import type { ReleaseNumber } from '../../src/domain/ids.js';
import { appDockerfile, ask, buildApp, collect, NEVER, requestFor, specFor, WORLDS } from '../support/engine-world.js';
import { eventually } from '../support/eventually.js';

const commandOf = (mode: string) => ['node', '/app.cjs', mode];

describe.each(WORLDS)('X4p: processes on the %s engine', (_name, enter) => {
  it('are containers of one release beside each other, each with its own command and its own output', async () => {
    await using home = await enter();
    const image = await buildApp(home, 'serve');
    const web = await home.engine.start(specFor(home, image));
    const worker = await home.engine.start(specFor(home, image, { process: 'worker', command: commandOf('crash') }));
    expect(await home.engine.waitForExit(worker.id, NEVER)).toMatchObject({ code: 3 });
    expect((await collect(home.engine.output(worker.id, { tail: 10, follow: false }))).map(({ text }) => text)).toEqual(['one', 'two', 'three']);
    expect(await ask(web.target)).toBe('hello from /');
    expect(await home.engine.inspect(web.id)).toMatchObject({ running: true, process: null });
    expect(await home.engine.inspect(worker.id)).toMatchObject({ running: false, process: 'worker', release: 1 });
  });

  it('are listed with their names, and one that is started again replaces itself alone', async () => {
    await using home = await enter();
    const image = await buildApp(home, 'serve');
    const spec = specFor(home, image);
    await home.engine.start(spec);
    const first = await home.engine.start({ ...spec, process: 'worker', command: commandOf('serve') });
    const again = await home.engine.start({ ...spec, process: 'worker', command: commandOf('serve') });
    await home.engine.start({ ...spec, process: 'worker', command: commandOf('serve'), release: 2 as ReleaseNumber });
    const listed = (await home.engine.list()).map(({ release, process }) => `v${release} ${process ?? 'web'}`);
    expect(listed.sort()).toEqual(['v1 web', 'v1 worker', 'v2 worker']);
    expect([await home.engine.inspect(first.id), (await home.engine.inspect(again.id))?.running]).toEqual([undefined, true]);
  });

  it('end with 127 where the command does not exist', async () => {
    await using home = await enter();
    const { id } = await home.engine.start(specFor(home, await buildApp(home, 'serve'), { process: 'worker', command: ['nosuch'] }));
    expect(await home.engine.waitForExit(id, NEVER)).toMatchObject({ code: 127 });
  });

  it('are told of by the engine like any other container', async () => {
    await using home = await enter();
    const image = await home.engine.build(requestFor(home, appDockerfile('serve')), NEVER);
    const over = new AbortController();
    const lost: string[] = [];
    const listening = (async () => {
      for await (const event of home.engine.watch(over.signal)) if (event.kind === 'gap') lost.push('heard'); else if (event.kind === 'container-lost') lost.push(event.container);
    })();
    await eventually(() => lost.includes('heard'), { what: 'the stream stands' });
    const { id } = await home.engine.start(specFor(home, image, { process: 'worker', command: commandOf('crash') }));
    await eventually(() => lost.includes(id), { what: 'its end is heard' });
    over.abort();
    await listening;
  });
});
