import type { PreviewPages } from '../../src/serve/waiting-models.js';
import { formatEta, shortHash, shortKey, toMoment } from '../../src/web/format.js';
import type { CommitView, ControlPages, PageFrame } from '../../src/web/page-models.js';
import { bareMaintainerPages, fullMaintainerPages } from './maintainer-samples.js';
import { BARE_RELEASES, BARE_STAGE, fullReleases, fullStages } from './release-samples.js';

/** Every page with everything set, and with as little as its type allows. `text` stands wherever outsiders choose the words. */
export type AllPages = ControlPages & PreviewPages;

const NOW = Date.UTC(2026, 2, 1, 14, 5, 9);
const HASH = '4f2a9c0be1d35a7788e0c6d1f0b9a3e2c4d5f607';
const ago = (seconds: number) => toMoment(NOW - seconds * 1_000, NOW);

const frame = (project: string): PageFrame => ({
  project, homeUrl: '/', assetsUrl: '/assets', currentUrl: '/',
  links: [{ text: 'Branches', url: '/' }, { text: 'Status', url: '/status' }, { text: 'Log', url: '/log' }],
});
const BARE_FRAME: PageFrame = { project: null, homeUrl: '/', assetsUrl: '/assets', links: [], currentUrl: null };

const commit = (subject: string, author: string): CommitView => ({ hash: HASH, shortHash: shortHash(HASH), subject, author, at: ago(7_300) });
const BARE_COMMIT: CommitView = { hash: HASH, shortHash: shortHash(HASH), subject: null, author: null, at: null };

const output = (text: string) => [
  { n: 1, at: '2026-03-01T14:04:01.120Z', text: '#1 [internal] load build definition from Dockerfile' },
  { n: 2, at: '2026-03-01T14:04:02.480Z', text: '#5 [2/4] COPY package.json package-lock.json ./', stream: 'stdout' as const },
  { n: 3, at: '2026-03-01T14:04:09.010Z', text: '#6 [3/4] RUN npm ci' },
  { n: 4, at: '2026-03-01T14:04:31.870Z', text, stream: 'stderr' as const },
  { n: 5, at: '2026-03-01T14:04:33.002Z', text: `#6 22.91 ${'node_modules/a-very-long-path/'.repeat(12)}` },
];
const problem = (text: string) => ({ title: 'The build failed', message: text, remedy: 'Read the log, correct the branch and push, or build again.' });
const subject = (text: string) => ({ project: text, branch: text, commit: HASH, image: null, subject: text, environment: text });
const BARE_SUBJECT = { project: 'shop', branch: null, commit: null, image: null, subject: null, environment: null };

export function fullPages(text: string): AllPages {
  return { ...fullProject(text), ...fullBuild(text), ...fullOthers(text), ...fullMaintainerPages(text), ...fullPreviewPages(text), releases: fullReleases(text) };
}

function fullProject(text: string): Pick<AllPages, 'projects' | 'project'> {
  const states = ['running', 'sleeping', 'building', 'pending', 'starting', 'stopped', 'error', 'unknown'] as const;
  return {
    projects: {
      frame: frame(text), queue: { building: 2, waiting: 5 }, search: { query: text, url: '/' }, total: 2,
      projects: [null, text].map((fault) => ({
        name: text, url: 'http://shop.localhost:3000/', repository: { text, url: null }, branches: 187, running: 3,
        newest: { name: text, subject: text, at: ago(95) }, fault,
      })),
    },
    project: {
      frame: frame(text), project: text,
      repository: { text, url: 'https://git.example.com/acme/shop.git' },
      staleRefs: { message: text, since: ago(420) },
      queue: { building: 2, waiting: 5 }, stages: fullStages(text), releasesUrl: '/releases',
      running: (['running', 'sleeping'] as const).map((state) => ({
        label: text, url: 'http://branch-main.localhost:3000/', pageUrl: '/previews/branch-main', branch: text,
        image: text, commit: commit(text, text), release: 'v12', environment: text, state, since: ago(95),
      })),
      search: { query: text, url: '/' },
      branches: states.map((state, index) => ({
        name: `${text}${index === 0 ? '' : `-${index}`}`, commit: commit(text, text), state,
        openUrl: '/?branch=a%3Cb', buildUrl: index % 3 === 0 ? null : '/builds/b_1',
      })),
      pagination: { page: 2, pages: 4, total: 187, previousUrl: '/?page=1', nextUrl: '/?page=3' },
    },
  };
}

function fullBuild(text: string): Pick<AllPages, 'build' | 'preview'> {
  const log = { lines: output(text), eventsUrl: '/api/builds/b_1/events', textUrl: '/api/builds/b_1/log' };
  return {
    build: {
      frame: frame(text), id: 'b_1', status: 'failed', image: null, commit: commit(text, text), branches: [text, `${text}-2`],
      shortKey: shortKey('c0ffee'.repeat(11)), noCache: true, attempt: 2, queuedAt: ago(200), startedAt: ago(180), finishedAt: ago(100),
      duration: '1 min 20 s', queue: { position: 3, eta: formatEta(100) }, error: problem(text),
      reusedFrom: { text, url: '/builds/b_0' }, log, openUrl: '/?hash=4f2a', cancelUrl: '/confirm?action=cancel-build&build=b_1', againUrl: '/confirm?action=reset&hash=4f2a',
    },
    preview: {
      frame: frame(text), label: text, url: 'http://branch-main.localhost:3000/', state: 'running', branch: text,
      image: text, commit: commit(text, text), release: 'v12', releasesUrl: '/releases?route=branch-main', environment: text, since: ago(3_700), lastError: { ...problem(text), at: ago(40) },
      log, processLogs: [{ text, url: '/api/previews/branch-main/log?process=worker' }], buildUrl: '/builds/b_1', restartUrl: '/confirm?action=restart&preview=branch-main',
      pullUrl: '/confirm?action=pull-image&preview=branch-main', deleteUrl: '/confirm?action=delete-preview&preview=branch-main',
    },
  };
}

