import fc from 'fast-check';
import { parseEnvironmentName, parseProjectName, type EnvironmentName, type RefName } from '../../src/domain/ids.js';
import { environmentFault, formatLabel, parseLabel, projectNameFault, stageFault, type LabelNames, type PreviewName } from '../../src/domain/preview-name.js';
import { slugOf } from '../../src/domain/slug.js';

const NO_STAGES = { stages: [] };
/** What names and labels are made of, and what would be taken for something else. */
const part = fc.constantFrom('a', 'b', 'jet', '7f', 'abcd', 'hash', 'branch', 'run', 'container', 'xn', 'hashes', 'dev', '', '-');
const madeUp = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('-'));
const anyName = fc.oneof(madeUp, fc.stringMatching(/^[a-z0-9-]{1,20}$/));

describe('the name of an environment', () => {
  it.each(['jetpack', 'jet-pack', 'staging', 'qa-1', 'eu-west', 'x', '7', 'a--b', 'production', 'image', 'commit', 'stage', 'runtime', 'hashing', 'branches', 'prehash', 'my-run', 'my-container', 'a'.repeat(17)])('may be %s', (name) => {
    expect(environmentFault(name, { stages: ['dev', 'prod'] })).toBeUndefined();
  });

  it.each([
    ['', 'use a-z, 0-9 and inner hyphens'], ['Jetpack', 'use a-z'], ['a.b', 'use a-z'], ['a_b', 'use a-z'], ['-a', 'use a-z'], ['a-', 'use a-z'], ['evil.com/', 'use a-z'], ['a\n', 'use a-z'], ['é', 'use a-z'],
    ['a'.repeat(18), '17 characters at most'],
    ['hash', 'begins like the hosts hash-…'], ['hash-1', 'hash-…'], ['branch', 'branch-…'], ['branch-x', 'branch-…'], ['run', 'run-…'], ['run-x', 'run-…'], ['container', 'container-…'], ['container-x', 'container-…'],
    ['x-branch-y', 'has “branch” among its words'], ['x-hash-y', 'has “hash” among its words'], ['x-branch', '“branch”'], ['x-hash', '“hash”'], ['x--branch--y', '“branch”'],
    ['xn--e1afmkfd', 'names that begin with xn-- are encoded ones'],
    ['dev', 'is a stage'],
  ])('cannot be “%s”, and the sentence says why: %s', (name, why) => {
    const fault = environmentFault(name, { stages: ['dev', 'prod'] });
    expect(fault).toContain(why);
    expect(fault).toContain(`“${name}”`);
    expect(fault).not.toMatch(/\.$/);
  });

  it('would give one label two readings with “branch” among its words', () => {
    const [short, long] = [parseEnvironmentName('a'), parseEnvironmentName('a-branch-b')];
    const two: PreviewName[] = [{ kind: 'commit', hash: 'abcd', environment: long }, { kind: 'branch', slug: 'b-hash-abcd', environment: short }];
    expect(new Set(two.map(formatLabel)).size).toBe(1);
    expect(environmentFault(short, NO_STAGES)).toBeUndefined();
    expect(environmentFault(long, NO_STAGES)).toBeDefined();
  });

  it('is one that its parser reads, whenever it is admitted', () => {
    fc.assert(fc.property(fc.oneof(anyName, fc.string()), (name) => {
      if (environmentFault(name, NO_STAGES) === undefined) expect(parseEnvironmentName(name)).toBe(name);
      if (projectNameFault(name) === undefined) expect(parseProjectName(name)).toBe(name);
    }), { numRuns: 2_000 });
  });
});

describe('the name of a stage', () => {
  it.each(['dev', 'test', 'prod', 'prod-eu', 'stage', 'a'.repeat(63)])('may be %s', (name) => { expect(stageFault(name)).toBeUndefined(); });

  it.each(['', 'Dev', 'a.b', 'dev-', 'a'.repeat(64), 'hash-abcd', 'branch', 'run-mine', 'container', 'jet-hash-abcd', 'jet-branch-main', 'xn--a'])('cannot be “%s”', (name) => {
    expect(stageFault(name)).toMatch(/^“/);
  });
});

