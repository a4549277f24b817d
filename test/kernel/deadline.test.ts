import { AppError } from '../../src/domain/errors.js';
import { systemClock } from '../../src/kernel/clock.js';
import { withDeadline } from '../../src/kernel/deadline.js';
import { createFakeClock } from '../support/fake-clock.js';

const error = () => new AppError('engine_timeout', 'Docker took longer than 10 s.');
const untilAborted = (signal: AbortSignal) => new Promise<never>((_resolve, reject) => {
  signal.addEventListener('abort', () => { reject(signal.reason as Error); }, { once: true });
});

describe('a deadline', () => {
  it('lets work end in time, and leaves no timer behind', async () => {
    const clock = createFakeClock();
    const work = withDeadline(async () => { await clock.sleep(9_999); return 'done'; }, { ms: 10_000, clock, error });
    await clock.advance(10_000);
    expect(await work).toBe('done');
    expect(clock.sleepers).toBe(0);
  });

  it('fails with its own error, which the work’s signal has as its reason', async () => {
    const clock = createFakeClock();
    let seen: AbortSignal | undefined;
    const work = withDeadline((signal) => { seen = signal; return untilAborted(signal); }, { ms: 10_000, clock, error });
    const outcome = work.catch((failure: unknown) => failure);
    await clock.advance(9_999);
    expect(seen?.aborted).toBe(false);
    await clock.advance(1);
    expect(await outcome).toMatchObject({ code: 'engine_timeout' });
    expect(seen?.reason).toBe(await outcome);
  });

  it('does not wait for work that ignores its signal, nor hears of its later failure', async () => {
    const clock = createFakeClock();
    const work = withDeadline(async () => { await clock.sleep(60_000); throw new Error('much later'); }, { ms: 10_000, clock, error });
    const outcome = work.catch((failure: unknown) => failure);
    await clock.advance(10_000);
    expect(await outcome).toMatchObject({ code: 'engine_timeout' });
    await clock.advance(60_000);
    expect(clock.sleepers).toBe(0);
  });

  it.each([
    ['rejects', () => Promise.reject(new Error('refused'))],
    ['throws at once', () => { throw new Error('refused'); }],
  ])('passes on the failure of work that %s', async (_how, fail) => {
    const clock = createFakeClock();
    await expect(withDeadline(fail, { ms: 10_000, clock, error })).rejects.toThrow('refused');
    await clock.advance(20_000);
    expect(clock.sleepers).toBe(0);
  });

  it('aborts the work with the caller’s own reason too', async () => {
    const clock = createFakeClock();
    const caller = new AbortController();
    const work = withDeadline(untilAborted, { ms: 10_000, clock, error, signal: caller.signal });
    caller.abort(new Error('viewer gone'));
    await expect(work).rejects.toThrow('viewer gone');
    expect(clock.sleepers).toBe(0);
  });
});

describe('the clock of the machine', () => {
  it('ends a sleep early and without an error when the signal aborts, also before it began', async () => {
    const waking = new AbortController();
    const slept = systemClock.sleep(3_600_000, waking.signal);
    waking.abort();
    await slept;
    await systemClock.sleep(3_600_000, waking.signal);
    expect(waking.signal.aborted).toBe(true);
  });

  it('never runs backwards for durations, and has the date for records', async () => {
    const before = systemClock.monotonic();
    await systemClock.sleep(1);
    expect(systemClock.monotonic()).toBeGreaterThan(before);
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(10_000);
  });
});
