export type Field = number | Buffer;

/** A decoded message: a field's values by its number, in their order. */
export type Message = ReadonlyMap<number, readonly Field[]>;

/** The last value of a field that holds bytes, a text or a message; undefined when there is none. */
export const bytesOf = (message: Message, field: number): Buffer | undefined =>
  message.get(field)?.findLast((value): value is Buffer => typeof value !== 'number');

/** A field's text; empty when there is none, as protobuf has it. */
export const textOf = (message: Message, field: number): string => bytesOf(message, field)?.toString('utf8') ?? '';

/**
 * Reads protobuf's wire format: a tag of field number and type, then the value; types 0 (varint), 1, 5 (fixed) and 2 (bytes).
 *
 * @throws RangeError when the bytes are no message
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export function readMessage(buffer: Buffer): Message {
  const fields = new Map<number, Field[]>();
  let offset = 0;
  const varint = (): number => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      const byte = buffer[offset++];
      if (byte === undefined) throw new RangeError('a message ends early');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Buffer => {
    if (offset + length > buffer.length) throw new RangeError('a message ends early');
    offset += length;
    return buffer.subarray(offset - length, offset);
  };
  const value = (type: number): Field => {
    switch (type) {
      case 0: return varint();
      case 1: return take(8);
      case 2: return take(varint());
      case 5: return take(4);
      default: throw new RangeError(`a message has a field of unknown type ${type}`);
    }
  };
  while (offset < buffer.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    fields.set(number, [...(fields.get(number) ?? []), value(tag % 8)]);
  }
  return fields;
}

/** Writes a message of texts, the first one as field 1. */
export function writeTexts(...texts: readonly string[]): Buffer {
  return Buffer.concat(texts.flatMap((text, index) => {
    const bytes = Buffer.from(text);
    return [writeVarint((index + 1) * 8 + 2), writeVarint(bytes.length), bytes];
  }));
}

function writeVarint(number: number): Buffer {
  const bytes: number[] = [];
  for (let left = number; ; left = Math.floor(left / 128)) {
    if (left < 128) return Buffer.from([...bytes, left]);
    bytes.push((left % 128) + 128);
  }
}
