/** One line of a build's or an application's output. */
export interface LogLine {
  /** 1, 2, 3 … within its log; lines left out for size keep their numbers. */
  readonly n: number;
  /** ISO 8601, milliseconds, UTC. */
  readonly at: string;
  readonly text: string;
}

const LONGEST = 16 * 1024;

/** What people see of a line: no escape sequences, no control characters, nothing invisible or reordering, at most 16 KiB. */
export function cleanLine(text: string): string {
  const visible = text.slice(0, LONGEST).replace(ESCAPES, '');
  const lastOverwrite = visible.replace(/\r+$/, '').split('\r').at(-1) ?? '';
  const shown = lastOverwrite.replace(CONTROLS, (character) => (character === '\t' ? '  ' : '\u{FFFD}'));
  return text.length > LONGEST ? `${shown} … ${text.length - LONGEST} characters omitted …` : shown;
}

/** CSI, OSC, DCS and the like, and lone escapes; each alternative ends at the line's end at the latest. */
// eslint-disable-next-line no-control-regex
const ESCAPES = /\x1b\[[0-?]*[ -/]*[@-~]?|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?/g;
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
