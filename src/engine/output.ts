import { TextDecoder } from 'node:util';
import type { OutputLine } from './port.js';

const HEADER = 8;
const LINE_MAX = 16 * 1024;
const TIMESTAMP = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) /;

/** Takes the engine's log stream apart: frames whose payload starts with a timestamp. */
export interface OutputReader {
  /** Bytes as they come, cut anywhere. @returns the lines that are complete now */
  push(chunk: Uint8Array): OutputLine[];
  /** @returns what had no line end */
  finish(): OutputLine[];
}

interface Partial { at: string; text: string; omitted: number; readonly decoder: TextDecoder }

/** A piece of what a container printed, as the engine sends it. */
export interface OutputFrame {
  readonly stream: OutputLine['stream'];
  readonly payload: Buffer;
}

/** Takes bytes as they come, cut anywhere. @returns the frames that are complete now */
export type FrameReader = (chunk: Uint8Array) => OutputFrame[];

/** Takes the two streams apart that the engine sends as one, in frames of 8 bytes of header and a payload. */
export function createFrameReader(): FrameReader {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    const frames: OutputFrame[] = [];
    let offset = 0;
    while (rest.length - offset >= HEADER) {
      const end = offset + HEADER + rest.readUInt32BE(offset + 4);
      if (rest.length < end) break;
      frames.push({ stream: rest[offset] === 2 ? 'stderr' : 'stdout', payload: rest.subarray(offset + HEADER, end) });
      offset = end;
    }
    rest = rest.subarray(offset);
    return frames;
  };
}

/** The two streams are kept apart, so that a line of one may be cut by lines of the other. */
export function createOutputReader(): OutputReader {
  const framesOf = createFrameReader();
  const partials = new Map<OutputLine['stream'], Partial>();

  const linesOf = ({ stream, payload }: OutputFrame): OutputLine[] => {
    const lines: OutputLine[] = [];
    for (let start = 0; start < payload.length;) {
      const end = payload.indexOf(0x0a, start);
      const piece = payload.subarray(start, end < 0 ? payload.length : end);
      start = end < 0 ? payload.length : end + 1;
      const partial = append(partials.get(stream), piece);
      if (end < 0) partials.set(stream, partial);
      else { partials.delete(stream); lines.push(complete(stream, partial)); }
    }
    return lines;
  };

  return {
    push: (chunk) => framesOf(chunk).flatMap(linesOf),
    finish: () => {
      const lines = [...partials].map(([stream, partial]) => complete(stream, partial));
      partials.clear();
      return lines;
    },
  };
}

/** A long line comes in several frames, each with a timestamp of its own: the first one counts. */
function append(partial: Partial | undefined, piece: Buffer): Partial {
  const at = TIMESTAMP.exec(piece.subarray(0, 40).toString('latin1'));
  const bytes = at ? piece.subarray(at[0].length) : piece;
  const line = partial ?? { at: at?.[1] ?? '', text: '', omitted: 0, decoder: new TextDecoder() };
  const room = Math.max(0, LINE_MAX - line.text.length);
  line.text += line.decoder.decode(bytes.subarray(0, room), { stream: true });
  line.omitted += Math.max(0, bytes.length - room);
  return line;
}

function complete(stream: OutputLine['stream'], { at, text, omitted, decoder }: Partial): OutputLine {
  const whole = `${text}${decoder.decode()}`.replace(/\r$/, '');
  return { at, stream, text: omitted > 0 ? `${whole} … ${omitted} bytes omitted` : whole };
}
