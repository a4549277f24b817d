import { events, failure, line, startApi, type ApiAnswer } from '../api-server.js';
import { runCli } from '../run-cli.js';
import { build, BUILD_ID, COMMIT, IMAGE, KEY, OTHER, OTHER_BUILD } from '../samples.js';

const EVENTS = `GET /api/builds/${BUILD_ID}/events`;
const UPDATE = 'POST /api/projects/shop/update';
const tip = (hash: string) => ({ branch: 'main', hash, author: 'Ada', message: 'Fix the cart' });
const accepted: ApiAnswer = { status: 202, json: { from: tip(COMMIT), to: tip(OTHER), build: { id: BUILD_ID, status: 'queued' } } };
const upToDate: ApiAnswer = { json: { from: tip(COMMIT), to: tip(COMMIT), build: null } };
const state = (status: string, more: object = {}) => ['state', build({ status, ...more })] as const;
const succeeding = events(state('building'), line(1, 'Step 1/2 : FROM node'), line(2, 'Step 2/2 : RUN \x1b[1mtrue\x1b[0m'), state('succeeded'));
const failing = events(state('building'), line(1, 'npm test'), line(2, 'not ok'), state('failed', { image: null, error: { code: 'build_failed', message: 'RUN npm test ended with 1.' } }));
const LOG = 'Step 1/2 : FROM node\nStep 2/2 : RUN true\n';

describe('slipway update', () => {
  it('says from where to where, and which build that is', async () => {
    await using api = await startApi({ [UPDATE]: accepted });
    expect(await runCli(['update', 'shop'], api)).toEqual({ code: 0, stdout: `shop: main c0ffee012345 → main beef00012345, build ${BUILD_ID} queued.\n`, stderr: '' });
    expect((await runCli(['update', 'shop', '--branch', 'fix/cart', '--force', '--json'], api)).stdout).toBe(`${JSON.stringify('json' in accepted ? accepted.json : '')}\n`);
    expect(api.changes.map(({ body }) => body)).toEqual([{ by: 'alice' }, { branch: 'fix/cart', invalidate: true, by: 'alice' }]);
  });

  it('says that nothing is new, also to who would wait', async () => {
    await using api = await startApi({ [UPDATE]: upToDate });
    for (const args of [[], ['--wait']]) expect(await runCli(['update', 'shop', ...args], api)).toEqual({ code: 0, stdout: 'shop is up to date: main c0ffee012345.\n', stderr: '' });
  });

  it('P3f: waits with the log live on stderr, and ends with the build', async () => {
    await using api = await startApi({ [UPDATE]: accepted, [EVENTS]: succeeding });
    const { code, stdout, stderr } = await runCli(['update', 'shop', '--force', '--wait'], api);
    expect([code, stdout]).toEqual([0, `shop: build ${BUILD_ID} (commit c0ffee012345) succeeded.\n`]);
    expect(stderr).toBe(`shop: main c0ffee012345 → main beef00012345, build ${BUILD_ID} queued.\n${LOG}`);
  });

  it('X11: ends with 5, the last lines on stderr, when the build fails', async () => {
    await using api = await startApi({ [UPDATE]: accepted, [EVENTS]: failing });
    const { code, stdout, stderr } = await runCli(['update', 'shop', '--wait', '--json'], api);
    expect([code, (JSON.parse(stdout) as { status: string }).status]).toEqual([5, 'failed']);
    expect(stderr).toMatch(new RegExp(`\nnpm test\nnot ok\nslipway: The build ${BUILD_ID} of shop failed: RUN npm test ended with 1\\.\n$`));
  });

  it('says what git said when the remote is down', async () => {
    await using api = await startApi({ [UPDATE]: { status: 503, headers: { 'Retry-After': '5' }, json: { error: 'git_unreachable', message: 'Could not resolve host.', requestId: 'r' } } });
    expect(await runCli(['update', 'shop'], api)).toEqual({ code: 1, stdout: '', stderr: 'slipway: Could not resolve host. (git_unreachable, Retry-After: 5, request r)\n' });
  });
});

