/** The part of BuildKit's `StatusResponse` that a log needs. @see https://github.com/moby/buildkit/blob/master/api/services/control/control.proto */
export interface BuildTrace {
  readonly vertexes: readonly TraceVertex[];
  readonly statuses: readonly TraceStatus[];
  readonly logs: readonly TraceLog[];
}

/** A step of the build. Times in milliseconds; null while it has not come to that. */
export interface TraceVertex {
  readonly digest: string;
  readonly name: string;
  readonly cached: boolean;
  readonly startedAt: number | null;
  readonly completedAt: number | null;
  /** Empty when there is none. */
  readonly error: string;
}

/** Progress inside a step, such as one layer of a pull. */
export interface TraceStatus {
  readonly id: string;
  readonly vertex: string;
  readonly completed: boolean;
}

/** Output of a step, cut anywhere. */
export interface TraceLog {
  readonly vertex: string;
  readonly bytes: Uint8Array;
}

type Field = number | Buffer;
type Message = ReadonlyMap<number, readonly Field[]>;

/**
 * Decodes the base64 protobuf text that the engine puts into `moby.buildkit.trace` lines; unknown fields are skipped.
 *
 * @throws RangeError when the bytes are not such a message
 */
export function decodeTrace(base64: string): BuildTrace {
  const message = readMessage(Buffer.from(base64, 'base64'));
  return {
    vertexes: messages(message, 1).map((vertex) => ({
      digest: text(vertex, 1),
      name: text(vertex, 3),
      cached: vertex.get(4)?.at(-1) === 1,
      startedAt: time(vertex, 5),
      completedAt: time(vertex, 6),
      error: text(vertex, 7),
    })),
    statuses: messages(message, 2).map((status) => ({ id: text(status, 1), vertex: text(status, 2), completed: status.has(8) })),
    logs: messages(message, 3).map((log) => ({ vertex: text(log, 1), bytes: bytes(log, 4) ?? Buffer.alloc(0) })),
  };
}

const bytes = (message: Message, field: number): Buffer | undefined =>
  message.get(field)?.findLast((value): value is Buffer => typeof value !== 'number');

const text = (message: Message, field: number): string => bytes(message, field)?.toString('utf8') ?? '';

const messages = (message: Message, field: number): readonly Message[] =>
  (message.get(field) ?? []).filter((value): value is Buffer => typeof value !== 'number').map(readMessage);

/** A `google.protobuf.Timestamp`: seconds in field 1, nanoseconds in field 2. */
function time(message: Message, field: number): number | null {
  const stamp = bytes(message, field);
  if (!stamp) return null;
  const parts = readMessage(stamp);
  const part = (number: number) => Number(parts.get(number)?.at(-1) ?? 0);
  return part(1) * 1000 + part(2) / 1e6;
}

/** Protobuf's wire format: a tag of field number and type, then the value; types 0 (varint), 1, 5 (fixed) and 2 (bytes). */
function readMessage(buffer: Buffer): Message {
  const fields = new Map<number, Field[]>();
  let offset = 0;
  const varint = (): number => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      const byte = buffer[offset++];
      if (byte === undefined) throw new RangeError('a trace message ends early');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Buffer => {
    if (offset + length > buffer.length) throw new RangeError('a trace message ends early');
    offset += length;
    return buffer.subarray(offset - length, offset);
  };
  const value = (type: number): Field => {
    switch (type) {
      case 0: return varint();
      case 1: return take(8);
      case 2: return take(varint());
      case 5: return take(4);
      default: throw new RangeError(`a trace message has a field of unknown type ${type}`);
    }
  };
  while (offset < buffer.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    fields.set(number, [...(fields.get(number) ?? []), value(tag % 8)]);
  }
  return fields;
}
