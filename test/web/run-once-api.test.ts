import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { ImageId } from '../../src/domain/ids.js';
import type { RunOnce } from '../../src/flow/run-once.js';
import type { WebDeps } from '../../src/web/context.js';
import { runOnce } from '../../src/web/run-once-api.js';
import { createFakeClock } from '../support/fake-clock.js';
import type { FakeOnce } from '../support/fake-once.js';
import { listen } from '../support/listen.js';
import { openLines, type LineReader } from '../support/lines.js';
import { sampleProject } from '../support/sample-project.js';
import { gate, startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';
import { until } from '../support/until.js';

const PATH = '/api/projects/repository/run-once';
const WANTED = { release: 'v1', command: ['npm', 'run', 'migrate'] };
const headersOf = ({ token }: TestApp) => ({ 'authorization': `Bearer ${token}`, 'content-type': 'application/json' });
const post = (app: TestApp, body: unknown = WANTED, path = PATH) => app.control(path, { method: 'POST', headers: headersOf(app), body: JSON.stringify(body) });
const openRun = (app: TestApp, body: unknown = WANTED): Promise<LineReader> => openLines(app, { host: app.host, path: PATH, method: 'POST', headers: headersOf(app), body: JSON.stringify(body) });
const parsed = (text: string): unknown[] => text.trimEnd().split('\n').map((line) => JSON.parse(line) as unknown);

/** A server that serves v1 of the project. */
async function startServing(once: (command: readonly string[]) => FakeOnce, options: TestAppOptions = {}): Promise<TestApp> {
  const app = await startTestApp({ once: (_spec, command) => once(command), ...options });
  const opened = await app.get(app.commitHost(app.repository.head()), '/');
  expect(opened.status).toBe(200);
  return app;
}

const forEver: FakeOnce = { output: [{ stream: 'stdout', text: 'on\n' }], until: new Promise(() => undefined) };

describe('X16: POST …/run-once', () => {
  it('answers JSON lines with what is printed, and the exit code in the last one', async () => {
    const commands: (readonly string[])[] = [];
    await using app = await startServing((command) => {
      commands.push(command);
      return { output: [{ stream: 'stdout', text: 'one\ntwo' }, { stream: 'stderr', text: 'ü\n' }], exit: { code: 3 } };
    });
    const answer = await post(app);
    expect([answer.status, answer.headers['content-type'], answer.headers['x-accel-buffering'], answer.headers['cache-control']]).toEqual([200, 'application/x-ndjson; charset=utf-8', 'no', 'no-store']);
    expect(parsed(answer.text)).toEqual([{ stream: 'stdout', text: 'one\ntwo' }, { stream: 'stderr', text: 'ü\n' }, { exit: 3 }]);
    expect([commands, app.engine.onces]).toEqual([[WANTED.command], 0]);
  });

  it('gives on each piece as it comes', async () => {
    const { opened, open } = gate();
    await using app = await startServing(() => ({ output: [{ stream: 'stdout', text: 'Sure? ' }], until: opened }));
    using run = await openRun(app);
    expect(await run.until((line) => line.includes('Sure'))).toBe('{"stream":"stdout","text":"Sure? "}');
    expect(app.engine.onces).toBe(1);
    open();
    await run.ended;
    expect(run.lines.at(-1)).toBe('{"exit":0}');
  });

  it('says why where the exit code does not', async () => {
    await using app = await startServing(() => ({ exit: { code: 137, outOfMemory: true } }));
    expect(parsed((await post(app)).text)).toEqual([{ exit: 137, message: 'It ran out of memory.' }]);
  });

  it('is killed when whoever asked has gone', async () => {
    await using app = await startServing(() => forEver);
    const run = await openRun(app);
    await run.until((line) => line.includes('on'));
    run[Symbol.dispose]();
    await until(() => app.engine.onces === 0, 'its container is gone');
    expect(app.log.recent().filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('is not run for one who has gone before it could begin', async () => {
    const begun: boolean[] = [];
    const run: RunOnce['run'] = async ({ signal }) => { begun.push(signal.aborted); signal.throwIfAborted(); return { code: 0, outOfMemory: false, message: null }; };
    const answer = runOnce({ hosts: { read: () => ({ kind: 'control', project: null }) }, projects: [sampleProject('shop')], clock: createFakeClock(), runOnce: { run } } as unknown as WebDeps);
    const server = createServer();
    await using listening = await listen(server);
    const asked = request({ host: '127.0.0.1', port: listening.port, method: 'POST' }).on('error', () => undefined).end();
    const [req, res] = await once(server, 'request') as [IncomingMessage, ServerResponse];
    asked.destroy();
    await once(res, 'close');
    await answer(Object.assign(req, { params: { project: 'shop' }, body: WANTED }) as never, res as never, () => undefined);
    expect(begun).toEqual([true]);
  });

  it('says how a release comes back whose image is gone, which is not by another run', async () => {
    await using app = await startServing(() => ({}));
    await app.stop();
    for (const { id, image } of await app.engine.list()) { await app.engine.remove(id); await app.engine.removeImage(image); }
    await app.start();
    const gone = await post(app);
    expect([gone.status, gone.json().error]).toEqual([410, 'image_gone']);
    expect(gone.json().message).toMatch(/^The image of v1 is gone; .* roll back to it with rebuild, publish its commit again, or open the preview/);
    expect(gone.json().message).not.toContain('repeat the call');
    // What it says helps: the preview of the commit has a release with an image.
    const head = app.repository.head();
    expect((await app.get(app.commitHost(head), '/')).json().release).toBe(2);
    expect((await post(app, { ...WANTED, release: 'v2' })).status).toBe(200);
  });

  it('is told with its status what fails before anything was printed, and in a last line what fails after', async () => {
    let output: FakeOnce['output'] = [];
    await using app = await startServing(() => ({ ...forEver, output: output ?? [] }));
    app.engine.down();
    const refused = await post(app);
    expect([refused.status, refused.json().error]).toEqual([503, 'engine_unavailable']);
    app.engine.up();
    output = [{ stream: 'stdout', text: 'on\n' }];
    using run = await openRun(app);
    await run.until((line) => line.includes('on'));
    await app.stop();
    await run.ended;
    expect(JSON.parse(run.lines.at(-1) ?? '')).toEqual({ error: 'shutting_down', message: expect.stringContaining('killed') as string });
  });

  it('does not pass for dead while it prints nothing', async () => {
    const clock = createFakeClock(Date.now());
    await using app = await startServing(() => ({ until: new Promise(() => undefined) }), { clock });
    const opening = openRun(app);
    await until(() => app.engine.onces === 1, 'it runs');
    await clock.advance(15_000);
    using run = await opening;
    expect(await run.until(() => true)).toBe('{"stream":"stdout","text":""}');
    await clock.advance(15_000);
    await until(() => run.lines.length === 2, 'the second one');
  });

  it('changes nothing for the URL that the release serves', async () => {
    await using app = await startServing(() => ({ exit: { code: 1 } }));
    const host = app.commitHost(app.repository.head());
    const [before] = await app.engine.list();
    await post(app);
    expect((await app.get(host, '/')).status).toBe(200);
    expect([await app.engine.list(), app.engine.calls.start]).toEqual([[before], 1]);
    expect((await app.control('/api/status?branch=main')).json()).toMatchObject({ status: 'running', release: 'v1', lastError: null });
  });

  it('X10: what a server that was killed left of it is removed at the next start', async () => {
    await using app = await startTestApp({ started: false });
    app.engine.leaveOnce(`sha256:${'a'.repeat(64)}` as ImageId);
    await app.start();
    expect(app.engine.onces).toBe(0);
    expect(app.log.recent().map(({ message }) => message)).toContain('left-over one-offs removed');
  });
});

describe('what is not run', () => {
  let app: TestApp;
  beforeAll(async () => { app = await startServing(() => ({})); });
  afterAll(async () => { await app[Symbol.asyncDispose](); });

  it.each<[string, unknown, RegExp]>([
    ['an empty body', {}, /“release” must be given\. “command” must be given/],
    ['a text instead of a list', { ...WANTED, command: 'npm run migrate' }, /“command” must be a list/],
    ['a list of anything', { ...WANTED, command: ['sleep', 5] }, /“command\.1” must be a text/],
    ['an empty command', { ...WANTED, command: [] }, /a list of texts/],
    ['a NUL', { ...WANTED, command: ['a\0'] }, /NUL/],
    ['an unknown key', { ...WANTED, env: {} }, /“env”/],
  ])('%s is refused with a sentence', async (_what, body, sentence) => {
    const { status, text } = await post(app, body);
    expect([status, JSON.parse(text)]).toEqual([400, { error: 'invalid_request', message: expect.stringMatching(sentence) as string, requestId: expect.any(String) as string }]);
  });

  it('a body that is no JSON, or too large, is refused with a sentence', async () => {
    const send = (body: string) => app.control(PATH, { method: 'POST', headers: headersOf(app), body });
    const broken = await send('{"release":');
    expect([broken.status, broken.json().message]).toEqual([400, expect.stringContaining('not JSON')]);
    expect((await send(JSON.stringify({ ...WANTED, command: ['x'.repeat(70_000)] }))).status).toBe(413);
  });

  it('what there is not is not found: the release, or the project, with the nearest name', async () => {
    for (const release of ['v99', 'latest']) {
      const answer = await post(app, { ...WANTED, release });
      expect([answer.status, answer.json().error]).toEqual([404, 'unknown_release']);
    }
    const answer = await post(app, WANTED, '/api/projects/repositori/run-once');
    expect([answer.status, answer.json()]).toMatchObject([404, { error: 'unknown_project', projects: ['repository'] }]);
  });

  it('nobody may without the token, nor another method', async () => {
    const before = app.engine.calls.runOnce;
    const body = JSON.stringify(WANTED);
    for (const headers of [{}, { authorization: 'Bearer wrong' }, { 'content-type': 'application/json', 'authorization': 'Basic eA==' }]) {
      expect((await app.control(PATH, { method: 'POST', headers, body })).status).toBe(401);
    }
    expect((await app.control(PATH)).status).toBe(405);
    expect(app.engine.calls.runOnce).toBe(before);
  });
});
