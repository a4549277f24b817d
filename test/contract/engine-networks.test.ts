import { networkName } from '../../src/engine/network.js';
import type { ProjectName } from '../../src/domain/ids.js';
import { ask, buildApp, specFor, WORLDS } from '../support/engine-world.js';

describe.each(WORLDS)('networks on the %s engine', (_name, enter) => {
  it('K2: go with their projects, unless a container runs on them; others’ stay', async () => {
    await using home = await enter();
    const [kept, left] = [`${home.project}k`, `${home.project}l`].map((name) => name as ProjectName);
    if (kept === undefined || left === undefined) throw new Error('no names');
    const { id, target } = await home.engine.start(specFor(home, await buildApp(home, 'serve')));
    for (const project of [kept, left]) await home.engine.ensureNetwork(project);
    await home.stranger.ensureNetwork(left);
    expect(await home.engine.removeOtherNetworks([kept])).toEqual([left]);
    expect(await ask(target)).toBe('hello from /');
    expect(await home.stranger.removeOtherNetworks([left])).toEqual([]);
    await home.engine.remove(id);
    expect(await home.engine.removeOtherNetworks([kept])).toEqual([home.project]);
    expect(await home.engine.removeOtherNetworks([kept])).toEqual([]);
  });

  it('K2: are made again when their project is back', async () => {
    await using home = await enter();
    await home.engine.ensureNetwork(home.project);
    expect(await home.engine.removeOtherNetworks([])).toEqual([home.project]);
    expect(await home.engine.ensureNetwork(home.project)).toBe(networkName(home.instance, home.project));
    expect(await home.engine.removeOtherNetworks([])).toEqual([home.project]);
  });
});
