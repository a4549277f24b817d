/** Answers as the API gives them. */

export const COMMIT = 'c0ffee0123456789c0ffee0123456789c0ffee01';
export const OTHER = 'beef000123456789beef000123456789beef0001';
export const BUILD_ID = 'b_01HZZZZZZZZZZZZZZZZZZZZZZZ';
export const OTHER_BUILD = 'b_01HAAAAAAAAAAAAAAAAAAAAAAA';
export const KEY = 'ab'.repeat(32);
export const IMAGE = `sha256:${'12'.repeat(32)}`;

export const build = (more: object = {}): object => ({
  id: BUILD_ID, project: 'shop', commit: COMMIT, reference: null, key: KEY, status: 'succeeded', reusedFrom: null, image: IMAGE, attempt: 1, noCache: false, error: null,
  queuedAt: '2026-03-01T10:00:00.000Z', startedAt: '2026-03-01T10:00:01.000Z', finishedAt: '2026-03-01T10:00:09.000Z', queuePosition: null, etaSeconds: null, ...more,
});

export const stage = (name: string, more: object = {}): object => ({
  project: 'shop', stage: name, url: `http://${name}.shop.localhost:3000/`, status: 'running', release: 'v7', image: IMAGE, commit: COMMIT, previous: 'v5', lastError: null, restarts: 0, ...more,
});

export const release = (number: number, more: object = {}): object => ({
  project: 'shop', release: number, id: `v${number}`, createdAt: '2026-03-01T10:00:00.123Z', by: 'alice', reason: 'code', build: BUILD_ID, image: IMAGE, commit: COMMIT, sourceHash: KEY, version: null,
  config: { env: { API: 'https://x' }, secrets: {}, port: 3000 }, configHash: KEY, rollbackOf: null, parent: `v${number - 1}`, route: 'dev', ...more,
});

export const moved = (number: number, more: object = {}): object => ({ project: 'shop', route: 'dev', release: release(number, more), url: 'http://dev.shop.localhost:3000/', ms: 812 });

export const running = (label: string, more: object = {}): object => ({ label, status: 'running', release: 'v3', url: `http://${label}.shop.localhost:3000/`, restarts: 0, lastError: null, ...more });

export const health = (more: object = {}): object => ({ name: 'shop', status: 'ok', stages: [], previews: [], ...more });

export const preview = (more: object = {}): object => ({
  project: 'shop', commit: COMMIT, reference: null, environment: null, status: 'running', url: `http://hash-${COMMIT}.shop.localhost:3000/`, build: build(), release: 'v3', lastError: null, ...more,
});
