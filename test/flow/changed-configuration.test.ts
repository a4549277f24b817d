import { parseCommitHash, parseEnvironmentName, type EnvironmentName, type RefName } from '../../src/domain/ids.js';
import { formatLabel } from '../../src/domain/preview-name.js';
import type { AllowedImages, Project } from '../../src/domain/project.js';
import type { Route } from '../../src/domain/release.js';
import { createFollowBranches } from '../../src/flow/follow-branches.js';
import { createRefTable, type Ref } from '../../src/source/ref-table.js';
import { PLACEMENT, startInstances } from '../run/started-instances.js';
import type { FakePull } from '../support/fake-registry.js';
import { createTestRepository } from '../support/git.js';
import { APP, hostOf, REGISTRY, startImageApp } from '../support/image-app.js';
import { sampleProject } from '../support/sample-project.js';
import { gate, NAVIGATION, startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';
import { until } from '../support/until.js';

const never = new Promise<never>(() => undefined);
const told = (answer: { readonly status: number; json(): Record<string, unknown> }) => [answer.status, answer.json().error];
const environmentsOf = async (app: TestApp) => (await app.engine.list()).map(({ environment }) => environment);

/** A server whose projects a test may change between two starts. */
async function startChanging(change: (project: Project) => readonly Project[], options: TestAppOptions = {}) {
  const state = { change };
  const app = await startTestApp({ ...options, configure: (config) => ({ ...config, projects: config.projects.flatMap((project) => [...state.change(project)]) }) });
  return {
    app,
    /** Ends the server and starts it with other projects. */
    become: async (next: typeof change) => { state.change = next; await app.restart(); },
    [Symbol.asyncDispose]: () => app[Symbol.asyncDispose](),
  };
}

const inEnvironments = (...names: string[]) => (project: Project) => [{ ...project, environments: new Map(names.map((name) => [parseEnvironmentName(name), { env: { NAME: name } }])) }];

describe('an environment that was taken out of the file', () => {
  const HOSTS = ['jetpack-branch-main.localhost', 'branch-main.localhost'];

  it('K2: serves no more after a restart, while the others serve on, and its container is removed', async () => {
    await using house = await startChanging(inEnvironments('jetpack'));
    const { app } = house;
    const hosts = [`jetpack-${app.commitHost(app.repository.head())}`, ...HOSTS];
    for (const host of hosts) expect((await app.get(host, '/')).status).toBe(200);
    await house.become(inEnvironments());
    expect(await environmentsOf(app)).toEqual([null]);
    const statuses = await Promise.all(hosts.map(async (host) => (await app.get(host, '/')).status));
    expect(statuses).toEqual([404, 404, 200]);
    expect(app.engine.calls.start).toBe(3);
  });

  it('K2: is on no page and in no answer any more', async () => {
    await using house = await startChanging(inEnvironments('jetpack'));
    const { app } = house;
    for (const host of HOSTS) await app.get(host, '/');
    await house.become(inEnvironments());
    for (const path of ['/', '/status']) {
      const page = await app.control(path, { headers: NAVIGATION });
      expect([page.status, page.text.includes('jetpack'), page.text.includes('branch-main')]).toEqual([200, false, true]);
    }
    expect((await app.control('/status?format=json')).text).not.toContain('jetpack');
    for (const path of ['/api/status', '/api/wait', '/status']) expect(told(await app.control(`${path}?branch=main&env=jetpack`, { headers: { accept: 'application/json' } }))).toEqual([404, 'unknown_environment']);
  });

  it('K2: does not follow its branch, and comes back at the next visit once it is configured again', async () => {
    await using house = await startChanging(inEnvironments('jetpack'));
    const { app } = house;
    for (const host of HOSTS) await app.get(host, '/');
    await house.become(inEnvironments());
    const commit = app.repository.commit({ more: '1' });
    await app.fetch(commit);
    await until(async () => (await app.engine.list()).some((container) => container.commit === commit), 'the branch is followed');
    expect(await environmentsOf(app)).not.toContain('jetpack');
    await house.become(inEnvironments('jetpack'));
    expect((await app.get(HOSTS[0] ?? '', '/')).json()).toMatchObject({ commit, env: { NAME: 'jetpack', SLIPWAY_ENV: 'jetpack' } });
  });

  it('K2: follows its branch no more, should one still run in it', async () => {
    await using house = await startInstances();
    const release = house.release();
    const follow = async (environment: EnvironmentName | null, environments: Project['environments']) => {
      const opened: string[] = [];
      const label = formatLabel({ kind: 'branch', slug: 'main', environment });
      const route: Route = { id: release.route, project: release.project, kind: 'branch', label, environment, subject: 'main', current: null, configHash: null, lastError: null, createdAt: 0, lastAccessAt: null };
      const tip: Ref = { name: 'main' as RefName, kind: 'branch', commit: parseCommitHash('d'.repeat(40)), subject: '', author: '', committedAt: 0 };
      const branches = createFollowBranches({
        projects: [sampleProject('shop', { environments })], clock: house.clock, log: house.log, instances: house.instances,
        sources: new Map([[release.project, { refs: () => createRefTable([tip], () => 0), onChange: () => () => undefined }]]),
        routes: { find: () => Promise.resolve(route) }, releases: { find: () => Promise.resolve(undefined), latestOfRoute: () => Promise.resolve(undefined) },
        openPreview: { open: (preview) => { opened.push(preview.label); return Promise.reject(new Error('not opened here')); } },
      });
      await branches.start();
      await branches.stop();
      return opened;
    };
    await house.instances.ensure(release, PLACEMENT);
    const jetpack = parseEnvironmentName('jetpack');
    expect(await follow(jetpack, new Map())).toEqual([]);
    expect(await follow(jetpack, new Map([[jetpack, { env: {} }]]))).toEqual(['jetpack-branch-main']);
    expect(await follow(null, new Map())).toEqual(['branch-main']);
  });
});

describe('a pull that a stopped server left behind', () => {
  const other: AllowedImages = { registries: ['other.example.com'], labels: {} };
  const labelled: AllowedImages = { registries: [REGISTRY], labels: { target: 'preview' } };

  it.each([
    ['it ran and its registry is not allowed any more', other, 0], ['it ran and the required labels are others now', labelled, 0],
    ['it waited and its registry is not allowed any more', other, 1], ['it waited and the required labels are others now', labelled, 1],
  ] as const)('D13: is not taken up, when %s', async (_why, next, which) => {
    const references = [APP, `${REGISTRY}/team/second:v1`];
    let allowed: AllowedImages = { registries: [REGISTRY], labels: {} };
    await using app = await startImageApp({
      images: new Map<string, FakePull>(references.map((name) => [name, { until: never }])), allowed: () => allowed, settings: { 'builds.concurrency': '1' },
    });
    const waiting = [];
    for (const [at, name] of references.entries()) {
      waiting.push(app.get(await hostOf(app, name), '/'));
      await until(async () => (await app.control('/api/queue-size')).json().size === at + 1, 'it is queued');
    }
    const pulls = app.engine.calls.pull;
    const left = (JSON.parse((await app.control('/api/builds')).text) as { id: string; reference: string }[]).find(({ reference }) => reference === references[which]);
    allowed = next;
    await app.restart();
    await Promise.all(waiting);
    expect((await app.control('/api/queue-size')).json()).toMatchObject({ size: 0 });
    expect(app.engine.calls.pull).toBe(pulls);
    expect((await app.control(`/api/builds/${left?.id ?? ''}`)).json()).toMatchObject({ status: 'failed', error: { code: 'image_not_allowed', message: expect.stringContaining(references[which] ?? '') as string } });
    expect((await app.control(`/api/builds/${left?.id ?? ''}/log`)).text).toMatch(/failed: .* may not run here/);
  });
});

describe('a project that is not configured any more', () => {
  const shop = (project: Project) => ({ ...project, name: sampleProject('shop').name });

  it('K5: keeps no build waiting for ever, and builds again once it is configured again', async () => {
    using repository = createTestRepository({ Dockerfile: 'FROM scratch\n', blog: 'yes' });
    const { opened, open } = gate();
    const both = (project: Project) => [shop(project), sampleProject('blog', { repository: repository.path })];
    await using house = await startChanging(both, { builds: () => ({ until: opened }), settings: { 'builds.concurrency': '1' } });
    const { app } = house;
    const commits = [repository.head(), repository.commit({ blog: 'more' })];
    const asked = commits.map((commit) => app.get(`hash-${commit}.blog.localhost`, '/'));
    await until(async () => (await app.get('blog.localhost', '/api/queue-size')).json().size === 2, 'one is built and one waits');
    await house.become((project) => [shop(project)]);
    await Promise.all(asked);
    expect((await app.control('/api/queue-size')).json()).toMatchObject({ size: 0 });
    await house.become(both);
    const builds = JSON.parse((await app.get('blog.localhost', '/api/builds')).text) as { id: string; status: string; error: unknown }[];
    const error = { code: 'project_removed', message: 'The project blog is not configured any more.' };
    expect(builds).toMatchObject([{ status: 'cancelled', error }, { status: 'cancelled', error }]);
    expect((await app.get('blog.localhost', `/api/builds/${builds[0]?.id ?? ''}/log`)).text).toContain('cancelled: The project blog is not configured any more.');
    open();
    expect((await app.get('blog.localhost', `/api/wait?hash=${commits[0] ?? ''}&timeout=20s`)).json()).toMatchObject({ status: 'running' });
  });

  it('K2: leaves no container and no network, and its previews come back with it', async () => {
    using repository = createTestRepository({ Dockerfile: 'FROM scratch\n', blog: 'yes' });
    const both = (project: Project) => [shop(project), sampleProject('blog', { repository: repository.path })];
    await using house = await startChanging(both);
    const { app } = house;
    const hosts = ['branch-main.shop.localhost', 'branch-main.blog.localhost'];
    for (const host of hosts) expect((await app.get(host, '/')).status).toBe(200);
    await house.become((project) => [shop(project)]);
    expect((await app.engine.list()).map(({ project }) => project)).toEqual(['shop']);
    expect([...app.engine.networks]).toEqual(['shop']);
    expect(await Promise.all(hosts.map(async (host) => (await app.get(host, '/')).status))).toEqual([200, 404]);
    const starts = app.engine.calls.start;
    await house.become(both);
    expect((await app.get(hosts[1] ?? '', '/')).headers['x-slipway-release']).toBe('v1');
    expect([app.engine.calls.start, app.engine.calls.build]).toEqual([starts + 1, 2]);
  });

  it('K2: loses its network as soon as the engine answers, should it be away at the start', async () => {
    await using house = await startChanging((project) => [shop(project)]);
    const { app } = house;
    await app.engine.ensureNetwork(sampleProject('blog').name);
    await app.stop();
    app.engine.down();
    await app.start();
    expect([...app.engine.networks]).toEqual(['blog']);
    app.engine.up();
    await until(() => app.engine.networks.size === 0, 'it is removed as soon as the engine answers');
  });
});

describe('another repository under the same project name', () => {
  const at = (path: string) => (project: Project) => [{ ...project, repository: path }];

  it('B9: is the only one whose branches and commits are known', async () => {
    using other = createTestRepository({ Dockerfile: 'FROM scratch\n', other: 'yes' });
    await using house = await startChanging((project) => [project]);
    const { app } = house;
    const old = app.repository.head();
    app.repository.git('branch', 'only-here');
    await app.open(`hash=${old}`);
    await house.become(at(other.path));
    expect(told(await app.control(`/api/status?hash=${old}`))).toEqual([404, 'commit_not_found']);
    expect(told(await app.control('/api/status?branch=only-here'))).toEqual([404, 'unknown_ref']);
    expect((await app.control('/api/status?branch=main')).json()).toMatchObject({ commit: other.head() });
  });

  it('B9: is not taken for the old one while it cannot be reached', async () => {
    await using house = await startChanging((project) => [project]);
    const { app } = house;
    await house.become(at('/nowhere/at/all.git'));
    expect(told(await app.control('/api/status?branch=main'))).toEqual([503, 'git_unreachable']);
    await house.become((project) => [project]);
    expect((await app.control('/api/status?branch=main')).json()).toMatchObject({ commit: app.repository.head() });
  });
});
