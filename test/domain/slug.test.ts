import fc from 'fast-check';
import { parseEnvironmentName, type RefName } from '../../src/domain/ids.js';
import { formatLabel } from '../../src/domain/preview-name.js';
import { parseRefName } from '../../src/domain/ref-name.js';
import { slugOf } from '../../src/domain/slug.js';

const slug = (name: string): string => slugOf(parseRefName(name));
const refName = fc.string({ unit: fc.constantFrom(...Array.from('abcxyz019-_/.ABZ+é🚀')), minLength: 1, maxLength: 60 }).map((text) => text as RefName);

describe('the slug of a branch', () => {
  it.each(['main', 'a', '1', 'fix-cart', 'release-2024-01', 'a'.repeat(38), 'x-abcde', 'x-abcdef0', 'x-abcdeg', 'abcdef', '-x'])('is the name itself: %s', (name) => {
    expect(slug(name)).toBe(name);
  });

  it.each([
    ['feature/x', /^feature-x-[0-9a-f]{6}$/],
    ['Feature-X', /^feature-x-[0-9a-f]{6}$/],
    ['fix_cart', /^fix-cart-[0-9a-f]{6}$/],
    ['x-abcdef', /^x-abcdef-[0-9a-f]{6}$/],
    ['main-', /^main-[0-9a-f]{6}$/],
    ['a'.repeat(39), /^a{31}-[0-9a-f]{6}$/],
    ['é', /^b-[0-9a-f]{6}$/],
    ['🚀/🚀', /^b-[0-9a-f]{6}$/],
    ['a;b', /^a-b-[0-9a-f]{6}$/],
    ['--upload-pack=x', /^upload-pack-x-[0-9a-f]{6}$/],
    ['a<script>', /^a-script-[0-9a-f]{6}$/],
  ])('has a suffix where the name cannot be a label: %s', (name, shape) => { expect(slug(name)).toMatch(shape); });

  it('A6: differs for names that look alike', () => {
    const names = ['é'.normalize('NFC'), 'é'.normalize('NFD'), 'feature/x', 'feature-x', 'feature_x', 'Feature/x', 'feature/X', `${'a'.repeat(50)}1`, `${'a'.repeat(50)}2`];
    expect(new Set(names.map(slug)).size).toBe(names.length);
  });

  it('is a part of a DNS label of 63 in the longest environment, whatever the name', () => {
    const environment = parseEnvironmentName('e'.repeat(17));
    fc.assert(fc.property(fc.oneof(refName, fc.string({ unit: 'grapheme', minLength: 1 }).map((text) => text as RefName)), (name) => {
      const made = slugOf(name);
      expect(made).toMatch(/^[a-z0-9-]*[a-z0-9]$/);
      expect(made.length).toBeLessThanOrEqual(38);
      expect(formatLabel({ kind: 'branch', slug: made, environment }).length).toBeLessThanOrEqual(63);
    }), { numRuns: 500 });
  });

  it('is itself again for a plain name, and so is the slug of that', () => {
    const plain = fc.stringMatching(/^[a-z0-9-]{0,37}[a-z0-9]$/).filter((name) => !/-[0-9a-f]{6}$/.test(name));
    fc.assert(fc.property(plain, (name) => {
      expect(slug(name)).toBe(name);
      expect(slug(slug(name))).toBe(name);
    }), { numRuns: 1_000 });
  });

  it('is not that of a branch which is called like it', () => {
    fc.assert(fc.property(refName, (name) => {
      const made = slugOf(name);
      if (made !== name) expect(slugOf(made as RefName)).not.toBe(made);
    }), { numRuns: 500 });
  });

  it('never has the shape of another branch’s name: a plain name has no suffix, all others have one', () => {
    fc.assert(fc.property(refName, (name) => {
      const made = slugOf(name);
      expect(made === name).toBe(!/-[0-9a-f]{6}$/.test(made));
    }), { numRuns: 500 });
  });

  it('is another one for each of 20,000 names', () => {
    const names = new Set(fc.sample(refName, { numRuns: 20_000, seed: 20_240_101 }));
    expect(names.size).toBeGreaterThan(10_000);
    expect(new Set([...names].map(slugOf)).size).toBe(names.size);
  });
});
