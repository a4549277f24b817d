import fc from 'fast-check';
import { AppError, type ErrorCode } from '../../src/domain/errors.js';
import {
  formatRelease, parseBuildId, parseCommitHash, parseEnvironmentName, parseHashPrefix, parseImageId, parseProjectName, type ReleaseNumber,
} from '../../src/domain/ids.js';

interface Parser { readonly parse: (text: string) => string; readonly code: ErrorCode; readonly good: readonly string[]; readonly bad: readonly string[] }

const HEX = 'a1b2c3d4e5'.repeat(4);
/** What no identifier may be, whatever its kind. */
const NEVER = ['', ' ', '__proto__', '../../etc/passwd', '<b>', 'a b', '%2e', "a'b", 'ü', `${HEX}\n`, '\0'];

const PARSERS: Readonly<Record<string, Parser>> = {
  commit: { parse: parseCommitHash, code: 'invalid_hash', good: [HEX, '0'.repeat(40)], bad: [HEX.slice(1), `${HEX}0`, HEX.toUpperCase(), 'g'.repeat(40)] },
  image: { parse: parseImageId, code: 'invalid_image', good: [`sha256:${'0f'.repeat(32)}`], bad: ['0f'.repeat(32), `sha256:${'0F'.repeat(32)}`, `sha256:${'0f'.repeat(31)}`, `sha512:${'0f'.repeat(32)}`] },
  build: { parse: parseBuildId, code: 'unknown_build', good: ['b_01ARZ3NDEKTSV4RRFFQ69G5FAV'], bad: ['b_01ARZ3NDEKTSV4RRFFQ69G5FAU', 'r_01ARZ3NDEKTSV4RRFFQ69G5FAV', 'b_01arz3ndektsv4rrffq69g5fav', 'b_', 'b_/../log'] },
  project: { parse: parseProjectName, code: 'invalid_name', good: ['a', 'shop', '3d', 'a-b', 'a'.repeat(40)], bad: ['-a', 'a-', 'A', 'a.b', 'a_b', 'a'.repeat(41)] },
  environment: { parse: parseEnvironmentName, code: 'invalid_name', good: ['x', 'jet-pack', 'a'.repeat(17)], bad: ['-a', 'a-', 'A', 'evil.com', 'a'.repeat(18), 'a\r\nb'] },
};

const codeOf = (run: () => unknown): ErrorCode | undefined => {
  try { run(); } catch (error) { return error instanceof AppError ? error.code : undefined; }
  return undefined;
};

describe.each(Object.entries(PARSERS))('a %s', (_kind, { parse, code, good, bad }) => {
  it.each(good)('may be “%s”, and stays as it is', (text) => { expect(parse(text)).toBe(text); });
  it.each([...bad, ...NEVER].map((text) => [JSON.stringify(text), text]))('may not be %s', (_shown, text) => { expect(codeOf(() => parse(text))).toBe(code); });
});

describe('a hash as a person types it', () => {
  it.each([['abcd', 'abcd'], ['ABCD', 'abcd'], [HEX.toUpperCase(), HEX], ['DeadBeef', 'deadbeef']])('A7: %s is read as %s', (text, read) => {
    expect(parseHashPrefix(text)).toBe(read);
  });

  it.each(['', 'abc', `${HEX}a`, 'zzzz', '[object Object]', 'x@evil.com/', 'abcd#', 'ab\\cd', 'abcd\t', '__proto__', 'abcd\n'])('A7, A11: %j is refused', (text) => {
    expect(codeOf(() => parseHashPrefix(text))).toBe('invalid_hash');
  });

  it('is read to 4 to 40 lower-case digits or refused, whatever it is', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...Array.from('0123456789abcdefABCDEFgG')) })), (text) => {
      const code = codeOf(() => parseHashPrefix(text));
      expect(code === undefined).toBe(/^[0-9a-fA-F]{4,40}$/.test(text) && !text.endsWith('\n'));
      if (code === undefined) expect(parseHashPrefix(text)).toMatch(/^[0-9a-f]{4,40}$/);
    }));
  });
});

it('a release number is shown as v and the number', () => {
  expect(formatRelease(7 as ReleaseNumber)).toBe('v7');
});
