import fc from 'fast-check';
import { cleanLine } from '../../src/domain/log-line.js';
import { processorMs } from '../support/processor-time.js';

const ESC = '\x1b';

describe('a line of output as people see it', () => {
  it.each([
    ['J1: markup, which a page escapes', '<script>&lt;</pre>', '<script>&lt;</pre>'],
    ['J2: a hyperlink ended by BEL', `${ESC}]8;;javascript:alert(1)\x07press${ESC}]8;;\x07 me`, 'press me'],
    ['J2: a hyperlink ended by ST', `${ESC}]8;;data:x${ESC}\\press${ESC}]8;;${ESC}\\ me`, 'press me'],
    ['J2: a hyperlink with a quote', `${ESC}]8;;https://evil"onmouseover=\x07x`, 'x'],
    ['J2: an OSC that never ends', `before${ESC}]0;title`, 'before'],
    ['J2: a DCS that never ends', `before${ESC}Pq#0`, 'before'],
    ['J3: colours', `${ESC}[1;31mred${ESC}[0m ${ESC}[38;2;1;2;3mrgb${ESC}[m`, 'red rgb'],
    ['J3: an overwritten line', '10%\r50%\r100%', '100%'],
    ['J3: an overwritten line that ends in a return', '10%\r100%\r\r', '100%'],
    ['J3: a cleared screen, a moved cursor, a title', `${ESC}[2J${ESC}[1Aa${ESC}]2;t\x07b`, 'ab'],
    ['J3: lone and two-character escapes', `a${ESC}cb${ESC}(Bc${ESC}`, 'abc'],
    ['J3: a sequence cut off', `a${ESC}[12;`, 'a'],
    ['J4: bidi controls', 'a\u202eb\u2066c\u061cd\u200ee', 'a\ufffdb\ufffdc\ufffdd\ufffde'],
    ['J4: zero-width characters', 'a\u200bb\u200dc\u2060d\ufeff', 'a\ufffdb\ufffdc\ufffdd\ufffd'],
    ['J4: C1 controls, NUL, DEL', 'a\x9bb\x85c\0d\x7f', 'a\ufffdb\ufffdc\ufffdd\ufffd'],
    ['J4: line separators', 'a\u2028b\u2029c\nd\ve', 'a\ufffdb\ufffdc\ufffdd\ufffde'],
    ['J5: characters of other scripts and of four bytes', 'Grüße 日本 🚀', 'Grüße 日本 🚀'],
    ['tabs', 'a\tb', 'a  b'],
    ['nothing', '', ''],
  ])('%s', (_what, text, shown) => { expect(cleanLine(text)).toBe(shown); });

  it('J6: is at most 16 KiB and says how much is left out', () => {
    expect(cleanLine('x'.repeat(16 * 1024))).toBe('x'.repeat(16 * 1024));
    expect(cleanLine('x'.repeat(16 * 1024 + 5))).toBe(`${'x'.repeat(16 * 1024)} … 5 characters omitted …`);
  });

  it.each([['OSC', `${ESC}]`], ['DCS', `${ESC}P`], ['CSI', `${ESC}[`]])('J2: takes linear time for a 10 MB %s that never ends, and says what is left out', async (_kind, start) => {
    const text = start + '0'.repeat(10_000_000);
    expect(await processorMs(() => { expect(cleanLine(text)).toBe(` … ${text.length - 16 * 1024} characters omitted …`); })).toBeLessThan(300);
  });

  it('takes linear time for a line of nothing but colour changes', async () => {
    expect(await processorMs(() => { for (let round = 0; round < 100; round += 1) expect(cleanLine(`${ESC}[31m`.repeat(3_000))).toBe(''); })).toBeLessThan(2_000);
  });

  it('holds nothing that a terminal or a browser would act on, whatever came in', () => {
    const piece = fc.oneof(fc.constantFrom(ESC, `${ESC}[`, `${ESC}]8;;`, '\x07', '\\', '\r', '\n', '\u202e', '\x9d', ';', 'm', '31'), fc.string());
    fc.assert(fc.property(fc.array(piece).map((pieces) => pieces.join('')), (text) => {
      // eslint-disable-next-line no-control-regex
      expect(cleanLine(text)).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/);
    }), { numRuns: 500 });
  });

  it('is not changed by being cleaned again', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => { expect(cleanLine(cleanLine(text))).toBe(cleanLine(text)); }));
  });
});
