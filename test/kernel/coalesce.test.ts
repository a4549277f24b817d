import { createCoalesce } from '../../src/kernel/coalesce.js';
import { gate } from '../support/test-app.js';
import { until } from '../support/until.js';

const atOnce = () => Promise.resolve();

describe('what many want at the same time', () => {
  it('K18: is made once for a thousand who ask together', async () => {
    const shared = createCoalesce<string, number>();
    let made = 0;
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => shared.run('a', () => Promise.resolve(made += 1))));
    expect([made, new Set(answers)]).toEqual([1, new Set([1])]);
  });

  it('K18: is never older than the question: who asks while it is made shares the next', async () => {
    const shared = createCoalesce<string, number>(atOnce);
    const { opened, open } = gate();
    let begun = 0;
    const make = async () => { const mine = begun += 1; await opened; return mine; };
    const first = shared.run('a', make);
    await until(() => begun === 1, 'the first begins');
    const later = [shared.run('a', make), shared.run('a', make), shared.run('a', make)];
    expect(begun).toBe(1);
    open();
    expect([await first, ...await Promise.all(later), begun]).toEqual([1, 2, 2, 2, 2]);
  });

  it('keeps no failure, neither for those who wait behind it nor for later ones', async () => {
    const shared = createCoalesce<string, number>(atOnce);
    const { opened, open } = gate();
    let begun = 0;
    const make = async () => { const mine = begun += 1; await opened; if (mine === 1) throw new Error('no'); return mine; };
    const first = shared.run('a', make);
    const failure = expect(first).rejects.toThrow('no');
    await until(() => begun === 1, 'the first begins');
    const second = shared.run('a', make);
    open();
    await failure;
    expect([await second, await shared.run('a', make)]).toEqual([2, 3]);
  });

  it('is made for each key by itself', async () => {
    const shared = createCoalesce<string, string>(atOnce);
    expect(await Promise.all(['a', 'b'].map((key) => shared.run(key, () => Promise.resolve(key))))).toEqual(['a', 'b']);
  });
});
