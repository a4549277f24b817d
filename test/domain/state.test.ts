import { hasImage, isActive, type BuildStatus } from '../../src/domain/build.js';
import { deriveState, statusWord, type InstanceState, type PreviewFacts, type PreviewState } from '../../src/domain/state.js';

const BUILDS: readonly (BuildStatus | undefined)[] = [undefined, 'queued', 'building', 'succeeded', 'reused', 'failed', 'cancelled', 'interrupted'];
const INSTANCES: readonly (InstanceState | undefined)[] = [undefined, 'starting', 'running', 'sleeping', 'stopping'];
const BOTH = [false, true];

type Row = readonly [state: PreviewState, when: string, holds: (facts: PreviewFacts) => boolean];

/** The first row that holds gives the state. */
const TABLE: readonly Row[] = [
  ['running', 'an instance runs', ({ instance }) => instance === 'running'],
  ['sleeping', 'an instance sleeps', ({ instance }) => instance === 'sleeping'],
  ['stopping', 'an instance stops', ({ instance }) => instance === 'stopping'],
  ['starting', 'an instance starts', ({ instance }) => instance === 'starting'],
  ['pending', 'the build waits', ({ build }) => build === 'queued'],
  ['building', 'the build runs', ({ build }) => build === 'building'],
  ['starting', 'an image is there and it is being opened', ({ opening, image }) => opening && image],
  ['pending', 'it is being opened', ({ opening }) => opening],
  ['error', 'the last attempt failed', ({ failed }) => failed],
  ['stopped', 'an image is there', ({ image }) => image],
  ['error', 'the build failed', ({ build }) => build === 'failed'],
  ['error', 'the build was cancelled', ({ build }) => build === 'cancelled'],
  ['error', 'the build was interrupted', ({ build }) => build === 'interrupted'],
  ['unknown', 'nothing was built, or its image is gone', () => true],
];

const ALL: readonly PreviewFacts[] = BUILDS.flatMap((build) => INSTANCES.flatMap((instance) => BOTH.flatMap((image) => BOTH.flatMap((opening) => BOTH.map((failed) => ({ build, image, instance, opening, failed }))))));
const rowOf = (facts: PreviewFacts): Row | undefined => TABLE.find(([, , holds]) => holds(facts));

describe('the state of a preview', () => {
  it.each(TABLE)('is %s when %s', (state, _when, holds) => {
    const reached = ALL.filter((facts) => rowOf(facts)?.[2] === holds);
    expect(reached).not.toEqual([]);
    expect(reached.filter((facts) => deriveState(facts) !== state)).toEqual([]);
  });

  it('is what it was: a failed attempt never hides what still serves', () => {
    expect(deriveState({ build: 'failed', image: false, instance: 'running', opening: false, failed: true })).toBe('running');
  });
});

it.each<[PreviewState, string]>([
  ['unknown', 'NotBuilt'], ['pending', 'Building'], ['building', 'Building'], ['starting', 'NeedsPriming'], ['stopped', 'NeedsPriming'],
  ['stopping', 'NeedsPriming'], ['running', 'Ready'], ['sleeping', 'Ready'], ['error', 'FAIL'],
])('dserve’s word for %s is %s', (state, word) => { expect(statusWord(state)).toBe(word); });

it.each<[BuildStatus, boolean, boolean]>([
  ['queued', true, false], ['building', true, false], ['succeeded', false, true], ['reused', false, true],
  ['failed', false, false], ['cancelled', false, false], ['interrupted', false, false],
])('a build that is %s: active %p, with an image %p', (status, active, image) => { expect([isActive({ status }), hasImage({ status })]).toEqual([active, image]); });
