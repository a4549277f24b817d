import { createOutputReader } from '../../src/engine/output.js';

const AT = '2026-01-02T03:04:05.678901234Z';

function frame(stream: 1 | 2, text: string | Buffer): Buffer {
  const payload = Buffer.from(text);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

function readAll(...chunks: Buffer[]) {
  const reader = createOutputReader();
  return [...chunks.flatMap((chunk) => reader.push(chunk)), ...reader.finish()];
}

describe('the output of a container', () => {
  it('is split into lines with their time and stream', () => {
    expect(readAll(frame(1, `${AT} hello\n`), frame(2, `${AT} ouch\r\n`), frame(1, `${AT} \n`))).toEqual([
      { at: AT, stream: 'stdout', text: 'hello' }, { at: AT, stream: 'stderr', text: 'ouch' }, { at: AT, stream: 'stdout', text: '' },
    ]);
  });

  it('reads the same wherever the bytes are cut', () => {
    const whole = Buffer.concat([frame(1, `${AT} wörld €\n`), frame(2, `${AT} two\n`), frame(1, `${AT} end`)]);
    const bytes = Array.from(whole, (_byte, at) => whole.subarray(at, at + 1));
    expect(readAll(...bytes)).toEqual(readAll(whole));
    expect(readAll(whole).map(({ text }) => text)).toEqual(['wörld €', 'two', 'end']);
  });

  it('joins a long line that comes in frames, with the first one\'s time and without the others\'', () => {
    const euro = Buffer.from('€');
    const first = Buffer.concat([Buffer.from(`${AT} a`), euro.subarray(0, 1)]);
    const rest = Buffer.concat([Buffer.from('2026-01-02T03:04:06Z '), euro.subarray(1), Buffer.from('b\n')]);
    expect(readAll(frame(1, first), frame(2, `${AT} between\n`), frame(1, rest))).toEqual([
      { at: AT, stream: 'stderr', text: 'between' }, { at: AT, stream: 'stdout', text: 'a€b' },
    ]);
  });

  it('E10: bounds a line without end', () => {
    const [only] = readAll(frame(1, `${AT} ${'x'.repeat(20_000)}`), frame(1, `${AT} ${'y'.repeat(1_000)}\n`));
    expect(only?.text).toBe(`${'x'.repeat(16_384)} … ${20_000 + 1_000 - 16_384} bytes omitted`);
  });
});
