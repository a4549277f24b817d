import { eventsOf, linesOf } from '../../src/cli/streams.js';
import { collect } from '../support/until.js';

/** The text in pieces of so many bytes. */
async function* inPieces(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe('lines', () => {
  it.each([1, 2, 3, 100])('are put together from pieces of %i bytes', async (size) => {
    expect(await collect(linesOf(inPieces('eins\nzwölf\r\n\n\u2028 is no line end\nlast', size)))).toEqual(['eins', 'zwölf', '', '\u2028 is no line end', 'last']);
    expect(await collect(linesOf(inPieces('one\n', size)))).toEqual(['one']);
    expect(await collect(linesOf(inPieces('', size)))).toEqual([]);
  });
});

describe('server-sent events', () => {
  it.each([1, 7, 1_000])('are read from pieces of %i bytes, whatever else is in the stream', async (size) => {
    const text = 'retry: 1000\n\n: here\n\nevent: line\nid: 7\ndata: {"a":"ü"}\n\ndata:one\ndata: two\n\nevent: state\r\ndata: {}\r\n\r\nevent: line\ndata: cut off';
    expect(await collect(eventsOf(inPieces(text, size)))).toEqual([
      { event: 'line', id: 7, text: '{"a":"ü"}' }, { event: 'message', id: 0, text: 'one\ntwo' }, { event: 'state', id: 0, text: '{}' },
    ]);
  });
});
