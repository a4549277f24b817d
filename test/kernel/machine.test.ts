import { createLoopBook } from '../../src/kernel/loop-book.js';
import { createMachine } from '../../src/kernel/machine.js';
import { createFakeClock } from '../support/fake-clock.js';
import { createTestFolder } from '../support/git.js';
import { createQuietLog } from '../support/quiet-log.js';
import { until } from '../support/until.js';

const runtime = { version: 'v0', uptime: () => 61.9, memoryUsage: () => ({ rss: 4, heapTotal: 3, heapUsed: 2, external: 1 }) };

describe('the machine', () => {
  it('D9: says load, processors, memory, disk and what the process uses', async () => {
    using folder = createTestFolder();
    const clock = createFakeClock();
    const machine = createMachine({ runtime, folder: folder.path, clock, log: createQuietLog(), loops: createLoopBook({ clock }) });
    const facts = await machine.facts();
    expect(facts).toMatchObject({ node: 'v0', process: { uptimeSeconds: 61, rssBytes: 4, heapTotalBytes: 3, heapUsedBytes: 2, externalBytes: 1 }, eventLoop: null });
    expect(facts.load).toHaveLength(3);
    for (const amount of [facts.cpus, facts.memory.totalBytes, facts.memory.freeBytes, facts.disk?.totalBytes, facts.uptimeSeconds]) expect(amount).toBeGreaterThan(0);
    expect(facts.disk?.freeBytes).toBeLessThanOrEqual(facts.disk?.totalBytes ?? 0);
  });

  it('D9: says how late the event loop is, and of a folder that is gone no disk', async () => {
    const clock = createFakeClock();
    const loops = createLoopBook({ clock });
    const machine = createMachine({ runtime, folder: '/nowhere/at/all', clock, log: createQuietLog(), loops });
    await machine.start();
    try {
      await until(async () => (await machine.facts()).eventLoop !== null, 'a measurement');
      const { eventLoop, disk } = await machine.facts();
      expect(disk).toBeNull();
      expect(eventLoop?.p99Ms).toBeGreaterThanOrEqual(eventLoop?.p50Ms ?? 0);
      expect(eventLoop?.maxMs).toBeGreaterThanOrEqual(eventLoop?.p99Ms ?? 0);
      expect(loops.list().map(({ name }) => name)).toEqual(['measure the event loop']);
    } finally {
      await machine.stop();
    }
    expect(loops.list()).toEqual([]);
  });
});
