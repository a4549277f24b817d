import { createCheckContainer } from '../../src/flow/check-container.js';
import { until } from '../support/until.js';
import { PLACEMENT, startInstances, type InstancesOptions } from '../run/started-instances.js';

/** An instance that runs, its container's changes told to nobody, and the checks of it. */
async function startChecked(options: InstancesOptions = {}) {
  const house = await startInstances(options);
  house.engine.cutEvents();
  const { container } = await house.instances.ensure(house.release(), PLACEMENT);
  const { engine, instances, clock, log } = house;
  return { ...house, container, checks: createCheckContainer({ engine, instances, clock, log }) };
}

/** What a promise has settled to by now. */
function watch<Value>(promise: Promise<Value>): { value?: Value } {
  const seen: { value?: Value } = {};
  promise.then((value) => { seen.value = value; }, () => undefined);
  return seen;
}

describe('INV3: a container that could not be reached', () => {
  it('is in doubt until the engine has answered, however many ask, and then dialled again', async () => {
    await using house = await startChecked();
    const answer = house.engine.hold('inspect');
    const verdicts = Array.from({ length: 100 }, () => watch(house.checks.isGone(house.container)));
    const doubt = house.checks.doubt(house.container);
    expect(doubt).toBeDefined();
    await house.clock.advance(100);
    expect(house.checks.doubt(house.container)).toBe(doubt);
    answer();
    await doubt;
    expect(house.checks.doubt(house.container)).toBeUndefined();
    expect(house.engine.calls.inspect).toBe(1);
    await house.clock.advance(1_000);
    expect(new Set(verdicts.map(({ value }) => value))).toEqual(new Set([false]));
    expect(house.instances.running()).toHaveLength(1);
    expect(house.clock.sleepers).toBe(0);
  });

  it('that was removed is gone, and out of reach before anybody dials it again', async () => {
    await using house = await startChecked();
    await house.engine.remove(house.container);
    const gone = house.checks.isGone(house.container);
    await house.checks.doubt(house.container);
    expect(house.instances.running()).toEqual([]);
    expect(house.changes).toContain('lost');
    expect(await gone).toBe(true);
    await until(() => house.instances.state(house.release()) === undefined, 'it is cleared away');
    expect(await house.checks.isGone(house.container)).toBe(true);
    expect(house.engine.calls.inspect).toBe(2);
  });

  it('that has another address now is gone, though it runs: its old address may be another preview’s', async () => {
    await using house = await startChecked();
    house.engine.readdress(house.container, { address: '10.213.0.77', port: 3000 });
    expect(await house.checks.isGone(house.container)).toBe(true);
    await until(async () => (await house.engine.list()).length === 0, 'it is cleared away');
  });

  it('that ends a moment after its connections did is gone', async () => {
    await using house = await startChecked();
    const verdict = watch(house.checks.isGone(house.container));
    await house.clock.advance(100);
    expect(verdict).toEqual({});
    void house.instances.lost(house.container, true);
    await house.clock.advance(0);
    expect(verdict).toEqual({ value: true });
  });

  it.each<[string, (house: Awaited<ReturnType<typeof startChecked>>) => void]>([
    ['does not answer', ({ engine }) => { engine.hold('inspect'); }],
    ['is away', ({ engine }) => { engine.down(); }],
  ])('K9: an engine that %s says nothing: what runs is dialled again within a second', async (_what, fault) => {
    await using house = await startChecked();
    fault(house);
    const verdict = watch(house.checks.isGone(house.container));
    await house.clock.advance(1_000);
    expect(house.checks.doubt(house.container)).toBeUndefined();
    await house.clock.advance(1_000);
    expect(verdict).toEqual({ value: false });
    expect(house.instances.running()).toHaveLength(1);
  });

  it('is looked at once a second at most, however often it fails', async () => {
    await using house = await startChecked();
    for (let passed = 0; passed < 1_000; passed += 10) {
      void house.checks.isGone(house.container);
      await house.clock.advance(10);
    }
    expect(house.engine.calls.inspect).toBeLessThanOrEqual(2);
  });
});
