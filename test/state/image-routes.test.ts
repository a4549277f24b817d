import { parseEnvironmentName, type RouteId } from '../../src/domain/ids.js';
import { createReleaseStore } from '../../src/state/releases.js';
import { createRouteStore } from '../../src/state/routes.js';
import { openTestDatabase } from '../support/database.js';
import { BLOG, newRelease, newRoute, SHOP } from './samples.js';

const imageRoute = (n: number | string, more: object = {}) => newRoute({ kind: 'image', label: `container-app-${n}`, subject: `registry.example.com/app:${n}`, ...more });

async function openStores() {
  const database = await openTestDatabase();
  return { database, routes: createRouteStore(database), releases: createReleaseStore(database), [Symbol.asyncDispose]: database[Symbol.asyncDispose] };
}

describe('routes of images', () => {
  it('D13: those of one image are found, one for each environment', async () => {
    await using stores = await openStores();
    const environment = parseEnvironmentName('jetpack');
    const plain = await stores.routes.ensure(imageRoute(1));
    const jetpack = await stores.routes.ensure(imageRoute('1-jetpack', { subject: plain.subject, environment }));
    for (const other of [imageRoute(2), imageRoute(1, { project: BLOG }), newRoute({ subject: plain.subject })]) await stores.routes.ensure(other);
    expect((await stores.routes.ofSubject(plain)).map(({ id }) => id).sort()).toEqual([plain.id, jetpack.id].sort());
  });

  it('D13: one that is deleted serves nothing, and keeps its releases and its URL', async () => {
    await using stores = await openStores();
    const { id } = await stores.routes.ensure(imageRoute(1));
    const release = await stores.releases.append(newRelease(id, { commit: null }));
    await stores.routes.move(id, { release: release.number, reason: 'code' });
    await stores.routes.setLastError(id, { code: 'crashed', message: 'It crashed.', at: 1 });
    await stores.routes.clear(id);
    expect(await stores.routes.find(id)).toMatchObject({ current: null, lastError: null, label: 'container-app-1' });
    expect(await stores.releases.find(SHOP, release.number)).toMatchObject({ commit: null, route: id });
  });

  it('D13: of those that were only named and never had a release, the newest thousand stay', async () => {
    await using stores = await openStores();
    const released: RouteId[] = [];
    for (const n of [1, 2]) {
      const { id } = await stores.routes.ensure(imageRoute(n));
      await stores.releases.append(newRelease(id, { commit: null }));
      released.push(id);
    }
    const branch = await stores.routes.ensure(newRoute());
    for (let n = 3; n <= 1_200; n += 1) await stores.routes.ensure(imageRoute(n));
    const left = await stores.routes.list(SHOP);
    expect(left.length).toBe(1_000 + released.length + 1);
    for (const id of [...released, branch.id]) expect(await stores.routes.find(id)).toBeDefined();
    expect([await stores.routes.findLabel(SHOP, 'container-app-3'), (await stores.routes.findLabel(SHOP, 'container-app-1200'))?.kind]).toEqual([undefined, 'image']);
  });
});
