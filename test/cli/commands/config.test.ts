import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTestFolder } from '../../support/git.js';
import { failure, startApi, type Api } from '../api-server.js';
import { runCli, type Ran } from '../run-cli.js';

const CONFIG = 'POST /api/projects/shop/config';
const CHANGED = { project: 'shop', scope: 'project', changed: true, release: 'v8', releases: [{ route: 'dev', release: 'v8', error: null }, { route: 'test', release: null, error: null }] };

const usage = (sentence: string): Ran => ({ code: 2, stdout: '', stderr: expect.stringContaining(sentence) as string });

describe('slipway config set', () => {
  it('X9: sets variables, and says which release has them', async () => {
    await using api = await startApi({ [CONFIG]: { json: CHANGED } });
    expect(await runCli(['config', 'set', 'shop', 'API=https://x/?a=b', 'EMPTY='], api)).toEqual({ code: 0, stdout: 'dev serves v8.\ntest serves on as it is.\n', stderr: '' });
    expect((await runCli(['config', 'set', 'shop', 'A=1', '--stage', 'test', '--json'], api)).stdout).toBe(`${JSON.stringify(CHANGED)}\n`);
    await runCli(['config', 'set', 'shop', 'A=1', '--env', 'jetpack'], api);
    expect(api.changes).toEqual([
      { line: CONFIG, body: { set: { API: 'https://x/?a=b', EMPTY: '' }, by: 'alice' } }, { line: `${CONFIG}?stage=test`, body: { set: { A: '1' }, by: 'alice' } },
      { line: `${CONFIG}?env=jetpack`, body: { set: { A: '1' }, by: 'alice' } },
    ]);
  });

  it('X9n: says so where nothing changes', async () => {
    await using api = await startApi({ [CONFIG]: { json: { ...CHANGED, changed: false } } });
    expect(await runCli(['config', 'set', 'shop', 'A=1'], api)).toEqual({ code: 0, stdout: 'Nothing changed: v8 has it already.\n', stderr: '' });
  });

  it('says so where nothing runs yet that could take it up', async () => {
    await using api = await startApi({ [CONFIG]: { json: { ...CHANGED, release: null, releases: [] } } });
    expect((await runCli(['config', 'set', 'shop', 'A=1'], api)).stdout).toBe('Recorded; the next release has it.\n');
  });

  it('ends with 1 where a route did not take it up', async () => {
    await using api = await startApi({ [CONFIG]: { json: { ...CHANGED, releases: [{ route: 'dev', release: 'v8', error: null }, { route: 'test', release: null, error: { code: 'unhealthy', message: 'Release v9: not healthy after 30 s.' } }] } } });
    expect(await runCli(['config', 'set', 'shop', 'A=1'], api)).toEqual({ code: 1, stdout: 'dev serves v8.\n', stderr: 'slipway: Recorded, but not taken up everywhere. test: Release v9: not healthy after 30 s.\n' });
  });

  it('says nothing of a next release where no route took it up, and shows what the application printed', async () => {
    const failed = (route: string, ...lastLines: readonly string[]) => ({ route, release: null, error: { code: 'crashed', message: 'It stopped.', lastLines } });
    await using one = await startApi({ [CONFIG]: { json: { ...CHANGED, releases: [failed('dev', 'no API', '\x1b[31mbye')] } } });
    expect(await runCli(['config', 'set', 'shop', 'A=1'], one)).toEqual({ code: 1, stdout: '', stderr: 'no API\nbye\nslipway: Recorded, but taken up nowhere. dev: It stopped.\n' });
    await using two = await startApi({ [CONFIG]: { json: { ...CHANGED, releases: [failed('dev', 'no API'), failed('test', 'bye')] } } });
    expect(await runCli(['config', 'set', 'shop', 'A=1'], two)).toEqual({ code: 1, stdout: '', stderr: 'dev: no API\ntest: bye\nslipway: Recorded, but taken up nowhere. dev: It stopped. test: It stopped.\n' });
  });

  it.each([['TOKEN s3cr3t'], ['A=1', 'TOKEN', 's3cr3t'], ['TOKEN s3cr3t=='], ['s3cr3t-=='], ['--secret', 'TOKEN s3cr3t'], ['--secret-file', 'TOKEN s3cr3t'], ['--secret', 'TOKEN: s3cr3t==']])('X12: repeats nothing that may be a secret: %j', async (...args) => {
    await using api = await startApi({});
    const { code, stderr } = await runCli(['config', 'set', 'shop', ...args], api);
    expect([code, stderr.includes('s3cr3t'), api.requests]).toEqual([2, false, []]);
  });

  it.each<[string, readonly string[], string]>([
    ['a name without a value', ['API'], 'There is no “=” in what is to be set: write NAME=value. What stands there is not repeated here, as it may be a secret.'],
    ['what is no name', ['A B=1'], 'What is given for a name is not the name of a variable: that has letters'],
    ['no name', ['=1'], 'is not the name of a variable'],
    ['a name of Slipway’s own', ['PORT=1'], 'PORT is given by Slipway itself; use another name.'],
    ['a name twice', ['A=1', 'A=2'], 'A is given twice.'],
    ['a variable that is a secret as well', ['A=1', '--secret', 'A'], 'A is given twice.'],
    ['nothing', [], 'Nothing to set: write NAME=value, --secret NAME or --secret-file NAME=FILE.'],
    ['two places', ['A=1', '--stage', 'dev', '--env', 'x'], "option '--stage <name>' cannot be used with option '--env <name>'"],
    ['an unknown option', ['A=1', '--secrets', 'A'], "unknown option '--secrets'"],
  ])('does not take %s', async (_what, args, sentence) => {
    await using api = await startApi({});
    expect(await runCli(['config', 'set', 'shop', ...args], api)).toEqual(usage(sentence));
    expect(api.requests).toEqual([]);
  });
});

