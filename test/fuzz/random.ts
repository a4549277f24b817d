/** The same numbers for the same seed, on every machine. */
export interface Random {
  /** 0 to `below - 1`. */
  int(below: number): number;
  /** True in that many of a hundred times. */
  chance(percent: number): boolean;
  pick<Item>(from: readonly Item[]): Item;
}

/** Mulberry32: one 32-bit state, so that each case can have a generator of its own. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (below: number) => Math.floor(next() * below);
  return {
    int,
    chance: (percent) => int(100) < percent,
    pick: (from) => {
      if (from.length === 0) throw new Error('nothing to pick from');
      return from[int(from.length)] as (typeof from)[number];
    },
  };
}

/** The generator of one case, which no other case has a part in. */
export const randomOf = (seed: number, number: number): Random => createRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b));
