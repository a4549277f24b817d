import { bytesOf, readMessage, textOf, type Message } from './protobuf.js';

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

/**
 * Decodes the base64 protobuf text that the engine puts into `moby.buildkit.trace` lines; unknown fields are skipped.
 *
 * @throws RangeError when the bytes are not such a message
 */
export function decodeTrace(base64: string): BuildTrace {
  const message = readMessage(Buffer.from(base64, 'base64'));
  return {
    vertexes: messages(message, 1).map((vertex) => ({
      digest: textOf(vertex, 1),
      name: textOf(vertex, 3),
      cached: vertex.get(4)?.at(-1) === 1,
      startedAt: time(vertex, 5),
      completedAt: time(vertex, 6),
      error: textOf(vertex, 7),
    })),
    statuses: messages(message, 2).map((status) => ({ id: textOf(status, 1), vertex: textOf(status, 2), completed: status.has(8) })),
    logs: messages(message, 3).map((log) => ({ vertex: textOf(log, 1), bytes: bytesOf(log, 4) ?? Buffer.alloc(0) })),
  };
}

const messages = (message: Message, field: number): readonly Message[] =>
  (message.get(field) ?? []).filter((value): value is Buffer => typeof value !== 'number').map(readMessage);

/** A `google.protobuf.Timestamp`: seconds in field 1, nanoseconds in field 2. */
function time(message: Message, field: number): number | null {
  const stamp = bytesOf(message, field);
  if (!stamp) return null;
  const parts = readMessage(stamp);
  const part = (number: number) => Number(parts.get(number)?.at(-1) ?? 0);
  return part(1) * 1000 + part(2) / 1e6;
}
