import { failure, startApi } from '../api-server.js';
import { runCli } from '../run-cli.js';
import { COMMIT, health, preview, running, stage } from '../samples.js';

const HEALTH = 'GET /apps/shop/health';
const lastError = { code: 'crashed', message: 'It stopped.', at: '' };

describe('slipway status', () => {
  it('shows the stages and the running previews of a project, aligned', async () => {
    const answer = health({
      stages: [stage('dev'), stage('production', { status: 'error', release: null, commit: null, previous: null, restarts: undefined, lastError })],
      previews: [running('branch-main'), running(`hash-${COMMIT}`, { status: 'sleeping', lastError })],
    });
    await using api = await startApi({ [HEALTH]: { json: answer } });
    const { code, stdout, stderr } = await runCli(['status', 'shop'], api);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toBe([
      'STAGE       STATUS   RELEASE  COMMIT        PREVIOUS  RESTARTS  URL',
      'dev         running  v7       c0ffee012345  v5        0         http://dev.shop.localhost:3000/',
      'production  error    –        –             –         –         http://production.shop.localhost:3000/',
      'production:  It stopped.',
      '',
      'PREVIEW            STATUS    RELEASE  RESTARTS  URL',
      'branch-main        running   v3       0         http://branch-main.shop.localhost:3000/',
      `hash-c0ffee012345  sleeping  v3       0         http://hash-${COMMIT}.shop.localhost:3000/`,
      'hash-c0ffee012345:  It stopped.',
      '',
    ].join('\n'));
    expect((await runCli(['status', 'shop', '--json'], api)).stdout).toBe(`${JSON.stringify(answer)}\n`);
  });

  it('shows all projects where none is named', async () => {
    const [shop, blog] = [health({ stages: [stage('dev')], previews: [running('branch-x', { lastError })] }), health({ name: 'blog', more: 'than is known' })];
    await using api = await startApi({
      'GET /api/projects': { json: [{ name: 'shop', url: 'http://shop.localhost:3000/', stages: [stage('dev')] }, { name: 'blog', url: 'http://blog.localhost:3000/', stages: [] }] },
      [HEALTH]: { json: shop }, 'GET /apps/blog/health': { json: blog },
    });
    expect((await runCli(['status'], api)).stdout).toMatch(/^PROJECT {2}STAGE .*\nshop {5}dev .*\n\nPROJECT {2}PREVIEW .*\nshop {5}branch-x .*\nshop branch-x: {2}It stopped\.\n$/);
    expect((await runCli(['status', '--json'], api)).stdout).toBe(`[${JSON.stringify(shop)},${JSON.stringify(blog)}]\n`);
    await using empty = await startApi({ 'GET /api/projects': { json: [] } });
    expect((await runCli(['status'], empty)).stdout).toBe('Nothing runs, and there are no stages.\n');
  });

  it('shows one preview, of a branch with any name or of a commit', async () => {
    const answer = preview({ environment: 'jetpack', lastError: { code: 'unhealthy', message: 'GET /healthz 500', at: '' }, restarts: 2 });
    await using api = await startApi({
      'GET /api/status?project=shop&branch=feature%2Fc%2B%2B%20%26x&env=jetpack': { json: answer }, 'GET /api/status?hash=c0ffee0': { json: preview({ commit: null, reference: 'registry.example.com/app:1' }) },
    });
    const one = await runCli(['status', 'shop', '--branch', 'feature/c++ &x', '--env', 'jetpack'], api);
    expect(one.stdout.split('\n')).toEqual([
      'project      shop', 'status       running', `url          http://hash-${COMMIT}.shop.localhost:3000/`, `commit       ${COMMIT}`, 'environment  jetpack', 'release      v3',
      expect.stringMatching(/^build {8}b_\w{26} succeeded$/), 'restarts     2', 'last error   GET /healthz 500', '',
    ]);
    expect((await runCli(['status', '--hash', 'c0ffee0'], api)).stdout).toContain('image        registry.example.com/app:1\n');
    expect((await runCli(['status', 'shop', '--branch', 'feature/c++ &x', '--env', 'jetpack', '--json'], api)).stdout).toBe(`${JSON.stringify(answer)}\n`);
  });

  it('lets nothing that came from elsewhere reach the terminal as more than text', async () => {
    await using api = await startApi({ [HEALTH]: { json: health({ stages: [stage('dev', { lastError: { code: 'crashed', message: '\x1b]0;title\x07\x1b[31mred\x1b[0m\nsecond line', at: '' } })] }) } });
    expect((await runCli(['status', 'shop'], api)).stdout).toMatch(/\ndev: {2}red\\nsecond line\n$/);
  });

  it.each<[string, readonly string[], string]>([
    ['both a branch and a commit', ['status', '--branch', 'x', '--hash', 'abcd'], "option '--branch <name>' cannot be used with option '--hash <commit>'"],
    ['an environment of nothing', ['status', 'shop', '--env', 'jetpack'], '--env needs a --branch or a --hash.'],
    ['what is no project', ['status', '../../etc'], '“../../etc” is not a project name'],
  ])('does not take %s', async (_what, args, sentence) => {
    await using api = await startApi({});
    expect(await runCli(args, api)).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(sentence) as string });
    expect(api.requests).toEqual([]);
  });
});

describe('slipway ls', () => {
  it('lists projects with their stages', async () => {
    const projects = [{ name: 'shop', url: 'http://shop.localhost:3000/', stages: [stage('dev'), stage('test', { release: null, status: 'unknown' })] }, { name: 'blog', url: 'http://blog.localhost:3000/', stages: [] }];
    await using api = await startApi({ 'GET /api/projects': { json: projects } });
    expect((await runCli(['ls'], api)).stdout).toBe([
      'PROJECT  STAGE  STATUS   RELEASE  URL',
      'shop     dev    running  v7       http://dev.shop.localhost:3000/',
      'shop     test   unknown  –        http://test.shop.localhost:3000/',
      'blog     –      –        –        http://blog.localhost:3000/',
      '',
    ].join('\n'));
    expect((await runCli(['ls', '--json'], api)).stdout).toBe(`${JSON.stringify(projects)}\n`);
  });

  it('says so where there are none, and when the server says no', async () => {
    await using empty = await startApi({ 'GET /api/projects': { json: [] } });
    expect((await runCli(['ls'], empty)).stdout).toBe('No projects.\n');
    await using broken = await startApi({ 'GET /api/projects': failure(503, 'too_busy', { message: 'Too busy.' }) });
    expect(await runCli(['ls'], broken)).toEqual({ code: 1, stdout: '', stderr: 'slipway: Too busy. (too_busy, request req-1)\n' });
  });
});