function fullOthers(text: string): Pick<AllPages, 'error' | 'confirm'> {
  return {
    error: {
      frame: frame(text), status: 404, code: 'unknown_ref', title: text, message: text, remedy: text, requestId: text,
      nearest: [{ text, url: '/?branch=one' }, { text: 'main', url: '/?branch=main' }],
      candidates: [{ commit: commit(text, text), url: '/?hash=4f2a' }, { commit: BARE_COMMIT, url: '/?hash=4f2b' }],
      lastLines: [text, 'second'], links: [{ text: 'Project page', url: '/' }, { text, url: '/log' }],
    },
    confirm: {
      frame: frame(text), question: text, consequences: [text, 'Nothing else changes.'], actionUrl: '/reset',
      fields: [{ name: 'hash', value: text }], token: text, submitText: text, destructive: true, cancelUrl: '/',
    },
  };
}

function fullPreviewPages(text: string): PreviewPages {
  return {
    waiting: {
      ...subject(text), nonce: 'bm9uY2U=', state: 'building', queuePosition: 2, etaSeconds: 95, elapsedSeconds: 73,
      buildUrl: 'http://localhost:3000/builds/b_1', logUrl: 'http://localhost:3000/api/builds/b_1/log',
      lines: output(text), eventsUrl: '/__slipway/events', previous: { text, url: 'http://localhost:3000/?release=6' },
    },
    'preview-error': {
      ...subject(text), nonce: 'bm9uY2U=', status: 502, title: text, message: text, remedy: text, requestId: text,
      facts: [{ name: 'Exit code', value: '137' }, { name: text, value: text }], lastLines: [text, 'second'],
      links: [{ text: 'Start again', url: 'http://localhost:3000/confirm?action=restart' }, { text, url: 'http://localhost:3000/builds/b_1' }],
    },
  };
}

export function barePages(): AllPages {
  return {
    projects: { frame: BARE_FRAME, queue: { building: 0, waiting: 0 }, search: { query: '', url: '/' }, total: 0, projects: [] },
    project: {
      frame: BARE_FRAME, project: 'shop', repository: { text: '/srv/shop', url: null }, staleRefs: null, queue: { building: 0, waiting: 0 }, stages: [BARE_STAGE], releasesUrl: '/releases',
      running: [], search: { query: '', url: '/' }, branches: [], pagination: { page: 1, pages: 1, total: 0, previousUrl: null, nextUrl: null },
    },
    build: {
      frame: BARE_FRAME, id: 'b_1', status: 'queued', image: null, commit: null, branches: [], shortKey: '', noCache: false, attempt: 1,
      queuedAt: ago(0), startedAt: null, finishedAt: null, duration: null, queue: null, error: null, reusedFrom: null,
      log: { lines: [], eventsUrl: null, textUrl: null }, openUrl: null, cancelUrl: null, againUrl: null,
    },
    preview: {
      frame: BARE_FRAME, label: 'hash-4f2a', url: 'http://hash-4f2a.localhost/', state: 'unknown', branch: null, commit: null, release: null,
      releasesUrl: '/releases?route=hash-4f2a', image: null, environment: null, since: null, lastError: null, log: { lines: [], eventsUrl: null, textUrl: null }, processLogs: [], buildUrl: null, restartUrl: null, pullUrl: null, deleteUrl: null,
    },
    ...bareMaintainerPages(), releases: BARE_RELEASES,
    error: {
      frame: BARE_FRAME, status: 404, code: 'not_found', title: 'Nothing here', message: 'There is no page “/x”.', remedy: 'Go to the project page.',
      requestId: 'req1', nearest: [], candidates: [], lastLines: [], links: [],
    },
    confirm: {
      frame: BARE_FRAME, question: 'Restart the preview?', consequences: [], actionUrl: '/restart', fields: [], token: 't',
      submitText: 'Restart', destructive: false, cancelUrl: '/',
    },
    waiting: {
      ...BARE_SUBJECT, nonce: 'bm9uY2U=', state: 'unknown', queuePosition: null, etaSeconds: null, elapsedSeconds: 0,
      buildUrl: null, logUrl: null, lines: [], eventsUrl: '/__slipway/events', previous: null,
    },
    'preview-error': {
      ...BARE_SUBJECT, nonce: 'bm9uY2U=', status: 504, title: 'The application never got ready', message: 'Nothing listened on port 3000.',
      remedy: 'Let it listen on the configured port on all addresses.', requestId: 'req1', facts: [], lastLines: [], links: [],
    },
  };
}
