import { createMask, type PieceMask } from '../../src/domain/mask.js';

const SECRET = 's3cr3t-value-1';
const mask = (text: string, ...secrets: string[]) => createMask(secrets).text(text);
/** What comes out for each piece, and at the end. */
const through = (pieces: PieceMask, ...given: string[]): string[] => [...given.map(pieces.push), pieces.end()];

describe('X12: a mask', () => {
  it.each<[string, Readonly<Record<'secrets', readonly string[]> & Record<'text' | 'expected', string>>]>([
    ['each occurrence', { secrets: [SECRET], text: `a ${SECRET} b ${SECRET}${SECRET}`, expected: 'a *** b ******' }],
    ['what stands for nothing in patterns', { secrets: ['a.b*c$&('], text: 'a.b*c$&( axbbc', expected: '*** axbbc' }],
    ['the longer one of two where one begins as the other', { secrets: ['post', 'postgres://u:pw@db'], text: 'postgres://u:pw@db post', expected: '*** ***' }],
    ['two that overlap', { secrets: ['user:hunter', 'hunter2-x'], text: 'user:hunter2-x!', expected: '***!' }],
    ['one that overlaps itself', { secrets: ['abcabc'], text: 'abcabcabc abcabcab', expected: '*** ***ab' }],
    ['one of one character only', { secrets: ['xxxx'], text: 'axxxxxb xxx', expected: 'a***b xxx' }],
    ['the longest of those that begin alike, and one within it', { secrets: ['abcd', 'abcdefgh', 'efgh-ij'], text: 'abcdefgh-ij abcdefg', expected: '*** ***efg' }],
    ['nothing shorter than four characters', { secrets: ['abc', 'abcd'], text: 'abc abcd', expected: 'abc ***' }],
    ['nothing of an empty one', { secrets: ['', '   \n  '], text: 'as it    was', expected: 'as it    was' }],
    ['each line of one that has several, set in or not', { secrets: ['-----BEGIN-----\r\n  bGluZTE=\nend\n'], text: '  -----BEGIN----- bGluZTE= end', expected: '  *** *** end' }],
    ['what JSON makes of it', { secrets: ['say "hi"\nC:\\temp'], text: JSON.stringify({ a: 'say "hi"\nC:\\temp' }), expected: '{"a":"***\\n***"}' }],
    ['what a URL makes of it', { secrets: ['p@ss/wörd'], text: `postgres://u:${encodeURIComponent('p@ss/wörd')}@db`, expected: 'postgres://u:***@db' }],
    ['what a log shows of it', { secrets: ['tab\there'], text: 'tab  here', expected: '***' }],
    ['one that is no well-formed text', { secrets: ['half\ud800pair'], text: 'half\u{FFFD}pair', expected: '***' }],
  ])('takes out %s', (_what, { secrets, text, expected }) => {
    expect(mask(text, ...secrets)).toBe(expected);
    expect(mask(expected, ...secrets)).toBe(expected);
  });

  it('takes out the beginning of a secret only where the end of a text was cut off', () => {
    const { text } = createMask([SECRET]);
    expect([text('a s3cr3t-v', true), text('a s3c', true), text('a s3cr3t-v'), text('s3cr3t-v a', true)]).toEqual(['a ***', 'a s3c', 'a s3cr3t-v', 's3cr3t-v a']);
    expect(createMask(['x'.repeat(20_000)]).text('x'.repeat(16_384), true)).toBe('***');
  });

  it('takes a text no longer where a secret has thousands of lines', () => {
    const lines = (count: number) => Array.from({ length: count }, (_, n) => `${n.toString(36).padStart(5, '0')}-line-of-a-key`);
    const fastest = (secret: string) => {
      const { text } = createMask([secret]);
      const given = `GET /orders 200 ${'x'.repeat(200)}`;
      const rounds = Array.from({ length: 7 }, () => {
        const since = process.cpuUsage();
        for (let n = 0; n < 2_000; n += 1) text(given);
        return process.cpuUsage(since).user;
      });
      return Math.min(...rounds);
    };
    expect(fastest(lines(5_000).join('\n'))).toBeLessThan(20 * fastest(lines(5).join('\n')));
    expect(mask(`a ${lines(5_000).at(-1)} b`, lines(5_000).join('\n'))).toBe('a *** b');
  });

  it('changes nothing where there is no secret', () => {
    const { text, pieces } = createMask([]);
    expect([text('as it was', true), ...through(pieces(), 'as', ' it was')]).toEqual(['as it was', 'as', ' it was', '']);
  });
});

describe('X12: a mask of what comes in pieces', () => {
  it('finds a secret wherever it is cut', () => {
    const text = `one ${SECRET}\ntwo ${SECRET}.`;
    for (let cut = 0; cut <= text.length; cut += 1) {
      expect(through(createMask([SECRET]).pieces(), text.slice(0, cut), text.slice(cut)).join('')).toBe('one ***\ntwo ***.');
    }
    expect(through(createMask([SECRET]).pieces(), ...Array.from(text)).join('')).toBe('one ***\ntwo ***.');
  });

  it('gives on at once what is no beginning of a secret, and the rest as soon as that is clear', () => {
    expect(through(createMask([SECRET]).pieces(), 'Sure? ', 'yes', ' or no\n', 's3cr', 'y\n', 'no s')).toEqual(['Sure? ', 'ye', 's or no\n', '', 's3cry\n', 'no ', 's']);
  });

  it('does not part a secret from what it ends with, where another one begins so', () => {
    expect(through(createMask(['abcd', 'cdxyz']).pieces(), '-abcd', 'xy', 'z-')).toEqual(['-', '', '***-', '']);
    expect(through(createMask(['abcd', 'cdxyz']).pieces(), '-abcd')).toEqual(['-', '***']);
  });

  it('finds one that overlaps itself wherever it is cut', () => {
    const text = '-abcabcabc.';
    for (let cut = 0; cut <= text.length; cut += 1) expect(through(createMask(['abcabc']).pieces(), text.slice(0, cut), text.slice(cut)).join('')).toBe('-***.');
  });

  it('holds no more than a mebibyte of secrets that overlap without end', () => {
    const pieces = createMask(['abcd', 'cdab']).pieces();
    const given = Array.from({ length: 40 }, () => pieces.push('abcd'.repeat(16_384))).filter((text) => text !== '');
    expect(given.length).toBeGreaterThan(0);
    expect(given.join('')).toMatch(/^\*+$/);
  });
});
