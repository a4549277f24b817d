import { cleanLine } from '../domain/log-line.js';
import { errorCode } from '../kernel/error-code.js';

/** Where text goes: the process's own streams, or a test's. */
export interface Output { write(text: string): unknown }

export type Cell = string | number | null | undefined;

const GAP = '  ';
const NOTHING = '–';
/** A cell that is longer has its row to itself: nobody reads a table whose columns lie a screen apart. */
const WIDEST = 80;

/** Plain text in aligned columns, no colours, nothing a terminal would obey; each line ends with a line end. */
export function renderTable(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const lines = [head, ...rows.map((row) => row.map(textOf))];
  const widths = head.map((_name, column) => widthOf(lines.map((line) => lengthOf(line[column] ?? ''))));
  return lines.map((line) => `${line.map((text, column) => text + ' '.repeat(Math.max(0, (widths[column] ?? 0) - lengthOf(text)))).join(GAP).trimEnd()}\n`).join('');
}

/** Names and values, one pair a line. */
export function renderFields(fields: readonly (readonly [string, Cell])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${name.padEnd(width)}${GAP}${textOf(value)}\n`).join('');
}

/** `1 app`, `2 apps`. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** `2026-03-01T10:00:00.123Z` → `2026-03-01 10:00:00`. Times are UTC, as in the API. */
export const momentOf = (iso: string): string => iso.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d).*$/, '$1 $2');

/** The first twelve digits of a commit or a digest. */
export const shortOf = (digits: string | null | undefined): string | null => digits?.replace(/^sha256:/, '').slice(0, 12) ?? null;

function textOf(cell: Cell): string {
  const text = cleanLine(String(cell ?? '').replaceAll('\n', '\\n'));
  return text === '' ? NOTHING : text;
}

/** Of what is not too long to line up with. */
const widthOf = (lengths: readonly number[]): number => Math.max(...lengths.filter((length) => length <= WIDEST));

/** In characters, as people count them. */
const lengthOf = (text: string): number => Array.from(text).length;

/** What to say of an output that fails, such as a full disk; undefined where whoever reads it has what they wanted, as `head` does. */
export const outputFault = (error: unknown): string | undefined => (errorCode(error) === 'EPIPE' ? undefined : `The output cannot be written (${errorCode(error) || String(error)}).`);
