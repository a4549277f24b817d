import type { LogLine } from '../domain/log-line.js';

/** Lines for one reader, who may be slow: at most `LONGEST` wait, then the oldest are dropped and counted. */
export interface LineFeed extends AsyncIterable<LogLine> {
  push(line: LogLine): void;
  /** Ends the iteration once what waits has been read. */
  end(): void;
}

const LONGEST = 5_000;

export function createLineFeed(signal: AbortSignal): LineFeed {
  let waiting: LogLine[] = [];
  let skipped = 0;
  let ended = signal.aborted;
  let wake: () => void = () => undefined;
  const end = () => { ended = true; wake(); };
  signal.addEventListener('abort', end, { once: true });
  const take = (): LogLine[] => {
    const [first] = waiting;
    const lines = skipped > 0 && first ? [{ n: first.n - 1, at: first.at, text: `… ${skipped} lines skipped …` }, ...waiting] : waiting;
    waiting = [];
    skipped = 0;
    return lines;
  };
  return {
    push: (line) => {
      if (ended) return;
      waiting.push(line);
      if (waiting.length > LONGEST) { waiting.shift(); skipped += 1; }
      wake();
    },
    end,
    async *[Symbol.asyncIterator]() {
      while (!signal.aborted) {
        if (waiting.length > 0) { yield* take(); continue; }
        if (ended) return;
        await new Promise<void>((resolve) => { wake = resolve; });
      }
    },
  };
}
