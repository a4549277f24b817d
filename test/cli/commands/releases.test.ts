import { failure, startApi } from '../api-server.js';
import { runCli } from '../run-cli.js';
import { build, BUILD_ID, COMMIT, moved, OTHER, OTHER_BUILD, release, stage } from '../samples.js';

const ROLLBACK = 'POST /api/projects/shop/stages/dev/rollback';

describe('slipway releases', () => {
  it('lists them, newest first', async () => {
    await using api = await startApi({
      'GET /api/projects/shop/releases?limit=20': { json: [release(9, { reason: 'rollback', rollbackOf: 'v5', commit: OTHER, version: '5.2.3' }), release(8, { reason: 'config', by: 'ci' })] },
      'GET /api/projects/shop/releases?stage=test&limit=5': { json: [release(2)] }, 'GET /api/projects/shop/releases?preview=branch-x&limit=20': { json: [] },
    });
    expect((await runCli(['releases', 'shop'], api)).stdout).toBe([
      'RELEASE  ROUTE  REASON    FROM  COMMIT        VERSION  AT                   BY',
      'v9       dev    rollback  v5    beef00012345  5.2.3    2026-03-01 10:00:00  alice',
      'v8       dev    config    v7    c0ffee012345  –        2026-03-01 10:00:00  ci',
      '',
    ].join('\n'));
    expect((await runCli(['releases', 'shop', '--stage', 'test', '--limit', '5'], api)).stdout).toContain('\nv2 ');
    expect((await runCli(['releases', 'shop', '--preview', 'branch-x'], api)).stdout).toBe('No releases.\n');
  });

  it('X8: prints the API’s JSON byte by byte, so that old rows can be compared', async () => {
    // Neither the order of keys nor the spelling of a number survives being read and written again.
    const text = `[{"2":1,"b":1.0,"createdAt":"2026-03-01T10:00:00Z","1":2,"id":"v1","by":"al\\u0069ce","reason":"code"}]`;
    await using api = await startApi({ 'GET /api/projects/shop/releases': (res) => { res.end(text); } });
    expect((await runCli(['releases', 'shop', '--json'], api)).stdout).toBe(`${text}\n`);
  });
});

describe('slipway publish', () => {
  it('releases the branch that is published, another one, or a commit', async () => {
    await using api = await startApi({ 'POST /api/projects/shop/publish': { json: moved(3) } });
    expect(await runCli(['publish', 'shop'], api)).toEqual({ code: 0, stdout: 'shop dev serves v3 (commit c0ffee012345) at http://dev.shop.localhost:3000/ after 0.8 s.\n', stderr: '' });
    await runCli(['publish', 'shop', '--branch', 'fix/cart'], api);
    expect((await runCli(['publish', 'shop', '--commit', COMMIT, '--json'], api)).stdout).toBe(`${JSON.stringify(moved(3))}\n`);
    expect(api.changes.map(({ body }) => body)).toEqual([{ by: 'alice' }, { branch: 'fix/cart', by: 'alice' }, { commit: COMMIT, by: 'alice' }]);
  });

  it('X11: ends with 5 and the build’s last lines on stderr when the build fails', async () => {
    await using api = await startApi({ 'POST /api/projects/shop/publish': failure(424, 'build_failed', { message: 'RUN npm test ended with 1.', lastLines: ['> test', '\x1b[31mnot ok\x1b[0m'] }) });
    expect(await runCli(['publish', 'shop'], api)).toEqual({ code: 5, stdout: '', stderr: '> test\nnot ok\nslipway: RUN npm test ended with 1. (build_failed, request req-1)\n' });
  });
});

describe('X11: a publish or a rebuild whose build fails', () => {
  const MESSAGE = 'RUN npm test ended with 1.';
  const builds = [build({ id: OTHER_BUILD, status: 'failed', error: { code: 'build_failed', message: 'Something else.' } }), build({ status: 'failed', error: { code: 'build_failed', message: MESSAGE } })];
  const log = Array.from({ length: 30 }, (_, at) => `line ${at + 1}`);

  it.each([['publish', 'POST /api/projects/shop/publish', ['publish', 'shop']], ['rollback', ROLLBACK, ['rollback', 'shop', '--stage', 'dev', '--rebuild']]])('shows its last lines where the answer has none: %s', async (_what, line, args) => {
    await using api = await startApi({
      [line]: failure(424, 'build_failed', { message: `${MESSAGE} Read the log.` }), 'GET /api/projects/shop/builds': { json: builds },
      [`GET /api/builds/${BUILD_ID}/log`]: (res) => { res.end(log.map((text) => `2026-03-01T10:00:00.000Z ${text}\n`).join('')); },
    });
    expect(await runCli(args, api)).toEqual({ code: 5, stdout: '', stderr: `${log.slice(-20).join('\n')}\nslipway: ${MESSAGE} Read the log. (build_failed, request req-1)\n` });
  });

  it('says no less where there is no log', async () => {
    await using api = await startApi({ 'POST /api/projects/shop/publish': failure(424, 'build_failed', { message: MESSAGE }), 'GET /api/projects/shop/builds': { json: builds } });
    expect(await runCli(['publish', 'shop'], api)).toEqual({ code: 5, stdout: '', stderr: `slipway: ${MESSAGE} (build_failed, request req-1)\n` });
    await using other = await startApi({ 'POST /api/projects/shop/publish': failure(424, 'no_dockerfile', { message: 'There is no Dockerfile.' }), 'GET /api/projects/shop/builds': { json: builds } });
    expect(await runCli(['publish', 'shop'], other)).toEqual({ code: 5, stdout: '', stderr: 'slipway: There is no Dockerfile. (no_dockerfile, request req-1)\n' });
  });
});

