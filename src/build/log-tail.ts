import type { LogLine } from '../domain/log-line.js';

const TAIL_BYTES = 12 * 1024 * 1024;

/** The last lines of a log whose head is full; the oldest go first and are counted. */
export interface Tail {
  push(line: LogLine): void;
  lines(): readonly LogLine[];
  drain(): { readonly lines: readonly LogLine[]; readonly omittedLines: number; readonly omittedBytes: number };
}

export function createTail(): Tail {
  let kept: LogLine[] = [];
  let first = 0;
  let bytes = 0;
  let omittedLines = 0;
  let omittedBytes = 0;
  const sizeOf = ({ at, text }: LogLine) => at.length + Buffer.byteLength(text) + 2;
  const dropOldest = () => {
    const dropped = kept[first];
    if (!dropped) return;
    first += 1;
    bytes -= sizeOf(dropped);
    omittedLines += 1;
    omittedBytes += sizeOf(dropped);
    if (first > 4_096 && first * 2 > kept.length) { kept = kept.slice(first); first = 0; }
  };
  return {
    push: (line) => {
      kept.push(line);
      bytes += sizeOf(line);
      while (bytes > TAIL_BYTES) dropOldest();
    },
    lines: () => kept.slice(first),
    drain: () => ({ lines: kept.slice(first), omittedLines, omittedBytes }),
  };
}
