import type { Recipe } from '../../src/domain/build.js';
import { parseCommitHash, parseImageId, parseProjectName, type BuildKey, type ImageId, type RouteId } from '../../src/domain/ids.js';
import type { RunConfig } from '../../src/domain/release.js';
import type { NewBuild } from '../../src/state/builds.js';
import type { NewRelease } from '../../src/state/releases.js';
import type { NewRoute } from '../../src/state/routes.js';

export const SHOP = parseProjectName('shop');
export const BLOG = parseProjectName('blog');
export const COMMIT = parseCommitHash('a'.repeat(40));
export const OTHER_COMMIT = parseCommitHash('b'.repeat(40));
export const KEY = '1'.repeat(64) as BuildKey;
export const OTHER_KEY = '2'.repeat(64) as BuildKey;
export const image = (digit: string): ImageId => parseImageId(`sha256:${digit.repeat(64)}`);
export const RECIPE: Recipe = { context: '.', dockerfile: 'Dockerfile', target: null, args: { V: '{commit}' }, platform: null, dependencies: { BASE: image('9') } };
export const CONFIG: RunConfig = { port: null, readyTimeoutMs: 60_000, stopTimeoutMs: 10_000, memoryBytes: 512, cpus: 1.5, pids: 256, profile: 'compat', env: { FEATURE: 'ö' } };

export const newBuild = (more: Partial<NewBuild> = {}): NewBuild => ({ project: SHOP, commit: COMMIT, key: KEY, recipe: RECIPE, trigger: 'open', noCache: false, attempt: 1, ...more });
export const newRoute = (more: Partial<NewRoute> = {}): NewRoute => ({ project: SHOP, kind: 'branch', label: 'branch-main', environment: null, subject: 'main', ...more });
export const newRelease = (route: RouteId, more: Partial<NewRelease> = {}): NewRelease => ({
  project: SHOP, route, build: null, image: image('1'), commit: COMMIT, key: KEY, config: CONFIG, environment: null,
  reason: 'code', by: 'a visitor', parent: null, rollbackOf: null, version: null, ...more,
});