describe('slipway build', () => {
  it('asks for a build of a commit or a branch', async () => {
    await using api = await startApi({ 'POST /api/projects/shop/builds': { status: 202, json: build({ status: 'queued' }) } });
    expect(await runCli(['build', 'shop', '--commit', COMMIT], api)).toEqual({ code: 0, stdout: `shop: build ${BUILD_ID} (commit c0ffee012345) queued.\n`, stderr: '' });
    expect((await runCli(['build', 'shop', '--branch', 'x', '--force', '--json'], api)).stdout).toBe(`${JSON.stringify(build({ status: 'queued' }))}\n`);
    expect(api.changes.map(({ body }) => body)).toEqual([{ commit: COMMIT, by: 'alice' }, { branch: 'x', force: true, by: 'alice' }]);
  });

  it('waits for it, also where it was reused at once', async () => {
    await using api = await startApi({ 'POST /api/projects/shop/builds': { status: 202, json: build({ status: 'queued' }) }, [EVENTS]: events(state('reused', { reusedFrom: OTHER_BUILD })) });
    expect(await runCli(['build', 'shop', '--branch', 'x', '--wait'], api)).toEqual({ code: 0, stdout: `shop: build ${BUILD_ID} (commit c0ffee012345) reused, the image is that of ${OTHER_BUILD}.\n`, stderr: '' });
  });

  it('ends with 5 when it was cancelled', async () => {
    await using api = await startApi({ 'POST /api/projects/shop/builds': { status: 202, json: build({ status: 'queued' }) }, [EVENTS]: events(state('cancelled')) });
    expect(await runCli(['build', 'shop', '--branch', 'x', '--wait'], api)).toMatchObject({ code: 5, stderr: `slipway: The build ${BUILD_ID} of shop was cancelled.\n` });
  });

  describe('K3: when the server ends on the way', () => {
    const NEXT = 'b_01J00000000000000000000000';
    const begun = { 'POST /api/projects/shop/builds': { status: 202, json: build({ status: 'queued' }) }, [EVENTS]: events(state('building'), line(1, 'one'), state('interrupted')) };
    const others = [build({ id: 'b_01J00000000000000000000001', key: 'cd'.repeat(32) }), build({ status: 'interrupted' }), build({ id: OTHER_BUILD })];
    const waiting = ['build', 'shop', '--branch', 'x', '--wait'];

    it('goes on with the build that takes it up again, once there is one', async () => {
      let asked = 0;
      await using api = await startApi({
        ...begun, [`GET /api/builds/${NEXT}/events`]: events(state('building', { id: NEXT }), line(1, 'one'), line(2, 'two'), state('succeeded', { id: NEXT })),
        'GET /api/projects/shop/builds': (res) => {
          asked += 1;
          if (asked === 1) res.destroy();
          else res.end(JSON.stringify(asked === 2 ? others : [build({ id: NEXT, status: 'building' }), ...others]));
        },
      });
      expect(await runCli(waiting, api)).toEqual({
        code: 0, stdout: `shop: build ${NEXT} (commit c0ffee012345) succeeded.\n`, stderr: `one\nslipway: The server ended during build ${BUILD_ID}; ${NEXT} takes it up again.\none\ntwo\n`,
      });
    });

    it('ends with 6 where none does', async () => {
      await using api = await startApi({ ...begun, 'GET /api/projects/shop/builds': { json: others } });
      expect(await runCli(waiting, api)).toMatchObject({ code: 6, stderr: `one\nslipway: The build ${BUILD_ID} of shop was interrupted as the server ended, and is not taken up again. Nothing is known to be wrong with it: build it again.\n` });
    });

    it('ends with 5 where the next attempt fails', async () => {
      await using api = await startApi({ ...begun, [`GET /api/builds/${NEXT}/events`]: events(state('failed', { id: NEXT, error: { code: 'build_failed', message: 'No.' } })), 'GET /api/projects/shop/builds': { json: [build({ id: NEXT }), ...others] } });
      expect(await runCli(waiting, api)).toMatchObject({ code: 5, stderr: expect.stringContaining(`The build ${NEXT} of shop failed: No.`) as string });
    });
  });

  it('goes on where it was when the connection breaks off', async () => {
    const asked: (string | string[] | undefined)[] = [];
    await using api = await startApi({
      'POST /api/projects/shop/builds': { status: 202, json: build({ status: 'queued' }) },
      [EVENTS]: (res, request) => {
        asked.push(request.headers['last-event-id']);
        if (asked.length === 1) {
          res.writeHead(200).write(`event: line\nid: 1\ndata: {"n":1,"at":"","text":"one"}\n\nevent: li`);
          setImmediate(() => { res.destroy(); });
        } else if (asked.length === 2) res.writeHead(200).end('event: line\nid: 2\ndata: {"n":2,"at":"","text":"two"}\n\n');
        else void events(line(3, 'three'), state('succeeded'))(res, request);
      },
    });
    const { code, stderr } = await runCli(['build', 'shop', '--branch', 'x', '--wait'], api);
    expect([code, stderr, asked]).toEqual([0, 'one\ntwo\nthree\n', [undefined, '1', '2']]);
  });

  it('gives up with 3 where the server does not come back', async () => {
    let asked = 0;
    await using api = await startApi({ 'POST /api/projects/shop/builds': { status: 202, json: build({ status: 'queued' }) }, [EVENTS]: (res) => { asked += 1; res.destroy(); } });
    expect(await runCli(['build', 'shop', '--branch', 'x', '--wait'], api)).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining(`Lost the connection to ${api.url} (ECONNRESET)`) as string });
    expect(asked).toBe(11);
  });

  it.each<[string, readonly string[], string]>([
    ['nothing to build', ['build', 'shop'], 'slipway: give --commit or --branch'],
    ['two things', ['build', 'shop', '--commit', COMMIT, '--branch', 'x'], "option '--commit <commit>' cannot be used with option '--branch <name>'"],
    ['what is no build', ['view', '../queue-size'], 'There is no build “../queue-size”.'],
    ['no app', ['rebuild'], "missing required argument 'project'"],
  ])('and its neighbours do not take %s', async (_what, args, sentence) => {
    await using api = await startApi({});
    expect(await runCli(args, api)).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(sentence) as string });
    expect(api.requests).toEqual([]);
  });
});

