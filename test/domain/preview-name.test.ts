import fc from 'fast-check';
import { parseEnvironmentName, type EnvironmentName } from '../../src/domain/ids.js';
import { environmentFault, formatLabel, parseLabel, type PreviewName } from '../../src/domain/preview-name.js';

const HASH = 'a1b2c3d4e5'.repeat(4);
const env = parseEnvironmentName;
const NAMES = { environments: [env('jet'), env('jet-pack'), env('x')], stages: ['dev', 'prod-eu'] };

const READINGS: readonly (readonly [string, PreviewName])[] = [
  [`hash-${HASH}`, { kind: 'commit', hash: HASH, environment: null }],
  ['hash-abcd', { kind: 'commit', hash: 'abcd', environment: null }],
  [`x-hash-${HASH}`, { kind: 'commit', hash: HASH, environment: env('x') }],
  ['jet-pack-hash-abcd', { kind: 'commit', hash: 'abcd', environment: env('jet-pack') }],
  ['jet-hash-abcd', { kind: 'commit', hash: 'abcd', environment: env('jet') }],
  ['branch-main', { kind: 'branch', slug: 'main', environment: null }],
  ['branch-jet-hash-abcd', { kind: 'branch', slug: 'jet-hash-abcd', environment: null }],
  ['jet-pack-branch-main', { kind: 'branch', slug: 'main', environment: env('jet-pack') }],
  ['run-mine', { kind: 'run', name: 'mine' }],
  ['container-nginx', { kind: 'image', name: 'nginx' }],
  ['dev', { kind: 'stage', name: 'dev' }],
  ['prod-eu', { kind: 'stage', name: 'prod-eu' }],
];

const NOTHING = [
  '', 'main', 'hash-', 'hash-abc', 'hash-abcg', `hash-${HASH}0`, 'branch-', 'run-', 'container-', 'x', 'x-', 'x-dev', 'x-run-mine', 'x-container-nginx',
  'y-hash-abcd', 'jet-pack', 'jetpack-hash-abcd', 'HASH-abcd', 'branch-a_b', 'a.branch-b', 'branch-ä', `branch-${'a'.repeat(57)}`, '__proto__', 'constructor',
];

describe('a label in front of a project host', () => {
  it.each(READINGS)('%s is read', (label, name) => {
    expect(parseLabel(label, NAMES)).toEqual(name);
    expect(formatLabel(name)).toBe(label);
  });

  it.each(NOTHING)('“%s” names nothing', (label) => { expect(parseLabel(label, NAMES)).toBeUndefined(); });

  it('matches the longest environment first, in whatever order they are configured', () => {
    const orders = [['a', 'a-b', 'a-branch', 'a-branch-b'], ['a-branch-b', 'a-branch', 'a-b', 'a']].map((names) => names.map(env));
    for (const environments of orders) {
      for (const environment of environments) {
        expect(parseLabel(`${environment}-hash-abcd`, { environments, stages: [] })).toEqual({ kind: 'commit', hash: 'abcd', environment });
      }
      expect(parseLabel('a-branch-main', { environments, stages: [] })).toEqual({ kind: 'branch', slug: 'main', environment: 'a' });
    }
  });

  it('comes back as it was written, for every kind and for environments with hyphens', () => {
    fc.assert(fc.property(worlds, ({ names, name }) => {
      const label = formatLabel(name);
      expect(label).toMatch(/^[a-z0-9-]{1,63}$/);
      expect(parseLabel(label, names)).toEqual(name);
    }), { numRuns: 2_000 });
  });

  it('is written as it was read, whatever the label', () => {
    const label = fc.array(fc.constantFrom('hash-', 'branch-', 'run-', 'container-', 'x-', 'jet-', 'pack-', 'abcd', 'main', 'dev', HASH, '-', '.'), { maxLength: 6 }).map((parts) => parts.join(''));
    fc.assert(fc.property(label, (text) => {
      const name = parseLabel(text, NAMES);
      if (name) expect(formatLabel(name)).toBe(text);
    }), { numRuns: 2_000 });
  });
});

const STAGES = { stages: ['dev', 'prod'] };
const part = fc.constantFrom('a', 'b', 'jet', 'pack', 'hash', 'run', 'container', '7f', 'abcd');
const environmentName = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('-')).filter((text) => environmentFault(text, STAGES) === undefined).map(env);
const slug = fc.stringMatching(/^[a-z0-9-]{1,37}[a-z0-9]$/);
const hash = fc.stringMatching(/^[0-9a-f]{4,40}$/);

const worlds = fc.uniqueArray(environmentName, { minLength: 1, maxLength: 5 }).chain((environments) => {
  const { stages } = STAGES;
  const environment = fc.constantFrom<EnvironmentName | null>(null, ...environments);
  const name: fc.Arbitrary<PreviewName> = fc.oneof(
    fc.record({ kind: fc.constant('commit' as const), hash, environment }),
    fc.record({ kind: fc.constant('branch' as const), slug, environment }),
    fc.record({ kind: fc.constantFrom('run' as const, 'image' as const), name: slug }),
    fc.record({ kind: fc.constant('stage' as const), name: fc.constantFrom(...stages) }),
  );
  return fc.record({ names: fc.constant({ environments, stages }), name });
});
