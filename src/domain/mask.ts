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

/** A mask of these values; what has fewer than 4 characters stays. */
export function createMask(secrets: Iterable<string>): Mask {
  const forms = [...new Set([...secrets].flatMap(formsOf))];
  if (forms.length === 0) return NOTHING_MASKED;

  const text = (given: string, isCut = false): string => {
    const ranges = rangesOf(given, forms);
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
        const cut = rangesOf(all, forms).sort(byStart).reduceRight((at, { start, end }) => (start < at && end > at ? start : at), open);
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

function rangesOf(text: string, forms: readonly string[]): Range[] {
  const ranges: Range[] = [];
  for (const form of forms) {
    for (let start = text.indexOf(form); start >= 0; start = text.indexOf(form, start + form.length)) ranges.push({ start, end: start + form.length });
  }
  return ranges;
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