describe('slipway rebuild', () => {
  it('P11: prints `Rebuilt 1 app`', async () => {
    await using api = await startApi({ 'POST /api/projects/app/update': accepted, [EVENTS]: succeeding });
    expect(await runCli(['rebuild', 'app'], api)).toEqual({ code: 0, stdout: 'Rebuilt 1 app\n', stderr: LOG });
    expect(api.changes).toEqual([{ line: 'POST /api/projects/app/update', body: { invalidate: true, by: 'alice' } }]);
    expect((await runCli(['rebuild', 'app', '--json'], api)).stdout).toBe(`[${JSON.stringify(build())}]\n`);
  });

  it('P11: builds all of several, also when one of them fails', async () => {
    const blog = 'b_01HBBBBBBBBBBBBBBBBBBBBBBB';
    await using api = await startApi({
      [UPDATE]: accepted, [EVENTS]: succeeding, 'POST /api/projects/gone/update': failure(404, 'unknown_project', { message: 'There is no project “gone” here.', projects: ['goner'] }),
      'POST /api/projects/blog/update': { status: 202, json: { from: null, to: tip(OTHER), build: { id: blog, status: 'queued' } } },
      [`GET /api/builds/${blog}/events`]: events(state('failed', { id: blog, project: 'blog', error: { code: 'build_failed', message: 'No.' } })),
    });
    expect(await runCli(['rebuild', 'blog', 'gone', 'shop'], api)).toEqual({
      code: 5, stdout: 'Rebuilt 1 app\n',
      stderr: `${LOG}slipway: blog: The build ${blog} of blog failed: No.\nslipway: gone: There is no project “gone” here. Could be: goner. (unknown_project, request req-1)\n`,
    });
    expect((await runCli(['rebuild', 'shop', 'shop'], api)).stdout).toBe('Rebuilt 2 apps\n');
  });

  it('P11: says so when it rebuilt nothing', async () => {
    await using api = await startApi({ [UPDATE]: upToDate });
    expect(await runCli(['rebuild', 'shop'], api)).toEqual({ code: 1, stdout: '', stderr: 'slipway: The server built nothing for shop.\n' });
  });
});

describe('slipway view', () => {
  it('shows a build', async () => {
    await using api = await startApi({ [`GET /api/builds/${BUILD_ID}`]: { json: build({ noCache: true }) } });
    expect((await runCli(['view', BUILD_ID], api)).stdout).toBe([
      `build          ${BUILD_ID}`, 'project        shop', 'status         succeeded', `commit         ${COMMIT}`, `key            ${KEY}`, `image id       ${IMAGE}`, 'reused from    –', 'without cache  yes',
      'queued         2026-03-01 10:00:00', 'started        2026-03-01 10:00:01', 'finished       2026-03-01 10:00:09', 'error          –', '',
    ].join('\n'));
    expect((await runCli(['view', BUILD_ID, '--json'], api)).stdout).toBe(`${JSON.stringify(build({ noCache: true }))}\n`);
  });

  it('P12: shows which files of the image differ', async () => {
    const diff = { against: OTHER_BUILD, added: ['new'], removed: ['old/file'], changed: ['t', 'u v'] };
    await using api = await startApi({ [`GET /api/builds/${BUILD_ID}/diff`]: { json: diff } });
    expect((await runCli(['view', BUILD_ID, '--diff'], api)).stdout).toBe(`Against ${OTHER_BUILD}:\nchanged  t\nchanged  u v\nadded    new\nremoved  old/file\n`);
    expect((await runCli(['view', BUILD_ID, '--diff', '--json'], api)).stdout).toBe(`${JSON.stringify(diff)}\n`);
    await using same = await startApi({ [`GET /api/builds/${BUILD_ID}/diff`]: { json: { ...diff, added: [], removed: [], changed: [] } } });
    expect((await runCli(['view', BUILD_ID, '--diff'], same)).stdout).toBe(`The same files as ${OTHER_BUILD}.\n`);
  });
});
