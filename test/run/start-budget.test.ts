import { AppError } from '../../src/domain/errors.js';
import { createStartBudget } from '../../src/run/start-budget.js';
import { createFakeClock } from '../support/fake-clock.js';

const NAME = 'shop/1';
const MINUTE = 60_000;
const MOST_RESTARTS = 3;

/** A release that became ready and ended by itself a second later, three times in a row, and runs again. */
async function runInCircles() {
  const clock = createFakeClock();
  const budget = createStartBudget({ clock });
  const run = () => { budget.started(NAME); budget.succeeded(NAME); };
  const end = async () => { await clock.advance(1_000); budget.ended(NAME, new AppError('crashed', 'It exited with code 1.')); };
  for (let times = 0; times < MOST_RESTARTS; times += 1) { run(); await end(); }
  run();
  return { clock, budget, run, end, refusal: () => budget.refusal(NAME, MOST_RESTARTS) };
}

describe('M16: the ends of a release soon after its starts', () => {
  it('are too many after one more', async () => {
    const { end, refusal } = await runInCircles();
    await end();
    expect(refusal()?.message).toContain('It was started again 3 times, and ended again each time');
  });

  it('are forgotten after a long good run, also one that something else ended', async () => {
    const { clock, run, end, refusal } = await runInCircles();
    await clock.advance(30 * 24 * 60 * MINUTE);
    // The engine was started anew, which is no end of its own.
    run();
    await end();
    expect(refusal()).toBeUndefined();
  });

  it('count on when something else ended it soon, or it did not become ready', async () => {
    const { clock, budget, run, end, refusal } = await runInCircles();
    await clock.advance(1_000);
    budget.started(NAME);
    await clock.advance(2 * MINUTE);
    run();
    await end();
    expect(refusal()).toBeDefined();
  });
});
