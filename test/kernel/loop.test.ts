import { startLoop } from '../../src/kernel/loop.js';
import { createFakeClock } from '../support/fake-clock.js';
import { createQuietLog } from '../support/quiet-log.js';

describe('a loop', () => {
  it('repeats its step with a pause after each, and begins at once', async () => {
    const clock = createFakeClock();
    const at: number[] = [];
    const loop = startLoop(1_000, async () => { at.push(clock.monotonic()); await clock.sleep(200); }, { clock, log: createQuietLog() });
    await clock.advance(3_000);
    expect(at).toEqual([0, 1_200, 2_400]);
    await loop.stop();
  });

  it.each([
    ['rejects', () => Promise.reject(new Error('no git'))],
    ['throws at once', () => { throw new Error('no git'); }],
  ])('goes on when a step %s, and logs it', async (_how, fail) => {
    const clock = createFakeClock();
    const log = createQuietLog();
    let steps = 0;
    const loop = startLoop(1_000, () => { steps += 1; return steps < 3 ? fail() : Promise.resolve(); }, { clock, log });
    await clock.advance(4_000);
    expect(steps).toBe(5);
    expect(log.recent().map(({ message }) => message)).toEqual(['loop step failed', 'loop step failed']);
    expect(String(log.recent()[0]?.fields.error)).toContain('no git');
    await loop.stop();
  });

  it('aborts its step when it is stopped, waits for it, and logs no failure of that', async () => {
    const clock = createFakeClock();
    const log = createQuietLog();
    const events: string[] = [];
    const loop = startLoop(1_000, async (signal) => {
      await clock.sleep(60_000, signal);
      events.push(`aborted: ${signal.aborted}`);
      await clock.sleep(500);
      events.push('step ended');
      throw new Error('interrupted');
    }, { clock, log });
    await clock.advance(100);
    const stopped = loop.stop().then(() => { events.push('stopped'); });
    await clock.advance(499);
    expect(events).toEqual(['aborted: true']);
    await clock.advance(1);
    await stopped;
    expect(events).toEqual(['aborted: true', 'step ended', 'stopped']);
    expect(log.recent()).toEqual([]);
  });

  it('ends its pause when it is stopped, and may be stopped twice', async () => {
    const clock = createFakeClock();
    let steps = 0;
    const loop = startLoop(1_000, () => { steps += 1; return Promise.resolve(); }, { clock, log: createQuietLog() });
    await clock.advance(1_500);
    await Promise.all([loop.stop(), loop.stop()]);
    await loop.stop();
    await clock.advance(10_000);
    expect([steps, clock.sleepers]).toEqual([2, 0]);
  });
});
