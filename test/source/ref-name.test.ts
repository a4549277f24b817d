import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { isRefName } from '../../src/domain/ref-name.js';

/** git's own corpus, t/t1402-check-ref-format.sh, as names below refs/heads/. */
const CORPUS = [
  '', '/', 'foo/bar/baz', 'refs///heads/foo', 'heads/foo/', '/heads/foo', '///heads/foo', '/foo', '././foo', './foo/bar',
  'foo/./bar', 'foo/bar/.', '.refs/foo', 'refs/heads/foo.', 'heads/foo..bar', 'heads/foo?bar', 'foo./bar', 'heads/foo.lock',
  'heads///foo.lock', 'foo.lock/bar', 'foo.lock///bar', 'heads/foo@bar', 'heads/v@{ation', 'heads/foo\\bar', 'heads/foo\tbar',
  'heads/foo\x7f', 'heads/fuß', 'heads/*foo/bar', 'heads/foo*/bar', 'heads/f*o/bar', 'HEAD', '@', '-x', '--upload-pack=x', 'a.lockb', '@{', 'a@{b',
];

/** Asks git itself, with one shell for all names. */
function verdictsOfGit(names: readonly string[]): boolean[] {
  const script = 'for name in "$@"; do if git check-ref-format "refs/heads/$name"; then echo 1; else echo 0; fi; done';
  return execFileSync('sh', ['-c', script, 'sh', ...names], { encoding: 'utf8' }).trimEnd().split('\n').map((line) => line === '1');
}

describe('names of branches', () => {
  it('A1: are what git itself says, for its own corpus', () => {
    expect(CORPUS.map(isRefName)).toEqual(verdictsOfGit(CORPUS));
  });

  it('A1: are what git itself says, for 600 names made of the difficult parts', () => {
    const part = fc.constantFrom('a', 'B', '.', '..', '/', '//', '.lock', '@', '{', '@{', '~', '^', ':', '?', '*', '[', '\\', ' ', '-', '\x01', '\x7f', 'é', '🚀', ';', '$(x)', "'", '"', '%', '#');
    const name = fc.oneof(fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('')), fc.string({ unit: 'grapheme', maxLength: 12 }));
    // An argument of a program can hold neither NUL nor half a character.
    const names = fc.sample(name, { numRuns: 600, seed: 20_240_101 }).filter((text) => !text.includes('\0') && Buffer.from(text).toString() === text);
    expect(names.length).toBeGreaterThan(500);
    const verdicts = verdictsOfGit(names);
    expect(names.filter((text, index) => isRefName(text) !== verdicts[index])).toEqual([]);
  });
});
