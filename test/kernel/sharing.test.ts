import { createLimit } from '../../src/kernel/limit.js';
import { createSingleFlight } from '../../src/kernel/single-flight.js';
import { createTopic } from '../../src/kernel/topic.js';
import { createTurns } from '../../src/kernel/turns.js';

/** A promise that the test keeps or breaks. */
function createPromise<T>(): { promise: Promise<T>; keep: (value: T) => void; fail: (error: Error) => void } {
  let keep: (value: T) => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((resolve, reject) => { keep = resolve; fail = reject; });
  return { promise, keep, fail };
}

const settle = () => new Promise<void>((resolve) => { setImmediate(resolve); });

describe('a single flight', () => {
  it('does the work once for all who ask while it is under way', async () => {
    const flights = createSingleFlight<string, number>();
    const work = createPromise<number>();
    let times = 0;
    const asked = Array.from({ length: 1_000 }, () => flights.run('a', () => { times += 1; return work.promise; }));
    expect([flights.size, flights.get('a') === asked[0], flights.get('b')]).toEqual([1, true, undefined]);
    work.keep(7);
    expect(new Set(await Promise.all(asked))).toEqual(new Set([7]));
    expect([times, flights.size]).toEqual([1, 0]);
  });

  it('works anew for the next who asks, and apart for another key', async () => {
    const flights = createSingleFlight<string, string>();
    const results = await Promise.all([flights.run('a', () => Promise.resolve('a')), flights.run('b', () => Promise.resolve('b'))]);
    expect([...results, await flights.run('a', () => Promise.resolve('again'))]).toEqual(['a', 'b', 'again']);
  });

  it.each([
    ['rejects', () => Promise.reject(new Error('down'))],
    ['throws at once', () => { throw new Error('down'); }],
  ])('tells everybody of work that %s, and keeps no failure', async (_how, fail) => {
    const flights = createSingleFlight<string, number>();
    const outcomes = await Promise.allSettled([flights.run('a', fail), flights.run('a', () => Promise.resolve(1))]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect([await flights.run('a', () => Promise.resolve(2)), flights.size]).toEqual([2, 0]);
  });
});

describe('a topic', () => {
  it('tells every listener in order, until it leaves', () => {
    const topic = createTopic<number>(() => undefined);
    const heard: string[] = [];
    const leave = topic.subscribe((event) => { heard.push(`a${event}`); });
    topic.subscribe((event) => { heard.push(`b${event}`); });
    topic.publish(1);
    leave();
    leave();
    topic.publish(2);
    expect(heard).toEqual(['a1', 'b1', 'b2']);
  });

  it('lets no listener’s failure reach the publisher or the others', () => {
    const faults: unknown[] = [];
    const heard: number[] = [];
    const topic = createTopic<number>((error) => { faults.push(error); });
    const fault = new Error('broken pipe');
    topic.subscribe(() => { throw fault; });
    topic.subscribe((event) => { heard.push(event); });
    topic.publish(1);
    expect([faults, heard]).toEqual([[fault], [1]]);
  });

  it('may be left and joined while it speaks: who joins hears the next event', () => {
    const topic = createTopic<number>(() => undefined);
    const heard: string[] = [];
    const leave = topic.subscribe((event) => {
      heard.push(`first ${event}`);
      leave();
      topic.subscribe((next) => { heard.push(`second ${next}`); });
    });
    topic.publish(1);
    topic.publish(2);
    expect(heard).toEqual(['first 1', 'second 2']);
  });
});

describe('turns', () => {
  it('take work on one key in the order it was asked for, one at a time', async () => {
    const turns = createTurns<string>();
    const first = createPromise<undefined>();
    const events: string[] = [];
    const results = [
      turns.take('a', async () => { events.push('1 begins'); await first.promise; events.push('1 ends'); return 1; }),
      turns.take('a', async () => { events.push('2 begins'); return 2; }),
      turns.take('a', async () => { events.push('3 begins'); return 3; }),
    ];
    await settle();
    expect(events).toEqual(['1 begins']);
    first.keep(undefined);
    expect(await Promise.all(results)).toEqual([1, 2, 3]);
    expect(events).toEqual(['1 begins', '1 ends', '2 begins', '3 begins']);
  });

  it('do not wait for another key', async () => {
    const turns = createTurns<string>();
    const first = createPromise<undefined>();
    const held = turns.take('a', () => first.promise);
    expect(await turns.take('b', () => Promise.resolve('b'))).toBe('b');
    first.keep(undefined);
    await held;
  });

  it('go on after work that failed, which only its own asker hears of', async () => {
    const turns = createTurns<string>();
    const outcomes = await Promise.allSettled([turns.take('a', () => Promise.reject(new Error('no'))), turns.take('a', () => Promise.resolve('yes'))]);
    expect(outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : 'failed'))).toEqual(['failed', 'yes']);
    expect(await turns.take('a', () => Promise.resolve('later'))).toBe('later');
  });
});

describe('a limit', () => {
  it('runs so many at once, the others in their order, and takes the next after a failure too', async () => {
    const limit = createLimit(2);
    const ends: (() => void)[] = [];
    const begun: number[] = [];
    const runs = [1, 2, 3, 4].map((n) => limit(async () => {
      begun.push(n);
      await new Promise<void>((resolve) => { ends.push(resolve); });
      if (n === 1) throw new Error('first');
      return n;
    }));
    const settled = Promise.allSettled(runs);
    const turn = async () => { for (let count = 0; count < 10; count += 1) await Promise.resolve(); };
    await turn();
    expect(begun).toEqual([1, 2]);
    ends.shift()?.();
    await turn();
    expect(begun).toEqual([1, 2, 3]);
    for (let end = ends.shift(); end; end = ends.shift()) { end(); await turn(); }
    expect((await settled).map((result) => (result.status === 'fulfilled' ? result.value : 'failed'))).toEqual(['failed', 2, 3, 4]);
  });
});
