/** Makes lines of bytes that come cut anywhere; see `createLineCutter`. */
export interface LineCutter {
  push(chunk: Uint8Array | string): void;
  /** Gives out what had no line end. */
  finish(): void;
}

const LINE_MAX = 16 * 1024;

/**
 * One call of `onLine` a line, without its end. A line keeps its first 16 KiB, or `maxBytes`, and says how much it lost, so
 * that memory stays bounded whatever comes. A carriage return starts the line again, as a terminal would show it.
 */
export function createLineCutter(onLine: (line: string) => void, maxBytes: number = LINE_MAX): LineCutter {
  const decoder = new TextDecoder();
  let line = '';
  let bytes = 0;
  let omitted = 0;
  let returned = false;

  const reset = () => { line = ''; bytes = 0; omitted = 0; returned = false; };
  const emit = () => {
    const whole = omitted > 0 ? `${line} … ${omitted} bytes omitted` : line;
    reset();
    onLine(whole);
  };
  const append = (piece: string) => {
    if (piece === '') return;
    if (returned) reset();
    const length = Buffer.byteLength(piece);
    if (bytes + length <= maxBytes) {
      line += piece;
      bytes += length;
      return;
    }
    const kept = cutBytes(piece, maxBytes - bytes);
    line += kept;
    const keptBytes = Buffer.byteLength(kept);
    // Nothing more fits: a later character that would by chance must not follow a gap.
    bytes = maxBytes;
    omitted += length - keptBytes;
  };
  const feed = (text: string) => {
    for (const piece of text.split(/([\n\r])/)) {
      if (piece === '\n') emit();
      else if (piece === '\r') returned = true;
      else append(piece);
    }
  };

  return {
    push: (chunk) => { feed(typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })); },
    finish: () => {
      feed(decoder.decode());
      if (line !== '') emit();
    },
  };
}

/** The longest start of the text with at most that many bytes, never half a character. */
function cutBytes(text: string, max: number): string {
  return new TextDecoder().decode(Buffer.from(text).subarray(0, Math.max(0, max)), { stream: true });
}