describe('the name of a project', () => {
  it.each(['shop', '3d', 'a-b', 'app-branch-preview', 'my-hash', 'runner', 'a'.repeat(40)])('may be %s', (name) => { expect(projectNameFault(name)).toBeUndefined(); });

  it.each(['', 'Shop', 'a.b', '-a', 'a'.repeat(41), 'branch-preview', 'hash-abcd', 'run', 'container-x', 'xn--a'])('cannot be “%s”', (name) => {
    expect(projectNameFault(name)).toMatch(/^“/);
  });

  it('is not that of a neighbour on the same host', () => {
    const names = { environments: [parseEnvironmentName('jet')], stages: ['dev'] };
    expect(projectNameFault('dev', names)).toContain('is the host of a preview as well');
    expect(projectNameFault('jet-branch-main', names)).toContain('is the host of a preview as well');
    expect(projectNameFault('jet-lag', names)).toBeUndefined();
  });
});

/** Names by the hundred, most of them as misleading as they may be. */
const POOL = fc.sample(anyName, { numRuns: 3_000, seed: 20_240_101 });
const STAGES = POOL.filter((name) => stageFault(name) === undefined);
const ENVIRONMENTS = POOL.filter((name) => environmentFault(name, NO_STAGES) === undefined).map(parseEnvironmentName);
const SLUGS = [...POOL, 'main', 'b-hash-abcd', 'hash-abcd', 'branch-main'].map((name) => slugOf(name as RefName));
const HASHES = fc.sample(fc.stringMatching(/^[0-9a-f]{4,40}$/), { numRuns: 300, seed: 20_240_101 });

/** A name, all parts of which are admitted. */
const previewNames = fc.record({
  kind: fc.constantFrom('commit', 'branch', 'run', 'image', 'stage'), environment: fc.constantFrom(null, ...ENVIRONMENTS),
  hash: fc.constantFrom(...HASHES), slug: fc.constantFrom(...SLUGS), stage: fc.constantFrom(...STAGES),
}).map(({ kind, ...parts }) => nameOf(kind, parts));

/** The most misleading neighbours a label can have: every beginning of it, and all of it, as far as they are admitted. */
function neighboursOf(name: PreviewName): LabelNames {
  const label = formatLabel(name);
  const stages = [label, ...STAGES.slice(0, 3)].filter((stage) => stageFault(stage) === undefined);
  const own = 'environment' in name && name.environment !== null ? [name.environment] : [];
  const words = label.split('-');
  const beginnings = words.map((_word, index) => words.slice(0, index + 1).join('-')).filter((text) => environmentFault(text, { stages }) === undefined);
  return { environments: [...own, ...beginnings.map(parseEnvironmentName)], stages };
}

interface Parts { readonly environment: EnvironmentName | null; readonly hash: string; readonly slug: string; readonly stage: string }

function nameOf(kind: string, { environment, hash, slug, stage }: Parts): PreviewName {
  if (kind === 'stage') return { kind, name: stage };
  if (kind === 'run' || kind === 'image') return { kind, name: slug };
  return kind === 'branch' ? { kind, slug, environment } : { kind: 'commit', hash, environment };
}

describe('whatever names are admitted', () => {
  it('are many, and many of them misleading', () => {
    for (const names of [STAGES, ENVIRONMENTS]) {
      expect(new Set(names).size).toBeGreaterThan(300);
      expect(names.filter((name) => /hash|branch|run|container/.test(name)).length).toBeGreaterThan(20);
    }
  });

  it('every label comes back as what it was made of, whatever else is configured', () => {
    fc.assert(fc.property(previewNames, (name) => {
      const label = formatLabel(name);
      expect(label).toMatch(/^[a-z0-9-]{1,63}$/);
      expect(parseLabel(label, neighboursOf(name))).toEqual(name);
    }), { numRuns: 5_000 });
  });

  it('every label is a part of a host that a browser takes as it is', () => {
    fc.assert(fc.property(previewNames, (name) => {
      const host = `${formatLabel(name)}.shop.localhost`;
      expect(new URL(`http://${host}/`).hostname).toBe(host);
    }), { numRuns: 2_000 });
  });
});
