import { remember } from '../../src/kernel/remember.js';

describe('answers that are remembered', () => {
  it('are read once, until there are too many, and never of long texts', () => {
    const asked: string[] = [];
    const answer = remember((text) => { asked.push(text); return text.length > 1; }, { most: 2, longest: 3 });
    expect([answer('a'), answer('a'), answer('bb'), answer('bb')]).toEqual([false, false, true, true]);
    expect(asked).toEqual(['a', 'bb']);
    answer('cc');
    answer('a');
    expect(asked).toEqual(['a', 'bb', 'cc', 'a']);
    expect([answer('long'), answer('long')]).toEqual([true, true]);
    expect(asked.slice(4)).toEqual(['long', 'long']);
  });
});
