import { shortHash, toMoment } from '../../src/web/format.js';
import type { CommitView } from '../../src/web/page-parts.js';
import type { ReleaseRow, ReleasesPage, StageView } from '../../src/web/release-models.js';

const NOW = Date.UTC(2026, 2, 1, 14, 5, 9);
const HASH = '4f2a9c0be1d35a7788e0c6d1f0b9a3e2c4d5f607';
const ago = (seconds: number) => toMoment(NOW - seconds * 1_000, NOW);
const commit = (text: string): CommitView => ({ hash: HASH, shortHash: shortHash(HASH), subject: text, author: text, at: ago(7_300) });

/** As little as a stage may be. */
export const BARE_STAGE: StageView = { name: 'prod', url: 'http://prod.localhost:3000/', pageUrl: null, state: 'unknown', release: null, made: null, commit: null, since: null, coming: null, problem: null, back: null, next: null };

/** Stages with everything set; `text` stands wherever outsiders choose the words. */
export function fullStages(text: string): StageView[] {
  const stage: StageView = {
    name: text, url: 'http://dev.localhost:3000/', pageUrl: '/previews/dev', state: 'running', release: 'v7', made: { reason: 'rollback to v2', by: text }, commit: commit(text), since: ago(4_000), coming: 'v8',
    problem: { title: text, message: text, outcome: 'v7 serves on.', at: ago(20), log: { release: 'v8', url: '/api/projects/shop/releases/v8/log' } },
    back: { release: 'v5', commit: commit(text), isSameImage: false, url: '/confirm?action=roll-back&route=dev' }, next: { name: text, url: '/confirm?action=promote&stage=test' },
  };
  return [stage, { ...stage, next: { name: text, url: null } }, { ...stage, state: 'error', next: null, coming: null, commit: null, back: { release: 'v5', commit: null, isSameImage: true, url: '/confirm' } }];
}

function fullRow(text: string): ReleaseRow {
  return {
    id: 'v12', project: text, route: { label: text, name: text, environment: text, url: '/previews/dev' }, reason: 'rollback to v2', by: text, at: ago(90), commit: commit(text),
    image: `sha256:${'ab'.repeat(32)}`, shortImage: 'abababababab', buildUrl: '/builds/b_1', logUrl: '/api/projects/shop/releases/v12/log', serving: 'serves',
    env: [{ name: text, change: 'changed' }, { name: 'API', change: null }], secrets: [{ name: text, value: 'c0ffee00', change: 'new' }], gone: [text], settings: [{ name: 'Memory', value: '512 MiB' }, { name: text, value: text }],
  };
}

export function fullReleases(text: string): ReleasesPage {
  const row = fullRow(text);
  return {
    frame: { project: text, homeUrl: '/', assetsUrl: '/assets', currentUrl: '/releases', links: [{ text: 'Branches', url: '/' }, { text: 'Releases', url: '/releases' }] },
    projects: [{ project: text, heading: text, stages: fullStages(text), publish: text }, { project: text, heading: text, stages: [{ ...BARE_STAGE, name: text }], publish: text }, { project: text, heading: text, stages: [], publish: null }],
    releases: [row, { ...row, serving: 'current', commit: null }, { ...row, serving: null, buildUrl: null }], search: { query: text, url: '/releases' },
    routes: [{ value: '', text: 'all routes', chosen: false }, { value: text, text, chosen: true }],
    pagination: { page: 2, pages: 4, total: 187, previousUrl: '/releases?page=1', nextUrl: '/releases?page=3' }, jsonUrl: '/releases?format=json',
  };
}

export const BARE_RELEASES: ReleasesPage = {
  frame: { project: null, homeUrl: '/', assetsUrl: '/assets', links: [], currentUrl: null }, projects: [{ project: 'shop', heading: null, stages: [], publish: null }], releases: [],
  search: { query: '', url: '/releases' }, routes: [{ value: '', text: 'all routes', chosen: true }], pagination: { page: 1, pages: 1, total: 0, previousUrl: null, nextUrl: null }, jsonUrl: '/releases?format=json',
};
