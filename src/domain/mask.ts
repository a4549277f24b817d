import { cleanLine } from './log-line.js';

/** Takes secrets out of texts: `***` stands for each. Lines of a secret are looked for one by one, and each as JSON and URLs write it, too. */
export interface Mask {
  /** `isCut`: its end is missing, so that the beginning of a secret there goes as well. */
  text(text: string, isCut?: boolean): string;
  /** For one text that comes in pieces. */
  pieces(): PieceMask;
}

/** What may be the beginning of a secret waits for the next piece, or the end. */
export interface PieceMask {
  push(piece: string): string;
  end(): string;
}

/** What stands for a secret. */
const STANDS_FOR_IT = '***';
/** What is shorter stands in too many words that are none, in characters. */
const SHORTEST = 4;
/** Secrets that overlap one another without end must not fill the memory, in characters. */
const MOST_HELD = 1024 * 1024;

interface Range { readonly start: number; readonly end: number }

/** Where secrets stand in a text, from its beginning on; those that overlap are one. */
type Finder = (text: string) => Range[]

/** A mask of these values; what has fewer than 4 characters stays. */
export function createMask(secrets: Iterable<string>): Mask {
  const forms = [...new Set([...secrets].flatMap(formsOf))];
  if (forms.length === 0) return NOTHING_MASKED;
  const find = createFinder(forms);

  const text = (given: string, isCut = false): string => {
    const ranges = find(given);
    const open = isCut ? openEnd(given, forms) : given.length;
    return cover(given, given.length - open < SHORTEST ? ranges : [...ranges, { start: open, end: given.length }]);
  };

  const pieces = (): PieceMask => {
    let held = '';
    return {
      push: (piece) => {
        const all = held + piece;
        const open = openEnd(all, forms);
        // None that is there as a whole may be cut by the beginning of another one.
        const cut = find(all).reduceRight((at, { start, end }) => (start < at && end > at ? start : at), open);
        held = all.length - cut > MOST_HELD ? '' : all.slice(cut);
        return text(all.slice(0, all.length - held.length));
      },
      end: () => {
        const rest = held;
        held = '';
        return text(rest);
      },
    };
  };

  return { text, pieces };
}

const NOTHING_MASKED: Mask = { text: (text) => text, pieces: () => ({ push: (piece) => piece, end: () => '' }) };

/** How each line of a secret may be written: as it is, as logs show it, as JSON and as URLs have it. */
function formsOf(secret: string): readonly string[] {
  // A container gets it in UTF-8, where half a surrogate pair is U+FFFD.
  const lines = Buffer.from(secret).toString().split(/[\r\n]+/).map((line) => line.trim());
  return lines.filter(isLong).flatMap((line) => [line, cleanLine(line), JSON.stringify(line).slice(1, -1), encodeURIComponent(line)]).filter(isLong);
}

const isLong = ({ length }: string): boolean => length >= SHORTEST;
const byStart = (a: Range, b: Range): number => a.start - b.start;

/** One pass over the text, however many forms there are: a secret of many lines has thousands, and logs have many lines. */
function createFinder(forms: readonly string[]): Finder {
  const byBeginning = new Map<string, string[]>();
  const marks = new Uint8Array(MARKS);
  for (const form of [...forms].sort((a, b) => b.length - a.length)) {
    const beginning = form.slice(0, SHORTEST);
    const others = byBeginning.get(beginning);
    if (others) others.push(form);
    else byBeginning.set(beginning, [form]);
    marks[markAt(form, 0)] = 1;
  }
  return (text) => {
    const ranges: { start: number; end: number }[] = [];
    for (let start = 0; start + SHORTEST <= text.length; start += 1) {
      if (marks[markAt(text, start)] === 0) continue;
      const form = byBeginning.get(text.slice(start, start + SHORTEST))?.find((each) => text.startsWith(each, start));
      if (form !== undefined) join(ranges, { start, end: start + form.length });
    }
    return ranges;
  };
}

const MARKS = 2 ** 16;

/** A small number for four characters, the same for equal ones. */
const markAt = (text: string, at: number): number =>
  (text.charCodeAt(at) ^ (text.charCodeAt(at + 1) << 3) ^ (text.charCodeAt(at + 2) << 6) ^ (text.charCodeAt(at + 3) << 9)) & (MARKS - 1);

/** Adds a range that begins after all others. */
function join(ranges: { start: number; end: number }[], range: Range): void {
  const last = ranges.at(-1);
  if (last && range.start < last.end) last.end = Math.max(last.end, range.end);
  else ranges.push({ ...range });
}

/** Of secrets that overlap nothing is left. */
function cover(text: string, ranges: Range[]): string {
  let shown = '';
  let covered = 0;
  for (const { start, end } of ranges.sort(byStart)) {
    if (start >= covered) shown += text.slice(covered, start) + STANDS_FOR_IT;
    covered = Math.max(covered, end);
  }
  return shown + text.slice(covered);
}

/** Where what may be the beginning of a form begins that the text ends with; its length when there is none. */
const openEnd = (text: string, forms: readonly string[]): number => forms.reduce((first, form) => Math.min(first, beginningOf(form, text)), text.length);

function beginningOf(form: string, text: string): number {
  const first = form.slice(0, 1);
  for (let at = text.indexOf(first, Math.max(0, text.length - form.length + 1)); at >= 0; at = text.indexOf(first, at + 1)) {
    if (form.startsWith(text.slice(at))) return at;
  }
  return text.length;
}
