import fc from 'fast-check';
import { createHostReader, normalizeHost } from '../../src/domain/hosts.js';
import { parseEnvironmentName } from '../../src/domain/ids.js';
import type { Project } from '../../src/domain/project.js';
import { processorMs } from '../support/processor-time.js';
import { sampleProject } from '../support/sample-project.js';

const HASH = 'a1b2c3d4e5'.repeat(4);

const project = (name: string): Project => sampleProject(name, { environments: new Map([[parseEnvironmentName('jet-pack'), { env: {} }]]), stages: new Map([['dev', { env: {} }]]) });

const shop = project('shop');
const blog = project('blog');
const alone = createHostReader({ serverHost: 'pv.localhost', projects: [shop] });
const both = createHostReader({ serverHost: 'pv.localhost', projects: [shop, blog] });

describe('A12, A15: a Host header, with one project', () => {
  it.each([
    [`hash-${HASH}.pv.localhost`, 'preview'],
    [`HASH-${HASH.toUpperCase()}.PV.LOCALHOST`, 'preview'],
    [`hash-${HASH}.pv.localhost.`, 'preview'],
    [`hash-${HASH}.pv.localhost:3000`, 'preview'],
    [`hash-${HASH}.pv.localhost.:3000`, 'preview'],
    [`hash-${HASH}.shop.pv.localhost`, 'preview'],
    ['branch-main.pv.localhost', 'preview'],
    ['jet-pack-branch-main.pv.localhost', 'preview'],
    ['dev.pv.localhost', 'preview'],
    ['pv.localhost', 'control'],
    ['PV.localhost:80', 'control'],
    ['shop.pv.localhost', 'control'],
    ['x.pv.localhost', 'nothing'],
    ['blog.pv.localhost', 'nothing'],
    ['hash-abc.pv.localhost', 'nothing'],
    [`x.hash-${HASH}.pv.localhost`, 'nothing'],
    [`hash-${HASH}.hash-${HASH}.pv.localhost`, 'nothing'],
    [`hash-${HASH}.pv.localhost.evil.com`, 'unknown'],
    [`hash-${HASH}.evilpv.localhost`, 'unknown'],
    ['evilpv.localhost', 'unknown'],
    ['evil.com', 'unknown'],
    ['localhost', 'unknown'],
    [`hash-${HASH}.localhost`, 'unknown'],
    [`${'a'.repeat(64)}.pv.localhost`, 'unknown'],
    [`user@hash-${HASH}.pv.localhost`, 'unknown'],
    ['evil.com:x@pv.localhost', 'unknown'],
    ['pv.localhost/../x', 'unknown'],
    ['pv.localhost:3000:3000', 'unknown'],
    ['pv.localhost, evil.com', 'unknown'],
    ['pv..localhost', 'unknown'],
    ['.pv.localhost', 'unknown'],
    ['pv.localhost\0', 'unknown'],
    ['pv.localhost\n', 'unknown'],
    ['*.pv.localhost', 'unknown'],
    ['', 'unknown'],
    [undefined, 'unknown'],
    ['__proto__', 'unknown'],
    ['127.0.0.1', 'address'],
    ['127.0.0.1:3000', 'address'],
    ['[::1]:3000', 'address'],
    ['[::1]', 'address'],
    ['[::ffff:127.0.0.1]', 'address'],
    ['::1', 'unknown'],
    ['[]', 'unknown'],
    ['2130706433', 'unknown'],
    ['127.1', 'unknown'],
    [`hash-${HASH}.127.0.0.1`, 'unknown'],
  ])('%j stands for: %s', (header, kind) => { expect(alone.read(header).kind).toBe(kind); });

  it('has equal readings for every spelling of one host', () => {
    const spellings = [`jet-pack-hash-${HASH}.pv.localhost`, `Jet-Pack-HASH-${HASH}.pv.LOCALHOST:3000`, `jet-pack-hash-${HASH}.pv.localhost.`];
    const expected = {
      kind: 'preview', host: `jet-pack-hash-${HASH}.pv.localhost`, projectHost: 'pv.localhost', project: shop,
      name: { kind: 'commit', hash: HASH, environment: 'jet-pack' },
    };
    expect(spellings.map((header) => alone.read(header))).toEqual([expected, expected, expected]);
  });

  it('serves the only project on the server host and on its own', () => {
    expect(alone.hostsOf(shop)).toEqual(['pv.localhost', 'shop.pv.localhost']);
    expect([alone.read('pv.localhost'), alone.read('shop.pv.localhost')]).toEqual([
      { kind: 'control', host: 'pv.localhost', project: shop }, { kind: 'control', host: 'shop.pv.localhost', project: shop },
    ]);
    expect(alone.read(`hash-${HASH}.shop.pv.localhost`)).toMatchObject({ projectHost: 'shop.pv.localhost', project: shop });
  });
});

