import fc from 'fast-check';
import { parseEnvironmentName } from '../../src/domain/ids.js';
import { nearestNames } from '../../src/domain/nearest.js';
import { fileConfigFor } from '../../src/domain/project.js';
import { canonicalJson, hashConfig, type RunConfig } from '../../src/domain/release.js';
import { parseDuration, parseSize } from '../../src/domain/units.js';
import { createUrls } from '../../src/domain/urls.js';
import { sampleProject } from '../support/sample-project.js';

const RUN: RunConfig = { port: 3000, readyTimeoutMs: 1, stopTimeoutMs: 2, memoryBytes: 3, cpus: 1, pids: 5, profile: 'compat', env: { B: '2', A: '1' } };

describe('the nearest names', () => {
  const BRANCHES = ['main', 'maintenance', 'feature/cart', 'feature/card', 'Fix/Login', 'release/2024', 'zzz'];

  it.each([
    ['mian', ['main']],
    ['feature/cart', ['feature/cart', 'feature/card']],
    ['fix/login', ['Fix/Login']],
    ['cart', ['feature/cart']],
    ['2024', ['release/2024']],
    ['completely-different-name', []],
  ])('to %s begin with %j', (wanted, expected) => { expect(nearestNames(wanted, BRANCHES).slice(0, Math.max(expected.length, 1))).toEqual(expected); });

  it('are five at most, or as many as asked for, in the same order each time', () => {
    const names = Array.from({ length: 40 }, (_, index) => `branch-${String(index).padStart(2, '0')}`);
    expect(nearestNames('branch-', names)).toEqual(['branch-00', 'branch-01', 'branch-02', 'branch-03', 'branch-04']);
    expect(nearestNames('branch-', names.toReversed(), 2)).toEqual(['branch-00', 'branch-01']);
  });

  it('are found among 10,000 long names, however long the question', () => {
    const names = Array.from({ length: 10_000 }, (_, index) => `${'x'.repeat(200)}${index}`);
    expect(nearestNames('x'.repeat(100_000), names)).toHaveLength(5);
    expect(nearestNames('', names)).toEqual([]);
  });
});

describe('a duration', () => {
  it.each([['500ms', 500], ['30s', 30_000], ['5m', 300_000], ['1h', 3_600_000], ['2d', 172_800_000], ['1.5h', 5_400_000], [' 10 s ', 10_000], ['0s', 0]])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '5', 's', '-5s', '5 S', '1e3s', '1,5h', '5m30s', '0x5s', 'NaNs', '5constructor', '5toString', `${'9'.repeat(400)}d`, `${'9'.repeat(15)}d`])('%j is none', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});

describe('a size', () => {
  it.each([['512MiB', 536_870_912], ['1GiB', 1_073_741_824], ['200MB', 200_000_000], ['1.5KiB', 1_536], ['7B', 7]])('%s is %d bytes', (text, bytes) => { expect(parseSize(text)).toBe(bytes); });
  it.each(['', '512', '512mib', '5s', '-1GiB', '1TiB', `${'9'.repeat(30)}GiB`])('%j is none', (text) => { expect(parseSize(text)).toBeUndefined(); });
});

describe('URLs', () => {
  it.each([
    ['http://localhost:3000', 'http://hash-abcd.localhost:3000/x?y=1', 'hash-abcd.localhost:3000'],
    ['https://preview.example.com', 'https://hash-abcd.localhost/x?y=1', 'hash-abcd.localhost'],
    ['http://preview.example.com:80', 'http://hash-abcd.localhost/x?y=1', 'hash-abcd.localhost'],
  ])('below %s are %s', (base, url, authority) => {
    const urls = createUrls(() => new URL(base));
    expect([urls.at('hash-abcd.localhost', '/x?y=1'), urls.authority('hash-abcd.localhost')]).toEqual([url, authority]);
    expect([urls.serverHost, urls.secure]).toEqual([new URL(base).hostname, base.startsWith('https:')]);
  });

  it('follow the port that is known only once the server listens', () => {
    let base = new URL('http://localhost:0');
    const urls = createUrls(() => base);
    base = new URL('http://localhost:4711');
    expect(urls.at('localhost')).toBe('http://localhost:4711/');
  });

  it('lead to a preview’s own host, and to the control plane on its project’s', () => {
    const urls = createUrls(() => new URL('http://localhost:3000'));
    expect([urls.preview('hash-abcd', 'shop.localhost', '/x?y=1'), urls.preview('hash-abcd', 'shop.localhost', '')]).toEqual(['http://hash-abcd.shop.localhost:3000/x?y=1', 'http://hash-abcd.shop.localhost:3000']);
    expect(urls.control('shop.localhost', '/builds/b_1')).toBe('http://shop.localhost:3000/builds/b_1');
  });

  it('D3: name the preview and put the control plane aside where all is on one host', () => {
    const urls = createUrls(() => new URL('http://localhost:3000'), 'session');
    expect(['/x?y=1', '/x', ''].map((path) => urls.preview('hash-abcd', 'localhost', path))).toEqual([
      'http://localhost:3000/x?y=1&__slipway=hash-abcd', 'http://localhost:3000/x?__slipway=hash-abcd', 'http://localhost:3000/?__slipway=hash-abcd',
    ]);
    expect(urls.control('localhost', '/builds/b_1')).toBe('http://localhost:3000/__slipway/builds/b_1');
  });

  it('A13, A19: keep path and query to the byte', () => {
    const urls = createUrls(() => new URL('http://localhost:3000'));
    for (const path of ['//evil.com/', '/a%2Fb//c?x=1&x=2&y=a+b', '/%E0%A4%A']) expect(urls.at('h.localhost', path)).toBe(`http://h.localhost:3000${path}`);
  });
});

describe('the settings a release is frozen with', () => {
  it('have one hash for one meaning, in whatever order they are written', () => {
    expect(hashConfig(RUN)).toMatch(/^[0-9a-f]{64}$/);
    expect(hashConfig({ ...RUN, env: { A: '1', B: '2' } })).toBe(hashConfig(RUN));
    expect(hashConfig({ ...RUN, env: { A: '1', B: '3' } })).not.toBe(hashConfig(RUN));
    expect(hashConfig({ ...RUN, port: null })).not.toBe(hashConfig(RUN));
  });

  it('are written in an order of their own and read back unchanged', () => {
    expect(canonicalJson({ b: [{ d: 1, c: null }], a: 'x' })).toBe('{"a":"x","b":[{"c":null,"d":1}]}');
    fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const turned = Object.fromEntries(Object.entries(value).reverse());
      expect(canonicalJson(turned)).toBe(canonicalJson(value));
      expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }));
  });

  it('are the project’s own, changed by the environment it is opened in', () => {
    const jetpack = parseEnvironmentName('jetpack');
    const project = sampleProject('shop', { run: RUN, environments: new Map([[jetpack, { env: { B: 'jet', C: '3' } }]]) });
    expect(fileConfigFor(project, { kind: 'project' })).toBe(RUN);
    expect(fileConfigFor(project, { kind: 'environment', name: parseEnvironmentName('other') })).toBe(RUN);
    expect(fileConfigFor(project, { kind: 'environment', name: jetpack })).toEqual({ ...RUN, env: { A: '1', B: 'jet', C: '3' } });
  });
});
