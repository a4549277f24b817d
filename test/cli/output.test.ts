import { counted, momentOf, renderFields, renderTable, shortOf } from '../../src/cli/output.js';

describe('a table', () => {
  it('is aligned by what people see, with a dash for nothing and no blanks at the end', () => {
    expect(renderTable(['A', 'LONG', 'C'], [['zwölf', 1, 'x'], [null, undefined, ''], ['\u{1F980}', 'b', 'y']])).toBe('A      LONG  C\nzwölf  1     x\n–      –     –\n\u{1F980}      b     y\n');
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
