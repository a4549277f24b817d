import type { ImageId } from '../../src/domain/ids.js';
import type { ImageFile } from '../../src/engine/port.js';
import { collect, contextOf, enterDocker, NEVER, requestFor, WORLDS, type EngineHome } from '../support/engine-world.js';

const filesOf = async (home: EngineHome, image: ImageId) => new Map((await collect<ImageFile>(home.engine.files(image, NEVER))).map(({ path, digest }) => [path, digest]));
const build = (home: EngineHome, dockerfile: string) => home.engine.build(requestFor(home, dockerfile, { context: contextOf(dockerfile), noCache: true }), NEVER);

describe.each(WORLDS)('P12: the files of an image on the %s engine', (_name, enter) => {
  it('are the same when it was built twice of the same, and differ where it was not', async () => {
    await using home = await enter();
    const [first, again, other] = [await build(home, 'FROM scratch\nCOPY app.cjs /app.cjs\n'), await build(home, 'FROM scratch\nCOPY app.cjs /app.cjs\n'), await build(home, 'FROM scratch\nCOPY Dockerfile /app.cjs\n')];
    expect(new Set([first, again, other]).size).toBe(3);
    const [files, same, changed] = [await filesOf(home, first), await filesOf(home, again), await filesOf(home, other)];
    expect(same).toEqual(files);
    expect(files.has('app.cjs')).toBe(true);
    expect([...changed.keys()]).toEqual([...files.keys()]);
    expect([...changed].filter(([path, digest]) => files.get(path) !== digest).map(([path]) => path)).toEqual(['app.cjs']);
  });

  it('are those of an image that nobody started: nothing is left, and nothing that the engine puts into containers is among them', async () => {
    await using home = await enter();
    const files = await filesOf(home, await build(home, 'FROM scratch\nCOPY app.cjs /app.cjs\n'));
    expect([...files.keys()].filter((path) => /^(\.dockerenv|dev|proc|sys|etc\/.*)/.test(path))).toEqual([]);
    expect([await home.maintainer.onces(), await home.engine.list()]).toEqual([0, []]);
  });

  it('leave nothing either when only the first is wanted, or none any more', async () => {
    await using home = await enter();
    const image = await build(home, 'FROM slipway-demo/node\nCOPY app.cjs /app.cjs\n');
    for await (const { path } of home.engine.files(image, NEVER)) { expect(path).not.toBe(''); break; }
    const gone = new AbortController();
    const reading = (async () => { for await (const _ of home.engine.files(image, gone.signal)) gone.abort(new Error('gone')); })();
    await expect(reading).rejects.toThrow('gone');
    expect(await home.maintainer.onces()).toBe(0);
  });

  it('of an image that is not there are a failure', async () => {
    await using home = await enter();
    await expect(collect(home.engine.files(`sha256:${'0'.repeat(64)}` as ImageId, NEVER))).rejects.toMatchObject({ code: 'unknown_image' });
  });
});

describe('the files of an image, as the engine has them', () => {
  it('P12: type, mode, owner, content and the target of a link count, and times do not', async () => {
    await using home = await enterDocker();
    const script = (touch: string) => `FROM slipway-demo/node:latest\nRUN ["node", "-e", ${JSON.stringify(`const fs = require('fs'); fs.mkdirSync('/d'); for (const n of ['mode', 'owner', 'time', 'text', 'kind', 'same']) fs.writeFileSync('/d/' + n, 'x'); fs.symlinkSync('a', '/d/link'); ${touch}`)}]\n`;
    const before = await build(home, script(''));
    const after = await build(home, script("fs.chmodSync('/d/mode', 0o700); fs.chownSync('/d/owner', 7, 7); fs.utimesSync('/d/time', 1, 1); fs.writeFileSync('/d/text', 'y'); fs.rmSync('/d/kind'); fs.mkdirSync('/d/kind'); fs.rmSync('/d/link'); fs.symlinkSync('b', '/d/link')"));
    const [files, others] = [await filesOf(home, before), await filesOf(home, after)];
    const changed = [...files].filter(([path, digest]) => others.get(path) !== digest).map(([path]) => path);
    expect([changed.sort(), others.size]).toEqual([['d/kind', 'd/link', 'd/mode', 'd/owner', 'd/text'], files.size]);
  });
});
