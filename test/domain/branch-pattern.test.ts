import { matchesBranch } from '../../src/domain/branch-pattern.js';

describe('a branch pattern', () => {
  it.each<[string, string, boolean]>([
    ['main', 'main', true], ['main', 'main2', false], ['main', 'x/main', false],
    ['release/*', 'release/1.2', true], ['release/*', 'release/1/2', false], ['release/*', 'release/', true], ['release/*', 'release', false],
    ['release/**', 'release/1/2', true], ['*', 'main', true], ['*', 'a/b', false], ['**', 'a/b', true],
    ['v1.2', 'v1x2', false], ['feat+x(1)', 'feat+x(1)', true], ['fix-*-ui', 'fix-42-ui', true], ['Main', 'main', false],
  ])('%s says of %s: %s', (pattern, branch, matches) => { expect(matchesBranch(pattern, branch)).toBe(matches); });
});
