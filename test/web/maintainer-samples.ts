import { shortHash, toMoment } from '../../src/web/format.js';
import type { ControlPages } from '../../src/web/page-models.js';
import type { PageFrame, Pagination } from '../../src/web/page-parts.js';

type MaintainerPages = Pick<ControlPages, 'application-log' | 'status' | 'local-images' | 'debug'>;

const NOW = Date.UTC(2026, 2, 1, 14, 5, 9);
const HASH = '4f2a9c0be1d35a7788e0c6d1f0b9a3e2c4d5f607';
const STATES = ['running', 'sleeping', 'building', 'pending', 'starting', 'stopped', 'error', 'unknown'] as const;
const ago = (seconds: number) => toMoment(NOW - seconds * 1_000, NOW);

const frame = (project: string, currentUrl: string): PageFrame => ({
  project, homeUrl: '/', assetsUrl: '/assets', currentUrl, links: [{ text: 'Branches', url: '/' }, { text: 'Images', url: '/localimages' }, { text: 'Debug', url: '/debug' }],
});
const BARE_FRAME: PageFrame = { project: null, homeUrl: '/', assetsUrl: '/assets', links: [], currentUrl: null };
const MIDDLE: Pagination = { page: 2, pages: 4, total: 187, previousUrl: '/?page=1', nextUrl: '/?page=3' };
const ONLY: Pagination = { page: 1, pages: 1, total: 0, previousUrl: null, nextUrl: null };

/** The maintainers' pages with everything set; `text` stands wherever outsiders choose the words. */
export function fullMaintainerPages(text: string): MaintainerPages {
  const choices = [{ value: '', text: 'all', chosen: false }, { value: 'error', text: 'error', chosen: true }];
  const search = { query: text, url: '/status' };
  return {
    'application-log': {
      frame: frame(text, '/log'), jsonUrl: '/log?format=json', levels: choices, search, pagination: MIDDLE,
      records: (['info', 'error', 'warn', 'debug'] as const).map((level, index) => ({
        at: ago(index * 60), level, message: text, fields: [{ name: 'commit', value: HASH }, { name: text, value: text }],
      })),
    },
    status: {
      frame: frame(text, '/status'), jsonUrl: '/status?format=json', states: choices, search, pagination: MIDDLE, lookedAt: 2_000,
      previews: STATES.map((state) => ({
        project: text, label: text, name: text, url: 'http://branch-main.localhost:3000/', pageUrl: '/previews/branch-main', isStage: true, word: 'Ready', state,
        branch: text, shortHash: shortHash(HASH), release: 'v12', environment: text, since: ago(95), lastError: text,
      })),
    },
    'local-images': fullImages(text),
    debug: fullDebug(text),
  };
}

function fullImages(text: string): MaintainerPages['local-images'] {
  const list = { shown: [{ text, url: '/?branch=a%3Cb' }, { text: 'main', url: '/' }], more: 3 };
  const image = {
    id: `sha256:${'ab'.repeat(32)}`, shortId: 'abababababab', project: text, tags: [text, `slipway/shop:${HASH}`], commits: list, branches: list, uses: list,
    running: ['v3'], releases: 7, shortKey: 'c0ffeec0ffee', size: '123.4 MiB', createdAt: ago(86_400), lastUsedAt: ago(60),
  };
  return {
    frame: frame(text, '/localimages'), search: { query: text, url: '/localimages' }, pagination: MIDDLE, size: '1.5 GiB', jsonUrl: '/localimages?format=json',
    images: [{ ...image, deleteUrl: '/confirm?action=remove-image&image=abab', kept: null }, { ...image, deleteUrl: null, kept: text }],
  };
}

function fullDebug(text: string): MaintainerPages['debug'] {
  const facts = [{ name: text, value: text }, { name: 'Load', value: '0.1 · 0.2 · 0.3' }];
  const fault = { message: text, since: ago(300) };
  return {
    frame: frame(text, '/debug'), at: ago(0), jsonUrl: '/debug?format=json', machine: facts, process: facts, engine: { facts, warnings: [text, 'Another.'], error: text },
    protections: (['holds', 'missing', 'unclear'] as const).map((holds) => ({ name: text, holds, detail: text })),
    queue: { facts, builds: [{ project: text, id: 'b_1', url: '/builds/b_1', source: text, state: 'building', position: null }, { project: text, id: 'b_2', url: '/builds/b_2', source: text, state: 'queued', position: 1 }] },
    bounds: [{ name: 'Requests held', now: '3', most: '5000' }], failures: { count: 2, last: [{ at: ago(9_000), origin: 'unhandledRejection', message: text }] },
    loops: [{ name: text, period: '30 s', lastAt: ago(12), took: '0.1 s', passes: 7, failures: 1, lastError: { at: ago(100), message: text } }],
    mirrors: [{ project: text, repository: text, refreshedAt: ago(30), branches: 12, tags: 3, fault }],
  };
}

/** The same with as little as their types allow. */
export function bareMaintainerPages(): MaintainerPages {
  const search = { query: '', url: '/' };
  return {
    'application-log': { frame: BARE_FRAME, records: [], jsonUrl: '/log', levels: [{ value: '', text: 'all', chosen: true }], search, pagination: ONLY },
    status: { frame: BARE_FRAME, previews: [], jsonUrl: '/status', states: [{ value: '', text: 'all', chosen: true }], search, pagination: ONLY, lookedAt: null },
    'local-images': { frame: BARE_FRAME, images: [], search, pagination: ONLY, size: '0 B', jsonUrl: '/localimages' },
    debug: {
      frame: BARE_FRAME, at: ago(0), jsonUrl: '/debug', machine: [], process: [], engine: { facts: [], warnings: [], error: null }, protections: [],
      queue: { facts: [], builds: [] }, bounds: [], failures: { count: 0, last: [] },
      loops: [{ name: 'fetch shop', period: '1 min', lastAt: null, took: null, passes: 0, failures: 0, lastError: null }],
      mirrors: [{ project: 'shop', repository: '/srv/shop', refreshedAt: null, branches: 0, tags: 0, fault: null }],
    },
  };
}
