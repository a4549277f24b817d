import { counted, momentOf, outputFault, renderFields, renderTable, shortOf } from '../../src/cli/output.js';

describe('a table', () => {
  it('is aligned by what people see, with a dash for nothing and no blanks at the end', () => {
    expect(renderTable(['A', 'LONG', 'C'], [['zwölf', 1, 'x'], [null, undefined, ''], ['\u{1F980}', 'b', 'y']])).toBe('A      LONG  C\nzwölf  1     x\n–      –     –\n\u{1F980}      b     y\n');
  });

  it('is not as wide as its longest cell where that is very long', () => {
    const long = 'x'.repeat(10_000);
    expect(renderTable(['A', 'VALUE', 'B'], [['a', long, 'b'], ['c', 'y'.repeat(80), 'd'], ['e', 'z', 'f']])).toBe(
      `A  VALUE${' '.repeat(75)}  B\na  ${long}  b\nc  ${'y'.repeat(80)}  d\ne  z${' '.repeat(79)}  f\n`);
  });

  it('has one line for each row, whatever a cell contains', () => {
    expect(renderTable(['A'], [['one\ntwo'], ['\x1b[31mred\x1b[0m\x07'], ['a\tb']])).toBe('A\none\\ntwo\nred\u{FFFD}\na  b\n');
    expect(renderFields([['a', 'x\ny'], ['long', null]])).toBe('a     x\\ny\nlong  –\n');
  });
});

it('words and numbers are short', () => {
  expect([counted(0, 'app'), counted(1, 'app'), counted(2, 'app')]).toEqual(['0 apps', '1 app', '2 apps']);
  expect([momentOf('2026-03-01T10:00:00.123Z'), momentOf('soon')]).toEqual(['2026-03-01 10:00:00', 'soon']);
  expect([shortOf(`sha256:${'ab'.repeat(32)}`), shortOf('c0ffee0123456789'), shortOf(null)]).toEqual(['abababababab', 'c0ffee012345', null]);
});

it('an output that fails is one sentence, but for a reader that has gone', () => {
  const fault = (code: string) => outputFault(Object.assign(new Error('write failed'), { code }));
  expect([fault('ENOSPC'), fault('EIO'), fault('EPIPE')]).toEqual(['The output cannot be written (ENOSPC).', 'The output cannot be written (EIO).', undefined]);
});