describe('slipway promote', () => {
  it('brings the release of the stage before, or a named one, to a stage', async () => {
    await using api = await startApi({ 'POST /api/projects/shop/stages/test/promote': { json: moved(4, { reason: 'promotion' }) } });
    expect((await runCli(['promote', 'shop', '--stage', 'test'], api)).stdout).toBe('shop dev serves v4 (commit c0ffee012345) at http://dev.shop.localhost:3000/ after 0.8 s.\n');
    await runCli(['promote', 'shop@v3', '--stage', 'test', '--force'], api);
    expect((await runCli(['promote', 'shop@3', '--stage', 'test', '--json'], api)).stdout).toBe(`${JSON.stringify(moved(4, { reason: 'promotion' }))}\n`);
    expect(api.changes.map(({ body }) => body)).toEqual([{ by: 'alice' }, { release: 'v3', force: true, by: 'alice' }, { release: 'v3', by: 'alice' }]);
  });

  it('says what the server says, and ends with 1', async () => {
    await using api = await startApi({ 'POST /api/projects/shop/stages/prod/promote': failure(409, 'wrong_stage', { message: 'v3 was never on test. Promote through the stages in their order, or force it.' }) });
    expect(await runCli(['promote', 'shop@v3', '--stage', 'prod'], api)).toEqual({
      code: 1, stdout: '', stderr: 'slipway: v3 was never on test. Promote through the stages in their order, or force it. (wrong_stage, request req-1)\n',
    });
  });
});

describe('slipway rollback', () => {
  it('X6: brings the first stage back by one release', async () => {
    await using api = await startApi({ 'GET /api/projects/shop/stages': { json: [stage('dev'), stage('test')] }, [ROLLBACK]: { json: moved(4, { reason: 'rollback', rollbackOf: 'v2', commit: null }) } });
    expect(await runCli(['rollback', 'shop'], api)).toEqual({ code: 0, stdout: 'shop dev serves v4 (as v2 was) at http://dev.shop.localhost:3000/ after 0.8 s.\n', stderr: '' });
    expect(api.changes).toEqual([{ line: ROLLBACK, body: { by: 'alice' } }]);
  });

  it('X6: goes to a release, some steps back, of a stage or a preview, and builds again where that is asked for', async () => {
    await using api = await startApi({ [ROLLBACK]: { json: moved(4) }, 'POST /api/projects/shop/previews/branch-x/rollback': { json: moved(5) } });
    await runCli(['rollback', 'shop', '--stage', 'dev', '--to', 'v3', '--rebuild'], api);
    expect((await runCli(['rollback', 'shop', '--preview', 'branch-x', '--hops', '2', '--json'], api)).stdout).toBe(`${JSON.stringify(moved(5))}\n`);
    expect(api.changes).toEqual([
      { line: ROLLBACK, body: { to: 'v3', rebuild: true, by: 'alice' } }, { line: 'POST /api/projects/shop/previews/branch-x/rollback', body: { hops: 2, by: 'alice' } },
    ]);
  });

  it.each([
    [failure(404, 'nothing_earlier', { message: 'dev has nothing earlier.' }), 1], [failure(410, 'image_gone', { message: 'The image of v2 is gone.' }), 1], [failure(409, 'already_served', { message: 'dev serves v3 already.' }), 1],
  ])('ends with 1 where that cannot be: %j', async (answer, code) => {
    await using api = await startApi({ [ROLLBACK]: answer });
    expect(await runCli(['rollback', 'shop', '--stage', 'dev'], api)).toMatchObject({ code, stdout: '' });
  });

  it.each<[string, readonly string[], string]>([
    ['two targets', ['rollback', 'shop', '--to', 'v3', '--hops', '2'], "option '--to <release>' cannot be used with option '--hops <count>'"],
    ['two places', ['rollback', 'shop', '--stage', 'dev', '--preview', 'branch-x'], "option '--stage <name>' cannot be used with option '--preview <label>'"],
    ['no number', ['rollback', 'shop', '--hops', '0'], 'Give a number, 1 or more.'],
    ['what is no release', ['rollback', 'shop', '--to', 'latest'], 'A release is called v7.'],
    ['a stage that leads elsewhere', ['rollback', 'shop', '--stage', '../x'], 'Such a name has a-z, 0-9 and inner hyphens.'],
    ['no project', ['rollback'], "missing required argument 'project'"],
    ['a promotion to nowhere', ['promote', 'shop'], "required option '--stage <name>' not specified"],
    ['two releases', ['promote', 'shop@v1@v2', '--stage', 'test'], 'Write PROJECT or PROJECT@v3.'],
    ['a branch and a commit', ['publish', 'shop', '--branch', 'x', '--commit', COMMIT], "option '--branch <name>' cannot be used with option '--commit <commit>'"],
    ['two projects', ['publish', 'shop', 'blog'], "too many arguments for 'publish'"],
  ])('and its neighbours do not take %s', async (_what, args, sentence) => {
    await using api = await startApi({});
    expect(await runCli(args, api)).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(sentence) as string });
    expect(api.requests).toEqual([]);
  });

  it('names the way where a project has no stages', async () => {
    await using api = await startApi({ 'GET /api/projects/shop/stages': { json: [] } });
    expect(await runCli(['rollback', 'shop'], api)).toEqual({ code: 2, stdout: '', stderr: 'slipway: shop has no stages: name one of its previews with --preview.\n' });
  });
});