describe('X12: the secrets of slipway config set', () => {
  const SECRET = 's3cr3t=“ä”';
  let api: Api;
  beforeEach(async () => { api = await startApi({ [CONFIG]: { json: CHANGED } }); });
  afterEach(() => api[Symbol.asyncDispose]());

  const set = (args: readonly string[], stdin: string) => runCli(['config', 'set', 'shop', ...args], { url: api.url, stdin });

  it.each(['', '\n', '\r\n'])('are read from stdin, a line each, and shown nowhere (ended by %j)', async (end) => {
    const ran = await set(['API=x', '--secret', 'TOKEN', '--secret', 'KEY'], `${SECRET}\nother secret${end}`);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(api.changes).toEqual([{ line: CONFIG, body: { set: { API: 'x' }, secrets: { TOKEN: SECRET, KEY: 'other secret' }, by: 'alice' } }]);
    expect(JSON.stringify([ran, api.requests.map(({ line, headers }) => [line, headers])])).not.toContain('s3cr3t');
  });

  it('are never arguments, and the refusal does not repeat them', async () => {
    const ran = await set(['--secret', 'TOKEN=s3cr3t'], '');
    expect(ran).toEqual(usage('Give --secret the name TOKEN only: the value is read from stdin'));
    expect(ran.stderr).not.toContain('s3cr3t');
    expect(api.requests).toEqual([]);
  });

  it.each([
    { value: 'is not there', args: ['--secret', 'TOKEN'], stdin: '', sentence: 'There is no value for TOKEN: give a line for each --secret on stdin, or run it at a terminal.' },
    { value: 'is not there for one of two', args: ['--secret', 'A', '--secret', 'B'], stdin: 's3cr3t\n', sentence: 'There is no value for B' },
    { value: 'is empty', args: ['--secret', 'A', '--secret', 'B'], stdin: '\ns3cr3t\n', sentence: 'The value of A is empty. To take a setting away: slipway config unset.' },
    { value: 'has several lines', args: ['--secret', 'KEY'], stdin: '-----BEGIN\ns3cr3t\n-----END\n', sentence: 'There is more than one line for a secret. Read a value of several lines with --secret-file NAME=FILE.' },
  ])('are refused where the value $value', async ({ args, stdin, sentence }) => {
    const ran = await set(args, stdin);
    expect(ran).toEqual(usage(sentence));
    expect(ran.stderr).not.toContain('s3cr3t');
    expect(api.requests).toEqual([]);
  });

  it('are read from files, without the last line end', async () => {
    using folder = createTestFolder();
    const path = (name: string, content: string | Uint8Array) => { writeFileSync(join(folder.path, name), content); return join(folder.path, name); };
    const key = path('key=1.pem', '-----BEGIN\ns3cr3t\n-----END\n');
    expect(await set(['--secret-file', `KEY=${key}`], '')).toMatchObject({ code: 0, stderr: '' });
    expect(api.changes.map(({ body }) => body)).toEqual([{ secrets: { KEY: '-----BEGIN\ns3cr3t\n-----END' }, by: 'alice' }]);
    expect(await set(['--secret-file', `KEY=${folder.path}/none`], '')).toEqual(usage(`The file ${folder.path}/none cannot be read (ENOENT).`));
    expect(await set(['--secret-file', `KEY=${path('bytes', Uint8Array.of(0xff, 0xfe))}`], '')).toEqual(usage('is not text in UTF-8'));
    expect(await set(['--secret-file', `KEY=${path('nothing', '\n')}`], '')).toEqual(usage('The value of KEY is empty.'));
    expect(await set(['--secret-file', 'KEY'], '')).toEqual(usage('There is no “=” in what is to be set: write --secret-file NAME=FILE.'));
  });

  it('are read from no file that has no end, or more than a variable can hold', async () => {
    using folder = createTestFolder();
    const path = join(folder.path, 'key');
    expect(await set(['--secret-file', 'KEY=/dev/zero'], '')).toEqual(usage('/dev/zero is neither a file nor a pipe.'));
    expect(await set(['--secret-file', `KEY=${folder.path}`], '')).toEqual(usage(`${folder.path} is neither a file nor a pipe.`));
    writeFileSync(path, `${'x'.repeat(64 * 1024)}\r\n`);
    expect((await set(['--secret-file', `KEY=${path}`], '')).code).toBe(0);
    writeFileSync(path, 'x'.repeat(64 * 1024 + 3));
    expect(await set(['--secret-file', `KEY=${path}`], '')).toEqual(usage(`The file ${path} is longer than the 64 KiB that a variable can hold.`));
    expect(api.changes).toHaveLength(1);
  });

  it('are not in what is said when the server refuses them', async () => {
    await using refusing = await startApi({ [CONFIG]: failure(400, 'invalid_request', { message: 'TOKEN is a build argument.' }) });
    const ran = await runCli(['config', 'set', 'shop', '--secret', 'TOKEN'], { url: refusing.url, stdin: 's3cr3t\n' });
    expect(ran).toEqual({ code: 1, stdout: '', stderr: 'slipway: TOKEN is a build argument. (invalid_request, request req-1)\n' });
  });
});

