import { createEstimate } from '../../src/build/estimate.js';
import type { Build } from '../../src/domain/build.js';
import { parseProjectName, type BuildId } from '../../src/domain/ids.js';
import { createFakeClock } from '../support/fake-clock.js';
import { commitOf, keyOf, PROJECT, RECIPE } from './started-builds.js';

const build = (startedAt: number | null = null): Build => ({
  id: 'b_01ARZ3NDEKTSV4RRFFQ69G5FAV' as BuildId, project: PROJECT, commit: commitOf(1), key: keyOf(1), recipe: RECIPE, status: startedAt === null ? 'queued' : 'building',
  trigger: 'open', noCache: false, attempt: 1, queuedAt: 0, startedAt, finishedAt: null, image: null, reusedFrom: null, error: null,
});

describe('the estimate', () => {
  it('knows nothing before anything was built, and nothing from other projects', () => {
    const estimate = createEstimate({ clock: createFakeClock(), concurrency: 2 });
    estimate.took(parseProjectName('other'), 10_000);
    expect(estimate.knows(PROJECT)).toBe(false);
    expect(estimate.place(build(), 3)).toEqual({ position: 3, etaSeconds: null });
  });

  it.each([
    [[10_000], 10], [[10_000, 20_000, 90_000], 20], [[1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000, 10_000], 6],
    [[900_000, 900_000, ...Array<number>(10).fill(10_000)], 10],
  ])('goes by the median of the last ten: %j ms are %d s', (took, seconds) => {
    const estimate = createEstimate({ clock: createFakeClock(), concurrency: 1 });
    for (const ms of took) estimate.took(PROJECT, ms);
    expect(estimate.place(build(), 0).etaSeconds).toBe(seconds);
  });

  it.each([[0, 1, 10], [1, 1, 20], [2, 1, 30], [1, 2, 20], [2, 2, 20], [3, 2, 30]])('adds a round for each turn in front: position %d with %d at a time is %d s', (position, concurrency, seconds) => {
    const estimate = createEstimate({ clock: createFakeClock(), concurrency });
    estimate.took(PROJECT, 10_000);
    expect(estimate.place(build(), position).etaSeconds).toBe(seconds);
  });

  it('counts down while it runs, and never promises less than a second', async () => {
    const clock = createFakeClock();
    const estimate = createEstimate({ clock, concurrency: 1 });
    estimate.took(PROJECT, 10_000);
    const running = build(clock.now());
    const seconds: (number | null)[] = [];
    for (const ms of [0, 4_000, 5_500, 60_000]) { await clock.advance(ms); seconds.push(estimate.place(running, 0).etaSeconds); }
    expect(seconds).toEqual([10, 6, 1, 1]);
  });

  it('K23: is never more than the whole when the wall clock jumps back', () => {
    const clock = createFakeClock();
    const estimate = createEstimate({ clock, concurrency: 1 });
    estimate.took(PROJECT, 10_000);
    expect(estimate.place(build(clock.now() + 86_400_000), 0).etaSeconds).toBe(10);
  });
});
