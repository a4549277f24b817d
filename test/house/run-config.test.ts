import type { RunConfig } from '../../src/domain/release.js';
import { faultsOf, load, project } from './written-config.js';

const WHERE = 'slipway.yaml:4 projects.shop.run';

/** What `run:` of a project comes to. */
const read = (run: string): RunConfig | undefined => load(project(`run: ${run}`)).projects[0]?.run;
const refuse = (run: string): readonly string[] => faultsOf(project(`run: ${run}`));

const TIMES = { everyMs: 10_000, timeoutMs: 5_000, unhealthyMs: 30_000 };
const HEALTHZ = { kind: 'http', method: 'GET', path: '/healthz', status: 200 };

describe('run.health', () => {
  it.each<[string, unknown]>([
    ['GET /healthz 200', { test: HEALTHZ, ...TIMES }],
    ['"HEAD / 204"', { test: { kind: 'http', method: 'HEAD', path: '/', status: 204 }, ...TIMES }],
    ['tcp', { test: { kind: 'tcp' }, ...TIMES }],
    ['{ test: tcp }', { test: { kind: 'tcp' }, ...TIMES }],
    ['{ test: GET /healthz 200, every: 2s, timeout: 500ms, unhealthy: 1m }', { test: HEALTHZ, everyMs: 2_000, timeoutMs: 500, unhealthyMs: 60_000 }],
    ['{ test: { front: GET /healthz 200 }, every: 3s }', { test: HEALTHZ, ...TIMES, everyMs: 3_000 }],
  ])('P8: reads %s', (text, health) => { expect(read(`{ health: ${text} }`)).toMatchObject({ health }); });

  it.each([
    ['GET healthz 200', '“GET healthz 200” is not a health line; write GET /healthz 200, HEAD / 204 or tcp'],
    ['GET /healthz', '“GET /healthz” is not a health line; write GET /healthz 200, HEAD / 204 or tcp'],
    ['POST / 200', '“POST / 200” is not a health line; write GET /healthz 200, HEAD / 204 or tcp'],
    ['200', '“200” is not a health line; write GET /healthz 200, HEAD / 204 or tcp'],
    ['[tcp]', '“["tcp"]” is not a health line; write GET /healthz 200, HEAD / 204 or tcp'],
    ['{ test: [tcp] }', '“["tcp"]” is not a health line; write GET /healthz 200, HEAD / 204 or tcp'],
    ['{ test: {} }', '“{}” is not a health line; write GET /healthz 200, HEAD / 204 or tcp'],
    ['{ test: { front: tcp, back: tcp } }', 'has 2 tests, and can have one; write { front: GET /healthz 200 }'],
    ['{ every: 10s }', 'must have a test; write { test: GET /healthz 200 }'],
    ['{ test: tcp, evry: 10s }', 'has no key “evry”; write { test: GET /healthz 200, every: 10s, timeout: 5s, unhealthy: 30s }'],
    ['{ test: tcp, every: soon }', 'every “soon” is not a duration; write 500ms, 30s, 5m or 1h, 24d at most'],
    ['{ test: tcp, unhealthy: 0s }', 'unhealthy “0s” is not a duration; write 500ms, 30s, 5m or 1h, 24d at most'],
  ])('P8: refuses %s, and shows what is right', (text, fault) => { expect(refuse(`{ health: ${text} }`)).toEqual([`${WHERE}.health ${fault}`]); });
});

describe('run.processes', () => {
  it('X4p: reads names with commands; web is the image’s own and needs no saying', () => {
    expect(read('{ processes: { web: null, worker: [npm, run, worker], cron-1: [sleep, 5] } }')).toMatchObject({ processes: { 'worker': ['npm', 'run', 'worker'], 'cron-1': ['sleep', '5'] } });
    expect(read('{ processes: { worker: [worker] } }')).toMatchObject({ processes: { worker: ['worker'] } });
  });

  it.each([
    ['worker', 'must be names with commands, such as { web: null, worker: [npm, run, worker] }'],
    ['[worker]', 'must be names with commands, such as { web: null, worker: [npm, run, worker] }'],
    ['{ web: [node] }', 'web is the image’s own command: write web: null, and change the command in the Dockerfile'],
    ['{ worker: npm run worker }', 'worker must be a list of words; write worker: [npm, run, worker]'],
    ['{ worker: }', 'worker must be a list of words; write worker: [npm, run, worker]'],
    ['{ worker: [] }', 'worker must be a list of words; write worker: [npm, run, worker]'],
    ['{ worker: [""] }', 'worker must be a list of words; write worker: [npm, run, worker]'],
    ['{ worker: [npm, { run: worker }] }', 'worker must be a list of words; write worker: [npm, run, worker]'],
    ['{ worker: ["a\\0b"] }', 'worker must be a list of words; write worker: [npm, run, worker]'],
    ['{ Worker: [a] }', '“Worker” is not the name of a process; use a-z, 0-9 and inner hyphens, 20 at most'],
    ['{ a.b: [a] }', '“a.b” is not the name of a process; use a-z, 0-9 and inner hyphens, 20 at most'],
    ['{ ../x: [a] }', '“../x” is not the name of a process; use a-z, 0-9 and inner hyphens, 20 at most'],
    ['{ -a: [a] }', '“-a” is not the name of a process; use a-z, 0-9 and inner hyphens, 20 at most'],
    ['{ abcdefghij0123456789x: [a] }', '“abcdefghij0123456789x” is not the name of a process; use a-z, 0-9 and inner hyphens, 20 at most'],
  ])('X4p: refuses %s', (text, fault) => { expect(refuse(`{ processes: ${text} }`)).toEqual([`${WHERE}.processes ${fault}`]); });
});

it('X9c: a configuration that says neither is, to the last byte, what it was before there was either', () => {
  const plain = { port: 80, readyTimeoutMs: 60_000, stopTimeoutMs: 10_000, memoryBytes: 536_870_912, cpus: 1, pids: 256, profile: 'compat', env: {} };
  expect(read('{ port: 80 }')).toStrictEqual(plain);
  expect(read('{ port: 80, processes: { web: null } }')).toStrictEqual(plain);
});
