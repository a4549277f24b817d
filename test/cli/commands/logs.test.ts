import { events, line, startApi, type ApiAnswer } from '../api-server.js';
import { runCli } from '../run-cli.js';
import { stage } from '../samples.js';

const RELEASE_LOG = 'GET /api/projects/shop/releases/v7/log';
const text = (content: string): ApiAnswer => (res) => { res.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' }).end(content); };
const LINES = '2026-03-01T10:00:00.000Z listening\n2026-03-01T10:00:01.000Z bye\n';

describe('slipway logs', () => {
  it('X15: shows what a release printed', async () => {
    await using api = await startApi({ [RELEASE_LOG]: text(LINES) });
    expect(await runCli(['logs', 'shop', '--release', 'v7'], api)).toEqual({ code: 0, stdout: LINES, stderr: '' });
    expect(api.requests.map((request) => request.line)).toEqual([RELEASE_LOG]);
  });

  it('X15: shows what the first stage, or a named one, serves', async () => {
    await using api = await startApi({
      'GET /api/projects/shop/stages': { json: [stage('dev'), stage('test')] }, 'GET /api/projects/shop/stages/dev': { json: stage('dev') }, [RELEASE_LOG]: text(LINES),
      'GET /api/projects/shop/stages/test': { json: stage('test', { release: 'v5' }) }, 'GET /api/projects/shop/releases/v5/log': text('2026-03-01T10:00:00.000Z of v5\n'),
      'GET /api/projects/shop/stages/prod': { json: stage('prod', { release: null }) },
    });
    expect((await runCli(['logs', 'shop'], api)).stdout).toBe(LINES);
    expect((await runCli(['logs', 'shop', '--stage', 'test'], api)).stdout).toContain('of v5');
    expect(await runCli(['logs', 'shop', '--stage', 'prod'], api)).toEqual({ code: 1, stdout: '', stderr: 'slipway: Nothing is released to prod of shop yet: slipway publish shop.\n' });
  });

  it.each([['logs', '-f'], ['logs', '--follow'], ['tail']])('X15: streams on with %s %s, line by line as they come', async (...verb) => {
    await using api = await startApi({
      [`${RELEASE_LOG}?follow=1`]: (res) => {
        res.writeHead(200).write('2026-03-01T10:00:00.000Z first\n2026-');
        setImmediate(() => res.end('03-01T10:00:01.000Z \x1b[2Jsecond\n'));
      },
    });
    expect(await runCli([...verb, 'shop', '--release', '7'], api)).toEqual({ code: 0, stdout: '2026-03-01T10:00:00.000Z first\n2026-03-01T10:00:01.000Z second\n', stderr: '' });
  });

  it('shows what a preview serves, and follows its events', async () => {
    await using api = await startApi({ 'GET /api/previews/branch-x/log?project=shop': text(LINES), 'GET /api/previews/branch-x/events?project=shop': events(['state', { state: 'running' }], line(1, 'one'), line(2, 'two')) });
    expect((await runCli(['logs', 'shop', '--preview', 'branch-x'], api)).stdout).toBe(LINES);
    expect((await runCli(['tail', 'shop', '--preview', 'branch-x'], api)).stdout).toBe('2026-03-01T10:00:00.000Z one\n2026-03-01T10:00:00.000Z two\n');
  });

  it('X4p: shows the log of one process of a set', async () => {
    await using api = await startApi({ [`${RELEASE_LOG}?process=worker`]: text(LINES), [`${RELEASE_LOG}?process=worker&follow=1`]: text(LINES), 'GET /api/previews/branch-x/log?project=shop&process=worker': text(LINES) });
    for (const args of [['logs', 'shop', '--release', 'v7'], ['tail', 'shop', '--release', 'v7'], ['logs', 'shop', '--preview', 'branch-x']]) expect((await runCli([...args, '--process', 'worker'], api)).stdout).toBe(LINES);
  });

  it('shows nothing of what is no log', async () => {
    const page: ApiAnswer = (res) => { res.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end('<html>'); };
    await using api = await startApi({ [RELEASE_LOG]: page, 'GET /api/previews/branch-x/events': page });
    for (const args of [['logs', 'shop', '--release', 'v7'], ['tail', 'shop', '--preview', 'branch-x']]) {
      expect(await runCli(args, api)).toEqual({ code: 1, stdout: '', stderr: `slipway: ${api.url} answered 200 with text/html; charset=utf-8, and not in Slipway’s words: does --server name the server host of a Slipway?\n` });
    }
  });

  it('ends with 3 when the connection breaks off', async () => {
    await using api = await startApi({ [RELEASE_LOG]: (res) => { res.writeHead(200, { 'Content-Length': '100' }).write('2026-03-01T10:00:00.000Z first\n'); setImmediate(() => { res.destroy(); }); } });
    expect(await runCli(['logs', 'shop', '--release', 'v7'], api)).toEqual({ code: 3, stdout: '2026-03-01T10:00:00.000Z first\n', stderr: expect.stringContaining(`slipway: Lost the connection to ${api.url} (ECONNRESET)`) as string });
  });

  it.each<[string, readonly string[], string]>([
    ['a release and a stage', ['logs', 'shop', '--release', 'v7', '--stage', 'dev'], "option '--release <release>' cannot be used with option '--stage <name>'"],
    ['a stage and a preview', ['tail', 'shop', '--stage', 'dev', '--preview', 'branch-x'], "option '--stage <name>' cannot be used with option '--preview <label>'"],
    ['a preview’s process, which cannot be followed', ['tail', 'shop', '--preview', 'branch-x', '--process', 'worker'], 'name the --release, or leave --process away.'],
    ['JSON, which a log is not', ['logs', 'shop', '--json'], "unknown option '--json'"],
  ])('does not take %s', async (_what, args, sentence) => {
    await using api = await startApi({});
    expect(await runCli(args, api)).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(sentence) as string });
    expect(api.requests).toEqual([]);
  });
});
