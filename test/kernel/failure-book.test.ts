import { EventEmitter } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createFailureBook } from '../../src/kernel/failure-book.js';
import { createFakeClock } from '../support/fake-clock.js';
import { createTestFolder } from '../support/git.js';
import { createQuietLog } from '../support/quiet-log.js';

describe('the book of unhandled failures', () => {
  it('D9: counts exceptions and rejected promises over restarts and knows the last five', async () => {
    using folder = createTestFolder();
    const file = join(folder.path, 'failures.json');
    const clock = createFakeClock();
    const log = createQuietLog();
    const runtime = new EventEmitter();
    const first = createFailureBook({ file, runtime, clock, log });
    await first.start();
    for (let n = 1; n <= 6; n += 1) runtime.emit('uncaughtExceptionMonitor', new Error(`failure ${n}`), 'unhandledRejection');
    runtime.emit('uncaughtExceptionMonitor', 'not an error', 'uncaughtException');
    await first.stop();
    runtime.emit('uncaughtExceptionMonitor', new Error('of somebody else'), 'uncaughtException');
    const { count, last } = createFailureBook({ file, runtime, clock, log }).read();
    expect([count, last.length, last[0], last[1]?.message]).toEqual([7, 5, { at: clock.now(), origin: 'uncaughtException', message: 'not an error' }, 'failure 6']);
    expect(log.recent()).toHaveLength(7);
    expect(log.recent()[0]).toMatchObject({ level: 'error', message: 'unhandled failure', fields: { origin: 'uncaughtException' } });
  });

  it.each(['', 'no JSON', 'null', '[]', '{"count":"many","last":[]}'])('takes a damaged file (%p) for an empty one', (text) => {
    using folder = createTestFolder();
    const file = join(folder.path, 'failures.json');
    writeFileSync(file, text);
    expect(createFailureBook({ file, runtime: new EventEmitter(), clock: createFakeClock(), log: createQuietLog() }).read()).toEqual({ count: 0, last: [] });
  });

  it('adds no failure of its own when it cannot write', async () => {
    using folder = createTestFolder();
    const file = join(folder.path, 'failures.json');
    mkdirSync(`${file}.new`);
    const runtime = new EventEmitter();
    const log = createQuietLog();
    const book = createFailureBook({ file, runtime, clock: createFakeClock(), log });
    await book.start();
    runtime.emit('uncaughtExceptionMonitor', new Error('one'), 'uncaughtException');
    expect([book.read().count, log.recent().length]).toEqual([0, 1]);
  });
});
