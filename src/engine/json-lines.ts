/** Takes the engine's streams of JSON lines apart; nothing is kept but the current line. */
export interface JsonLines {
  /** Bytes as they come, cut anywhere. */
  push(chunk: Uint8Array): void;
  /** Reads what had no line end. */
  finish(): void;
}

export interface JsonLinesOptions {
  readonly onObject: (object: Record<string, unknown>) => void;
  /** Why a line cannot be understood, in a few words; what threw while it was read counts as that. */
  readonly onFault: (why: string) => void;
}

/** No engine writes longer ones. */
const LINE_MAX = 4 * 1024 * 1024;

export function createJsonLines({ onObject, onFault }: JsonLinesOptions): JsonLines {
  const decoder = new TextDecoder();
  let pending = '';

  const readLine = (line: string) => {
    if (line.trim() === '') return;
    try {
      const object: unknown = JSON.parse(line);
      if (!isObject(object)) throw new SyntaxError('not an object');
      onObject(object);
    } catch (error) {
      onFault(error instanceof Error ? error.message : String(error));
    }
  };

  const feed = (text: string) => {
    const lines = (pending + text).split('\n');
    pending = lines.pop() ?? '';
    lines.forEach(readLine);
    if (pending.length <= LINE_MAX) return;
    pending = '';
    onFault('a line of more than 4 MiB');
  };

  return {
    push: (chunk) => { feed(decoder.decode(chunk, { stream: true })); },
    finish: () => {
      feed(decoder.decode());
      readLine(pending);
      pending = '';
    },
  };
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The engine's own message in an object of its streams; undefined when it reports no failure. */
export function errorOf({ error, errorDetail }: Record<string, unknown>): string | undefined {
  if (isObject(errorDetail) && typeof errorDetail.message === 'string') return errorDetail.message;
  if (typeof error === 'string') return error;
  return error === undefined && errorDetail === undefined ? undefined : 'The engine reported an error without words.';
}
