import { planRest, type RestFacts } from '../../src/run/rest-plan.js';

const facts = (some: Partial<RestFacts> = {}): RestFacts => ({ state: 'running', idleMs: 60, times: { sleepMs: 100, stopMs: 300 }, pinned: null, ...some });

describe('what becomes of an instance that nobody uses', () => {
  it.each<[string, Partial<RestFacts>, ReturnType<typeof planRest>]>([
    ['sleeps first', {}, { next: 'sleep', inMs: 40 }],
    ['is due', { idleMs: 150 }, { next: 'sleep', inMs: 0 }],
    ['stops after it slept', { state: 'sleeping', idleMs: 150 }, { next: 'stop', inMs: 150 }],
    ['stops at once when it was forgotten for so long', { idleMs: 400 }, { next: 'stop', inMs: 0 }],
    ['stops when that comes before sleep', { times: { sleepMs: 300, stopMs: 100 } }, { next: 'stop', inMs: 40 }],
    ['sleeps for ever', { state: 'sleeping', times: { sleepMs: 100, stopMs: null } }, { next: null, why: 'never, by its settings' }],
    ['never sleeps, but stops', { times: { sleepMs: null, stopMs: 300 } }, { next: 'stop', inMs: 240 }],
    ['stays while it is used', { idleMs: null }, { next: null, why: 'in use' }],
    ['stays where it is pinned', { pinned: 'stage', idleMs: 1_000 }, { next: null, why: 'stage' }],
    ['is left alone while it starts', { state: 'starting' }, { next: null, why: 'starting' }],
  ])('it %s', (_what, some, plan) => { expect(planRest(facts(some))).toEqual(plan); });
});
