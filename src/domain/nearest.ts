import { distance } from 'fastest-levenshtein';

const LONGEST_COMPARED = 100;

/** The names most like the one asked for, nearest first: fewest edits, names that contain it before others. */
export function nearestNames(wanted: string, names: Iterable<string>, count = 5): string[] {
  const asked = wanted.toLowerCase().slice(0, LONGEST_COMPARED);
  const scored: { name: string; score: number }[] = [];
  for (const name of names) {
    const text = name.toLowerCase().slice(0, LONGEST_COMPARED);
    const edits = distance(asked, text);
    const score = asked !== '' && text.includes(asked) ? Math.min(edits, 2) : edits;
    if (score <= Math.max(3, Math.ceil(asked.length / 2))) scored.push({ name, score });
  }
  return scored.sort((a, b) => a.score - b.score || a.name.localeCompare(b.name)).slice(0, count).map(({ name }) => name);
}
