import { parseProjectName } from '../../src/domain/ids.js';
import { startLoop } from '../../src/kernel/loop.js';
import { createLoopBook } from '../../src/kernel/loop-book.js';
import { createFakeClock } from '../support/fake-clock.js';
import { createQuietLog } from '../support/quiet-log.js';

describe('the book of loops', () => {
  it('D9: has each loop’s period, last pass, how long it took and what failed last', async () => {
    const clock = createFakeClock();
    const begin = clock.now();
    const book = createLoopBook({ clock });
    let passes = 0;
    const step = async () => {
      passes += 1;
      await clock.sleep(200);
      if (passes === 2) throw new Error('no git');
    };
    const loop = startLoop(1_000, step, { clock, log: createQuietLog(), noted: { book, name: 'fetch', project: parseProjectName('shop') } });
    await clock.advance(100);
    expect(book.list()).toEqual([{ name: 'fetch', project: 'shop', periodMs: 1_000, passes: 0, failures: 0, lastAt: begin, lastMs: null, underWay: true, lastError: null }]);
    await clock.advance(200);
    expect(book.list()[0]).toMatchObject({ passes: 1, lastMs: 200, underWay: false, lastError: null });
    await clock.advance(2_500);
    expect(book.list()[0]).toMatchObject({ passes: 3, failures: 1, lastAt: begin + 2_400, lastError: { at: begin + 1_400, message: 'no git' } });
    await loop.stop();
    expect(book.list()).toEqual([]);
  });

  it('lists loops by name, two of one name too, and does not count what a stop ended', async () => {
    const clock = createFakeClock();
    const book = createLoopBook({ clock });
    const log = createQuietLog();
    const loops = ['b', 'a', 'a'].map((name) => startLoop(1_000, async (signal) => { await clock.sleep(60_000, signal); throw new Error('ended'); }, { clock, log, noted: { book, name } }));
    await clock.advance(100);
    expect(book.list().map(({ name, project }) => [name, project])).toEqual([['a', null], ['a', null], ['b', null]]);
    await Promise.all(loops.map((loop) => loop.stop()));
    expect([book.list(), log.recent()]).toEqual([[], []]);
  });
});
