import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RefName } from '../../src/domain/ids.js';
import { slugOf } from '../../src/domain/slug.js';
import { eventually } from '../support/eventually.js';
import { containersWith } from '../support/real-docker.js';
import { createSampleRepository, unbuilt, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

/** Well below the minute after which the server fetches by itself. */
const AT_ONCE_MS = 30_000;

describe('a branch that moves', () => {
  let sample: SampleRepository;
  let server: ServerProcess;
  const hostOf = (branch: string) => `branch-${slugOf(branch as RefName)}.localhost`;
  const served = async (branch: string) => (await server.get(hostOf(branch), '/')).headers['x-slipway-commit'];
  /** What anybody does who looks for a branch that was pushed just now. */
  const causeFetch = () => server.get('localhost', `/?branch=not-there-${Math.random().toString(36).slice(2)}`);

  beforeAll(async () => {
    sample = await createSampleRepository();
    server = await startServer({ repository: sample.path });
  }, 120_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  it('is followed by its host while it runs, without a failed request, forwards and back', async () => {
    expect(await served('feature/cart')).toBe(sample.branches['feature/cart']);
    const next = await sample.commit('feature/cart', unbuilt());
    const statuses = new Set<number>();
    const follows = (commit: string | undefined) => eventually(async () => {
      const { status, headers } = await server.get(hostOf('feature/cart'), '/');
      statuses.add(status);
      return headers['x-slipway-commit'] === commit;
    }, { what: 'the branch host follows', withinMs: AT_ONCE_MS });
    expect((await causeFetch()).status).toBe(404);
    await follows(next);
    await sample.git('checkout', '--quiet', 'main');
    await sample.git('branch', '--force', 'feature/cart', 'main');
    await causeFetch();
    await follows(sample.branches.main);
    expect([...statuses]).toEqual([200]);
  }, 90_000);

  it('leaves one instance of the route once the replaced one has drained', async () => {
    const before = await sample.commit('moving', unbuilt());
    await eventually(async () => await served('moving') === before, { what: 'the first commit is served' });
    const after = await sample.commit('moving', unbuilt());
    await causeFetch();
    await eventually(async () => await served('moving') === after, { what: 'the second commit is served', withinMs: AT_ONCE_MS });
    await eventually(async () => {
      const commits = (await containersWith(server.label)).map(({ Labels }) => Labels['slipway.commit']);
      return commits.includes(after) && !commits.includes(before);
    }, { what: 'the replaced instance goes', withinMs: 45_000 });
  }, 120_000);

  it('makes the next visitor of one that does not run wait for its new tip', async () => {
    const commit = await sample.commit('realtime', unbuilt());
    await causeFetch();
    expect(await served('realtime')).toBe(commit);
  }, 60_000);

  it('is found at once when it is new, by name, by host and by hash', async () => {
    const first = await sample.commit('brand-new', unbuilt());
    const begun = performance.now();
    const byName = await server.get('localhost', '/?branch=brand-new');
    expect([byName.status, byName.headers.location]).toEqual([302, `http://hash-${first}.localhost:${server.port}/`]);
    await sample.commit('newer', unbuilt());
    expect((await server.get(hostOf('newer'), '/')).status).toBe(200);
    const newest = await sample.commit('newest', unbuilt());
    expect((await server.get('localhost', `/?hash=${newest.slice(0, 12)}`)).headers.location).toBe(`http://hash-${newest}.localhost:${server.port}/`);
    expect(performance.now() - begun).toBeLessThan(AT_ONCE_MS);
  }, 60_000);

  it('D12: may have the name of a folder of branches that are gone', async () => {
    await sample.git('branch', 'thing/thing2', 'main');
    expect((await server.get('localhost', '/?branch=thing/thing2')).status).toBe(302);
    await sample.git('branch', '--delete', '--force', 'thing/thing2');
    await sample.git('branch', 'thing', 'main');
    expect((await server.get('localhost', '/?branch=thing')).status).toBe(302);
    expect((await server.get('localhost', '/?branch=thing/thing2')).status).toBe(404);
  }, 60_000);

  it('keeps the URL of a commit that is on no branch any more', async () => {
    const commit = await sample.commit('short-lived', unbuilt());
    expect((await server.get('localhost', '/?branch=short-lived')).status).toBe(302);
    expect((await server.get(`hash-${commit}.localhost`, '/')).status).toBe(200);
    await sample.git('checkout', '--quiet', 'main');
    await sample.git('branch', '--delete', '--force', 'short-lived');
    expect((await causeFetch()).status).toBe(404);
    expect(await server.get(`hash-${commit}.localhost`, '/')).toMatchObject({ status: 200, headers: { 'x-slipway-commit': commit } });
    expect((await server.get('localhost', `/?hash=${commit}`)).status).toBe(302);
    expect((await server.get('localhost', '/?branch=short-lived')).status).toBe(404);
  }, 60_000);
});
