/** Which cases to run: those of a seed from 0 on, or a single one again. */
export interface Campaign {
  readonly seed: number;
  readonly numbers: readonly number[];
}

const SEED = 1;
const MOST_TOLD = 5;

/** `FUZZ_SEED`, `FUZZ_CASES` and `FUZZ_CASE` of the environment. */
export function readCampaign(cases: number, { FUZZ_SEED, FUZZ_CASES, FUZZ_CASE }: Readonly<Record<string, string | undefined>> = process.env): Campaign {
  const seed = wholeNumber('FUZZ_SEED', FUZZ_SEED) ?? SEED;
  const only = wholeNumber('FUZZ_CASE', FUZZ_CASE);
  const count = wholeNumber('FUZZ_CASES', FUZZ_CASES) ?? cases;
  return { seed, numbers: only === undefined ? Array.from({ length: count }, (_, at) => at) : [only] };
}

function wholeNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new Error(`${name} is not a number: ${text}`);
  return Number(text);
}

/** A breach of what is promised, by a case or by all of them together. */
export interface Breach {
  readonly number: number | null;
  readonly what: string;
}

/** The breaches as text from which each can be repeated; empty when there is none. */
export function tellBreaches(breaches: readonly Breach[], seed: number, bytesOf: (number: number) => string): string {
  const told = breaches.slice(0, MOST_TOLD).map(({ number, what }) => (number === null
    ? `FUZZ_SEED=${seed}: ${what}`
    : `FUZZ_SEED=${seed} FUZZ_CASE=${number}: ${what}\n  ${bytesOf(number)}`));
  if (breaches.length > MOST_TOLD) told.push(`and ${breaches.length - MOST_TOLD} more: ${[...new Set(breaches.slice(MOST_TOLD).map(({ number }) => String(number)))].slice(0, 50).join(' ')}`);
  return told.join('\n');
}

/** Plays all numbers, so many at the same time. */
export async function playAll(numbers: readonly number[], width: number, play: (number: number) => Promise<void>): Promise<void> {
  const left = numbers.values();
  await Promise.all(Array.from({ length: Math.min(width, numbers.length) }, async () => { for (const number of left) await play(number); }));
}
