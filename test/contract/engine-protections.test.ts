import { buildApp, specFor, WORLDS } from '../support/engine-world.js';

describe.each(WORLDS)('protections on the %s engine', (_name, enter) => {
  it('D9: are told with what was found, each by a name of its own', async () => {
    await using home = await enter();
    await home.engine.start(specFor(home, await buildApp(home, 'serve')));
    const found = await home.engine.protections();
    expect(found.length).toBeGreaterThan(0);
    expect(new Set(found.map(({ name }) => name)).size).toBe(found.length);
    for (const { holds, detail } of found) {
      expect([true, false, null]).toContain(holds);
      expect(detail).toMatch(/^[A-Z0-9].*\.$/);
    }
    expect(found.find(({ name }) => name === 'No ports on the machine')?.holds).toBe(true);
    expect(found.find(({ name }) => name === 'No traffic between previews')?.holds).not.toBe(false);
  });

  it('D9: the description names the storage driver', async () => {
    await using home = await enter();
    expect((await home.engine.describe()).storageDriver).toMatch(/^\w+$/);
  });
});