describe('slipway config unset', () => {
  it('takes settings away', async () => {
    await using api = await startApi({ [CONFIG]: { json: CHANGED } });
    expect((await runCli(['config', 'unset', 'shop', 'API', 'TOKEN', '--stage', 'test'], api)).stdout).toBe('dev serves v8.\ntest serves on as it is.\n');
    expect(api.changes).toEqual([{ line: `${CONFIG}?stage=test`, body: { unset: ['API', 'TOKEN'], by: 'alice' } }]);
    expect(await runCli(['config', 'unset', 'shop'], api)).toEqual(usage("missing required argument 'name'"));
    expect(await runCli(['config', 'unset', 'shop', 'A=1'], api)).toEqual(usage('is not the name of a variable'));
  });
});

describe('slipway config list', () => {
  it('X12: shows of a secret that it is there, and a digest', async () => {
    const answer = {
      scope: 'stage:test', settings: [
        { name: 'API', value: 'https://x\nsecond', digest: null, at: '2026-03-01T10:00:00.000Z', by: 'alice' }, { name: 'TOKEN', value: null, digest: 'f00d'.repeat(16), at: '2026-03-02T10:00:00.000Z', by: 'ci' },
      ],
    };
    await using api = await startApi({ 'GET /api/projects/shop/config?stage=test': { json: answer }, 'GET /api/projects/shop/config': { json: { scope: 'project', settings: [] } } });
    expect((await runCli(['config', 'list', 'shop', '--stage', 'test'], api)).stdout).toBe([
      'NAME   VALUE                        SET                  BY',
      'API    https://x\\nsecond            2026-03-01 10:00:00  alice',
      'TOKEN  secret, digest f00df00df00d  2026-03-02 10:00:00  ci',
      '',
    ].join('\n'));
    expect((await runCli(['config', 'list', 'shop', '--stage', 'test', '--json'], api)).stdout).toBe(`${JSON.stringify(answer)}\n`);
    expect((await runCli(['config', 'list', 'shop'], api)).stdout).toBe('Nothing is set (project).\n');
  });
});
