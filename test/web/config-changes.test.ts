import type { RunConfig } from '../../src/domain/release.js';
import { configChanges, describeChanges } from '../../src/web/config-changes.js';

const CONFIG: RunConfig = { port: null, readyTimeoutMs: 60_000, stopTimeoutMs: 10_000, memoryBytes: 512, cpus: 1, pids: 256, profile: 'compat', env: { A: '1', B: '2' }, secrets: { TOKEN: 'd1' } };
const sentence = (to: Partial<RunConfig>) => describeChanges(configChanges(CONFIG, { ...CONFIG, ...to }));

describe('what differs between two configurations', () => {
  it('is said by name, and never by value', () => {
    expect(configChanges(CONFIG, { ...CONFIG, env: { A: 'secret value', C: '3' }, secrets: { TOKEN: 'd2' } })).toEqual({ added: ['C'], changed: ['A', 'TOKEN'], removed: ['B'] });
    expect(sentence({ env: { A: 'secret value', C: '3' }, secrets: { TOKEN: 'd2' } })).toBe('Its own configuration comes back with it: A, TOKEN change; C comes back; B goes.');
  });

  it('may be nothing', () => { expect(sentence({ env: { B: '2', A: '1' } })).toBe('The configuration stays as it is.'); });

  it('is a change where a variable became a secret, or an empty value is another one than none', () => {
    expect(configChanges(CONFIG, { ...CONFIG, env: { B: '2' }, secrets: { A: '1', TOKEN: 'd1' } })).toEqual({ added: [], changed: ['A'], removed: [] });
    expect(configChanges({ ...CONFIG, env: { A: '' } }, { ...CONFIG, env: {} })).toEqual({ added: [], changed: [], removed: ['A'] });
  });

  it.each([
    [{ port: 80 }, 'the port changes'], [{ memoryBytes: 1_024, cpus: 2 }, 'the memory limit, the processor limit change'], [{ profile: 'strict' }, 'the profile changes'],
    [{ processes: { worker: ['work'] } }, 'the set of processes changes'], [{ health: { test: { kind: 'tcp' }, everyMs: 1, timeoutMs: 1, unhealthyMs: 1 } }, 'the health line changes'],
    [{ readyTimeoutMs: 1 }, 'the time to get ready changes'], [{ stopTimeoutMs: 1 }, 'the time to stop changes'], [{ pids: 1 }, 'the process limit changes'],
  ] satisfies [Partial<RunConfig>, string][])('names other settings in words: %j', (to, words) => {
    expect(sentence(to)).toBe(`Its own configuration comes back with it: ${words}.`);
  });
});
