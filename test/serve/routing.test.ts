import type { CommitHash, ContainerId, ProjectName, ReleaseNumber, RouteId } from '../../src/domain/ids.js';
import { createRoutingTable, type Serving } from '../../src/serve/routing.js';
import { createFakeClock } from '../support/fake-clock.js';

const HOST = 'hash-abcd.localhost';
const NEVER = new AbortController().signal;
const container = (name: string) => name as ContainerId;
const serving = (name = 'one', release = 1): Serving => ({
  project: 'shop' as ProjectName, route: 'r_1' as RouteId, commit: 'a'.repeat(40) as CommitHash, release: release as ReleaseNumber,
  container: container(name), target: { address: '10.0.0.1', port: 3000 },
});
function createTable() {
  const clock = createFakeClock();
  const table = createRoutingTable({ clock });
  table.put([HOST, 'hash-abcd.shop.localhost'], serving());
  return { clock, table, find: () => { const entry = table.find(HOST); if (!entry) throw new Error('not there'); return entry; } };
}

describe('routing table', () => {
  it.each([HOST, `${HOST}:3000`, `${HOST.toUpperCase()}:80`, `${HOST}.`, `${HOST}.:3000`, 'hash-abcd.shop.localhost'])('finds %s', (header) => {
    expect(createTable().table.find(header)).toMatchObject({ container: 'one', release: 1 });
  });

  it.each([undefined, '', 'localhost', `${HOST}.evil.com`, `x.${HOST}`, `${HOST}:`, `a@${HOST}`, `${HOST}:999999`, '__proto__'])('does not find %s', (header) => {
    expect(createTable().table.find(header)).toBeUndefined();
  });

  it('serves the new container from the moment it is put, while what is in flight keeps the old one busy', () => {
    const { table, find } = createTable();
    const end = find().begin();
    table.put([HOST], serving('two', 2));
    expect(find()).toMatchObject({ container: 'two', release: 2 });
    expect([table.idleMs(container('one')), table.idleMs(container('two'))]).toEqual([null, 0]);
    end();
    expect(table.idleMs(container('one'))).toBe(0);
  });

  it('takes a container out on withdraw only while nothing is in flight', () => {
    const { table, find } = createTable();
    const end = find().begin();
    expect(table.withdraw(container('one'))).toBe(false);
    expect(find().container).toBe('one');
    end();
    expect(table.withdraw(container('one'))).toBe(true);
    expect(table.find(HOST)).toBeUndefined();
    expect(table.find('hash-abcd.shop.localhost')).toBeUndefined();
  });

  it('leaves the hosts of others alone when it takes one out', () => {
    const { table } = createTable();
    table.put(['branch-main.localhost'], serving('two'));
    table.remove(container('one'));
    expect(table.find(HOST)).toBeUndefined();
    expect(table.find('branch-main.localhost')).toMatchObject({ container: 'two' });
  });

  it('counts idle time from the end of the last exchange, of however many', async () => {
    const { clock, table, find } = createTable();
    await clock.advance(5_000);
    expect(table.idleMs(container('one'))).toBe(5_000);
    const [first, second] = [find().begin(), find().begin()];
    await clock.advance(1_000);
    first();
    expect(table.idleMs(container('one'))).toBeNull();
    await clock.advance(1_000);
    second();
    await clock.advance(300);
    expect(table.idleMs(container('one'))).toBe(300);
  });

  it('ends an exchange once, however often it is told', () => {
    const { table, find } = createTable();
    const [first, second] = [find().begin(), find().begin()];
    first();
    first();
    expect(table.idleMs(container('one'))).toBeNull();
    second();
    expect(table.idleMs(container('one'))).toBe(0);
  });

  it('takes over the idle time of an adopted container', async () => {
    const { clock, table } = createTable();
    table.put(['branch-main.localhost'], serving('two'), 60_000);
    await clock.advance(1_000);
    expect(table.idleMs(container('two'))).toBe(61_000);
  });

  it('tells when a container has nothing in flight any more', async () => {
    const { table, find } = createTable();
    await table.drained(container('one'), NEVER);
    const end = find().begin();
    let isDrained = false;
    const drained = table.drained(container('one'), NEVER).then(() => { isDrained = true; });
    await Promise.resolve();
    expect(isDrained).toBe(false);
    end();
    await drained;
    expect(isDrained).toBe(true);
  });

  it('gives up draining when told to', async () => {
    const { table, find } = createTable();
    find().begin();
    const late = new AbortController();
    const drained = table.drained(container('one'), late.signal);
    late.abort();
    await expect(drained).resolves.toBeUndefined();
  });

  it('keeps what comes for a sleeping container on all its hosts, and lets it through again', async () => {
    const { table, find } = createTable();
    const awake: string[] = [];
    expect(find().wake).toBeUndefined();
    expect(table.suspend(container('one'), () => { awake.push('woken'); return Promise.resolve(); })).toBe(true);
    await table.find('hash-abcd.shop.localhost')?.wake?.();
    expect([awake, find().container]).toEqual([['woken'], 'one']);
    table.resume(container('one'));
    expect(find().wake).toBeUndefined();
  });

  it('K22: suspends no container while something is in flight to it', () => {
    const { table, find } = createTable();
    const [first, second] = [find().begin(), find().begin()];
    const suspend = () => table.suspend(container('one'), () => Promise.resolve());
    expect([suspend(), find().wake]).toEqual([false, undefined]);
    first();
    expect([suspend(), find().wake]).toEqual([false, undefined]);
    second();
    expect([suspend(), typeof find().wake]).toEqual([true, 'function']);
  });

  it('tells an entry that was found before that its container fell asleep, and that it woke', () => {
    const { table, find } = createTable();
    const entry = find();
    table.suspend(container('one'), () => Promise.resolve());
    expect(entry.wake).toBeDefined();
    table.resume(container('one'));
    expect(entry.wake).toBeUndefined();
  });

  it('suspends one container only, keeps it suspended on a host that is added, and forgets it with the container', () => {
    const { table, find } = createTable();
    table.put(['branch-main.localhost'], serving('two'));
    table.suspend(container('one'), () => Promise.resolve());
    expect(table.find('branch-main.localhost')?.wake).toBeUndefined();
    table.put(['branch-fix.localhost'], serving('one'));
    expect(table.find('branch-fix.localhost')?.wake).toBeDefined();
    table.remove(container('one'));
    table.resume(container('one'));
    table.put([HOST], serving('one'));
    expect(find().wake).toBeUndefined();
  });

  it('hands over when routes were used, once', async () => {
    const { clock, table, find } = createTable();
    await clock.advance(1_000);
    find().begin()();
    expect([...table.takeAccesses()]).toEqual([['r_1', clock.now()]]);
    expect(table.takeAccesses().size).toBe(0);
  });
});
