import { faultsOf, load, project } from './written-config.js';

describe('the publish branch of a project', () => {
  it('is said to release nothing where there are no stages', () => {
    expect(load(project('publish: main')).notes).toEqual([expect.stringMatching(/slipway\.yaml:4 projects\.shop\.publish releases nothing: shop has no stages$/)]);
    expect(load(project('publish: main\nstages: { dev: {} }')).notes).toEqual([]);
  });

  it.each(['a b', 'a..b', 'x.lock', '/x'])('cannot be %j, which git takes for no branch', (name) => {
    expect(faultsOf(project(`publish: "${name}"\nstages: { dev: {} }`))).toEqual([`slipway.yaml:4 projects.shop.publish can be no branch: “${name}” is not a name that git takes`]);
  });
});

it.each([
  ['projects:\n  shop: {}\n  shop: {}\n', 'slipway.yaml:3 shop is given twice: give each key once'],
  ['"a b": 1\n"a b": 2\n', 'slipway.yaml:2 "a b" is given twice: give each key once'],
  ['idle: { stop: 5m, stop: 6m }\n', 'slipway.yaml:1 stop is given twice: give each key once'],
])('%j: the key that is given twice is named', (text, fault) => {
  expect(faultsOf(text)).toContain(fault);
});