describe('a Host header, with several projects', () => {
  it('finds each on its own host and nobody’s on the server host', () => {
    expect(both.hostsOf(blog)).toEqual(['blog.pv.localhost']);
    expect(both.read('pv.localhost')).toEqual({ kind: 'control', host: 'pv.localhost', project: null });
    expect(both.read('branch-main.blog.pv.localhost')).toMatchObject({ kind: 'preview', project: blog, projectHost: 'blog.pv.localhost' });
    expect(both.read('branch-main.shop.pv.localhost')).toMatchObject({ kind: 'preview', project: shop });
    expect(both.read('x.pv.localhost')).toEqual({ kind: 'unknown' });
  });
});

it('serves control pages under an address when the server host is one', () => {
  const reader = createHostReader({ serverHost: '[::1]', projects: [shop] });
  expect([reader.read('[::1]:3000').kind, reader.read('[::2]:3000').kind]).toEqual(['control', 'address']);
});

describe('a host in its one form', () => {
  it('is lower case, without port and without a last dot, however it was written', () => {
    fc.assert(fc.property(fc.stringMatching(/^[a-z0-9-]{1,20}(\.[a-z0-9-]{1,20}){0,4}$/), fc.nat(65_535), fc.boolean(), (host, port, dot) => {
      expect(normalizeHost(`${host.toUpperCase()}${dot ? '.' : ''}:${port}`)).toBe(host);
      expect(normalizeHost(host)).toBe(host);
    }));
  });

  it('is the same when it is made again, whatever came in', () => {
    fc.assert(fc.property(fc.string(), (header) => {
      const host = normalizeHost(header);
      if (host !== undefined) expect(normalizeHost(host)).toBe(host);
    }));
  });

  it('A16: refuses 16,000 bytes of labels without looking at them', async () => {
    const long = 'a.'.repeat(8_000);
    expect(await processorMs(() => { for (let round = 0; round < 200; round += 1) expect(alone.read(long)).toEqual({ kind: 'unknown' }); })).toBeLessThan(1_000);
  });
});

describe('a project with a host of its own', () => {
  const own = sampleProject('shop', { host: 'shop.example.com' });

  it('is found there, and there only while there are others', () => {
    const reader = createHostReader({ serverHost: 'pv.localhost', projects: [own, blog] });
    expect(reader.hostsOf(own)).toEqual(['shop.example.com']);
    expect(reader.read('branch-main.shop.example.com')).toMatchObject({ kind: 'preview', project: own, projectHost: 'shop.example.com' });
    expect(reader.read('SHOP.example.com:443')).toEqual({ kind: 'control', host: 'shop.example.com', project: own });
    expect(reader.read('shop.pv.localhost')).toEqual({ kind: 'unknown' });
  });

  it('is found on the server host as well when it is the only one, its own first', () => {
    const reader = createHostReader({ serverHost: 'pv.localhost', projects: [own] });
    expect(reader.hostsOf(own)).toEqual(['shop.example.com', 'pv.localhost']);
    expect(reader.read('branch-main.pv.localhost')).toMatchObject({ kind: 'preview', project: own });
    expect(createHostReader({ serverHost: 'shop.example.com', projects: [own] }).hostsOf(own)).toEqual(['shop.example.com']);
  });
});

describe('a preview below the server host, with several projects', () => {
  it('belongs to one of them, in whichever environment any has', () => {
    expect(both.read(`hash-${HASH}.pv.localhost`)).toEqual({ kind: 'elsewhere', host: `hash-${HASH}.pv.localhost`, name: { kind: 'commit', hash: HASH, environment: null } });
    expect(both.read('JET-PACK-branch-main.pv.localhost:3000')).toEqual({ kind: 'elsewhere', host: 'jet-pack-branch-main.pv.localhost', name: { kind: 'branch', slug: 'main', environment: 'jet-pack' } });
  });

  it.each(['dev.pv.localhost', 'run-x.pv.localhost', 'container-x.pv.localhost', 'other-hash-abcd.pv.localhost', `x.hash-${HASH}.pv.localhost`])('is not %s', (host) => {
    expect(both.read(host)).toEqual({ kind: 'unknown' });
  });
});
