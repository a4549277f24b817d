import { parseCommitHash, type RefName } from '../../src/domain/ids.js';
import type { Route } from '../../src/domain/release.js';
import { createRetireBranches } from '../../src/flow/retire-branches.js';
import { createRoutingTable } from '../../src/serve/routing.js';
import { createRefTable, type Ref } from '../../src/source/ref-table.js';
import { PLACEMENT, PROJECT, startInstances } from '../run/started-instances.js';
import { until } from '../support/until.js';

const MINUTE = 60_000;
const HOST = 'branch-main.localhost';
const refOf = (name: string): Ref => ({ name: name as RefName, kind: 'branch', commit: parseCommitHash('c'.repeat(40)), subject: '', author: '', committedAt: 0 });

/** A running preview of `main`, and the branches as the last fetch saw them. */
async function startPreview(kind: Route['kind'] = 'branch') {
  const house = await startInstances();
  const routing = createRoutingTable({ clock: house.clock });
  const fetched = { branches: ['main', 'other'], at: 0 as number | null };
  const release = house.release();
  const { container, target } = await house.instances.ensure(release, PLACEMENT);
  routing.put([HOST], { project: PROJECT, route: release.route, commit: release.commit, release: release.number, container, target });
  const route: Route = { id: release.route, project: PROJECT, kind, label: 'branch-main', environment: null, subject: 'main', current: release.number, configHash: null, lastError: null, createdAt: 0, lastAccessAt: null };
  const retire = createRetireBranches({
    sources: new Map([[PROJECT, { refs: () => createRefTable(fetched.branches.map(refOf), () => fetched.at) }]]),
    routes: { find: () => Promise.resolve(route) }, instances: house.instances, routing, clock: house.clock, log: house.log, graceMs: 10 * MINUTE, drainMs: 5_000,
  });
  await retire.start();
  return { ...house, routing, fetched, [Symbol.asyncDispose]: async () => { await retire.stop(); await house[Symbol.asyncDispose](); } };
}

describe('D12: the preview of a deleted branch', () => {
  it('is stopped and cleaned up once the branch was gone for the grace', async () => {
    await using house = await startPreview();
    house.fetched.branches = ['other'];
    await house.clock.advance(10 * MINUTE - 1);
    expect(house.routing.find(HOST)).toBeDefined();
    await house.clock.advance(MINUTE);
    expect(house.routing.find(HOST)).toBeUndefined();
    await until(async () => (await house.engine.list()).length === 0, 'its container is removed');
  });

  it('serves what is in flight to its end', async () => {
    await using house = await startPreview();
    const end = house.routing.find(HOST)?.begin();
    house.fetched.branches = [];
    await house.clock.advance(10.5 * MINUTE);
    expect(house.routing.find(HOST)).toBeUndefined();
    expect(house.instances.running()).toHaveLength(1);
    end?.();
    await house.clock.advance(1);
    await until(async () => (await house.engine.list()).length === 0, 'its container is removed');
  });

  it('goes on when the branch is pushed again in time', async () => {
    await using house = await startPreview();
    house.fetched.branches = [];
    await house.clock.advance(9 * MINUTE);
    house.fetched.branches = ['main'];
    await house.clock.advance(MINUTE);
    house.fetched.branches = [];
    await house.clock.advance(9 * MINUTE);
    expect(house.routing.find(HOST)).toBeDefined();
  });

  it('goes on while nothing was fetched yet', async () => {
    await using house = await startPreview();
    Object.assign(house.fetched, { branches: [], at: null });
    await house.clock.advance(60 * MINUTE);
    expect(house.routing.find(HOST)).toBeDefined();
  });

  it('is another thing than that of a commit, which has a URL for ever', async () => {
    await using house = await startPreview('commit');
    house.fetched.branches = [];
    await house.clock.advance(60 * MINUTE);
    expect(house.routing.find(HOST)).toBeDefined();
  });
});
