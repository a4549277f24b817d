import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readConnection } from '../../src/cli/connection.js';
import { EXIT, EXIT_MEANINGS } from '../../src/cli/failure.js';
import { ROOT } from '../house/source-files.js';
import { createTestFolder } from '../support/git.js';
import { createProgram } from '../../src/cli/program.js';
import { failure, startApi, type ApiAnswer } from './api-server.js';
import { hastyClock, NOWHERE, runCli, silence, TOKEN } from './run-cli.js';

describe('exit codes', () => {
  it.each([
    ['the server said no', EXIT.failed, failure(409, 'route_busy', { message: 'It is being changed.' })], ['the server failed', EXIT.failed, failure(500, 'internal', { message: 'An unexpected error was logged.' })],
    ['the token is wrong', EXIT.refused, failure(401, 'missing_token', { message: 'The token is not the right one.' })], ['it is forbidden', EXIT.refused, failure(403, 'from_preview_network', { message: 'A preview may not.' })],
    ['the build failed', EXIT.buildFailed, failure(424, 'no_dockerfile', { message: 'There is no Dockerfile.' })],
  ])('tell that %s', async (_what, code, answer) => {
    await using api = await startApi({ 'POST /api/projects/shop/publish': answer });
    expect(await runCli(['publish', 'shop'], api)).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(/^slipway: .+ \(\w+, request req-1\)\n$/) as string });
  });

  it('tell that the server cannot be reached, with the way out', async () => {
    expect(await runCli(['ls'])).toEqual({ code: 3, stdout: '', stderr: `slipway: Cannot reach ${NOWHERE} (ECONNREFUSED): is it running there? Name another with --server or SLIPWAY_SERVER.\n` });
    expect(await runCli(['ls', '--server', 'http://no-such-host.invalid'])).toMatchObject({ code: 3, stderr: expect.stringMatching(/^slipway: Cannot reach http:\/\/no-such-host\.invalid \(E\w+\)/) as string });
  });

  it('tell a change that the server’s end cut off from one that never reached it', async () => {
    const cut: ApiAnswer = (res) => { res.destroy(); };
    const half: ApiAnswer = (res) => { res.writeHead(200, { 'Content-Length': '100' }).write('{"project":'); setImmediate(() => { res.destroy(); }); };
    for (const answer of [cut, half]) {
      await using api = await startApi({ 'POST /api/projects/shop/publish': answer, 'GET /api/projects': answer });
      expect(await runCli(['publish', 'shop'], api)).toEqual({
        code: 3, stdout: '', stderr: `slipway: The connection to ${api.url} broke (ECONNRESET) before its answer was through: what was asked for may have happened, or not. Look with slipway status before you try again.\n`,
      });
      expect(await runCli(['ls'], api)).toEqual({ code: 3, stdout: '', stderr: `slipway: Lost the connection to ${api.url} (ECONNRESET): is it still running there?\n` });
    }
    expect((await runCli(['publish', 'shop'])).stderr).toContain('Cannot reach');
  });

  it('come with the seconds to wait where the server says them', async () => {
    const later = (message: string, seconds?: string): ApiAnswer => ({ status: 503, ...(seconds === undefined ? {} : { headers: { 'Retry-After': seconds } }), json: { error: 'too_busy', message, requestId: 'r' } });
    await using api = await startApi({
      'GET /api/projects': later('Too busy. Try again after Retry-After seconds.', '7'), 'POST /apps/shop/stop': later('Too many. Wait as long as Retry-After says.', '3'), 'POST /apps/shop/restart': later('Too busy. Try again after Retry-After seconds.'),
    });
    expect((await runCli(['ls'], api)).stderr).toBe('slipway: Too busy. Try again after 7 seconds. (too_busy, request r)\n');
    expect((await runCli(['stop', 'shop'], api)).stderr).toBe('slipway: Too many. Wait 3 seconds. (too_busy, request r)\n');
    expect((await runCli(['restart', 'shop'], api)).stderr).toBe('slipway: Too busy. Try again in a moment. (too_busy, request r)\n');
  });

  it.each<[readonly string[], string]>([
    [['--state-dir', '/s', 'ls'], "slipway: unknown option '--state-dir'\n(Options stand behind the command: slipway ls --state-dir DIR)\n"],
    [[], 'Usage: slipway'], [['sttus'], "slipway: unknown command 'sttus'\n(Did you mean status?)"], [['ls', '--jsn'], "slipway: unknown option '--jsn'\n(Did you mean --json?)"], [['ls', 'shop'], "too many arguments for 'ls'"],
    [['config', 'sett', 'shop', 'A=1'], "slipway: unknown command 'sett'\n(Did you mean set?)"], [['ls', '--server'], "option '--server <url>' argument missing"],
    [['ls', '--server', 'localhost:3000'], '“localhost:3000” is not a server: write http://localhost:3000.'], [['ls', '--server', 'http://x/?a=b'], 'is not a server'],
    [['ls', '--server', 'http://ada:pw@localhost'], 'The server’s URL names a user or a password'], [['ls', '--token', 'two words'], 'The token is empty, or holds blanks'],
  ])('tell of wrong usage: %j', async (args, sentence) => {
    await using api = await startApi({});
    const ran = await runCli(args, api);
    expect([ran.code, ran.stdout]).toEqual([2, '']);
    expect(ran.stderr).toContain(sentence);
    expect(ran.stderr).not.toContain('pw@');
    expect(api.requests).toEqual([]);
  });

  it('are in the help and in the README', async () => {
    const { code, stdout, stderr } = await runCli(['--help']);
    expect([code, stderr]).toEqual([0, '']);
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    expect(Object.values(EXIT)).toEqual([...EXIT_MEANINGS.keys()]);
    expect([...EXIT_MEANINGS].filter(([number, meaning]) => !stdout.includes(`  ${number}  ${meaning}\n`))).toEqual([]);
    expect([...EXIT_MEANINGS].filter(([number, meaning]) => !readme.includes(`| ${number} | ${meaning} |`))).toEqual([]);
  });

  it('are all zero for help, and each command is in the README', async () => {
    const { stdout } = await runCli(['--help']);
    const commands = [...stdout.matchAll(/^ {2}([a-z][a-z-]+)/gm)].map(([, name = '']) => name).filter((name) => name !== 'help');
    expect(commands).toEqual(['config', 'status', 'ls', 'releases', 'publish', 'promote', 'rollback', 'update', 'build', 'rebuild', 'view', 'restart', 'stop', 'gc', 'logs', 'tail', 'run-once']);
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    for (const name of commands) expect((await runCli([name, '--help'])).code).toBe(0);
    expect(commands.filter((name) => !new RegExp(`\`${name}[ \`]`).test(readme))).toEqual([]);
  });
});

it('`slipway config` keeps what it does by itself beside set, unset and list', async () => {
  await using api = await startApi({ 'POST /api/projects/shop/config': { json: { changed: false, release: null, releases: [] } } });
  const checked: unknown[] = [];
  const program = createProgram({
    clock: hastyClock, user: 'alice', stdin: silence(), stdout: { write: () => undefined }, stderr: { write: () => undefined },
    settings: { server: api.url, token: TOKEN, stateDir: undefined, defaultStateDir: '/nowhere' },
  });
  program.config.argument('[file]').option('--state-dir <value>').option('--defaults').action((file: unknown, options: unknown) => { checked.push([file, options]); });
  expect(await program.run(['config', 'slipway.yaml', '--state-dir', '/a'])).toBe(0);
  expect(await program.run(['config', 'set', 'shop', 'A=1', '--state-dir', '/b'])).toBe(0);
  expect(checked).toEqual([['slipway.yaml', { stateDir: '/a' }]]);
  expect(api.changes).toHaveLength(1);
});

describe('an answer that is none of Slipway’s', () => {
  const words = /answered something that this version does not understand.*: is it Slipway, and of the same version\?\n$/;
  const status = /answered \d+, and not in Slipway’s words: does --server name the server host of a Slipway\?\n$/;

  it.each([
    { what: 'a page', answer: [200, '<html>'], code: 1, sentence: words }, { what: 'JSON of something else', answer: [200, '{"projects":[]}'], code: 1, sentence: words },
    { what: 'nothing', answer: [200, ''], code: 1, sentence: words }, { what: 'a page of a proxy', answer: [502, '<html>'], code: 1, sentence: status },
    { what: 'a proxy’s refusal', answer: [403, '<html>'], code: 4, sentence: status },
  ] as const)('is told as such: $what', async ({ answer: [number, body], code, sentence }) => {
    await using api = await startApi({ 'GET /api/projects': (res) => { res.writeHead(number).end(body); } });
    for (const args of [['ls'], ['ls', '--json']]) expect(await runCli(args, api)).toEqual({ code, stdout: '', stderr: expect.stringMatching(sentence) as string });
  });

  it('says where a redirect leads instead of going there with the token', async () => {
    await using api = await startApi({ 'GET /api/projects': (res) => { res.writeHead(308, { Location: 'https://elsewhere.example.com/' }).end(); } });
    expect(await runCli(['ls'], api)).toEqual({ code: 1, stdout: '', stderr: `slipway: ${api.url} answered 308, leading to https://elsewhere.example.com/, and not in Slipway’s words: does --server name the server host of a Slipway?\n` });
    expect(api.requests).toHaveLength(1);
  });
});

describe('the server', () => {
  it('is the flag’s, else SLIPWAY_SERVER’s, and may have a path', async () => {
    await using api = await startApi({ 'GET /api/projects': { json: [] }, 'GET /__slipway/api/projects': { json: [] } });
    expect((await runCli(['ls', '--server', api.url])).code).toBe(0);
    expect((await runCli(['ls'], { url: `${api.url}/__slipway/` })).code).toBe(0);
    expect(api.requests.map(({ line }) => line)).toEqual(['GET /api/projects', 'GET /__slipway/api/projects']);
  });

  it('is localhost:3000 where nobody says', () => {
    expect(readConnection({}, { server: undefined, token: 'x', stateDir: undefined, defaultStateDir: '/nowhere' }).server.href).toBe('http://localhost:3000/');
  });
});

describe('the token', () => {
  const sentTo = async (args: readonly string[], options: Parameters<typeof runCli>[1]) => {
    await using api = await startApi({ 'GET /api/projects': { json: [] }, 'POST /apps/shop/stop': failure(401, 'missing_token', { message: 'Changes need a token.' }) });
    await runCli(['ls', ...args], { url: api.url, ...options });
    const refused = await runCli(['stop', 'shop', ...args], { url: api.url, ...options });
    return { sent: api.requests.map(({ headers }) => headers.authorization), refused };
  };

  it('is the flag’s, else SLIPWAY_TOKEN’s', async () => {
    const flag = await sentTo(['--token', 'of-the-flag'], {});
    expect(flag.sent).toEqual(['Bearer of-the-flag', 'Bearer of-the-flag']);
    expect(flag.refused.stderr).toBe('slipway: Changes need a token. The token came from --token. (missing_token, request req-1)\n');
    const variable = await sentTo([], {});
    expect(variable.sent).toEqual([`Bearer ${TOKEN}`, `Bearer ${TOKEN}`]);
    expect(variable.refused.stderr).toContain('The token came from SLIPWAY_TOKEN.');
  });

  it('is else what the server left in its state directory', async () => {
    using folder = createTestFolder();
    const other = join(folder.path, 'other');
    mkdirSync(other);
    writeFileSync(join(folder.path, 'token'), 'slw_kept\n');
    writeFileSync(join(other, 'token'), 'slw_other\n');
    const settings = { token: undefined, defaultStateDir: folder.path };
    const kept = await sentTo([], { settings });
    expect(kept.sent).toEqual(['Bearer slw_kept', 'Bearer slw_kept']);
    expect(kept.refused.stderr).toContain(`The token came from ${folder.path}/token: set SLIPWAY_TOKEN, or name the server’s state directory with --state-dir.`);
    expect((await sentTo(['--state-dir', other], { settings })).sent).toEqual(['Bearer slw_other', 'Bearer slw_other']);
    expect((await sentTo([], { settings: { ...settings, stateDir: other } })).sent).toEqual(['Bearer slw_other', 'Bearer slw_other']);
    const none = await sentTo(['--state-dir', join(folder.path, 'none')], { settings });
    expect(none.sent).toEqual([undefined, undefined]);
    expect(none.refused).toEqual({ code: 4, stdout: '', stderr: expect.stringContaining(`No token was sent, as ${folder.path}/none/token is not there: set SLIPWAY_TOKEN`) as string });
  });

  it('of this machine is not told to others, unless its directory is named', () => {
    using folder = createTestFolder();
    writeFileSync(join(folder.path, 'token'), 'slw_kept\n');
    const tokenFor = (server: string, stateDir?: string) =>
      readConnection({ server, ...(stateDir === undefined ? {} : { stateDir }) }, { server: undefined, token: undefined, stateDir: undefined, defaultStateDir: folder.path });
    for (const server of ['http://localhost:3000', 'http://shop.localhost', 'http://127.0.0.1', 'http://[::1]:3000']) expect(tokenFor(server).token).toBe('slw_kept');
    for (const server of ['https://preview.example.com', 'http://localhost.example.com', 'http://127.0.0.1.example.com', 'http://10.0.0.1']) {
      expect(tokenFor(server)).toMatchObject({ token: undefined, tokenNote: expect.stringContaining('is for localhost') as string });
      expect(tokenFor(server, folder.path).token).toBe('slw_kept');
    }
  });
});

describe('who makes a change', () => {
  it.each<[string | undefined, string | undefined]>([['alice', 'alice'], [undefined, undefined], ['', undefined], ['a\nb', 'ab'], ['ä b', 'ä b'], ['x'.repeat(80), 'x'.repeat(64)]])('%j is recorded as %j', async (user, by) => {
    await using api = await startApi({ 'POST /apps/shop/stop': { json: { count: 1 } } });
    await runCli(['stop', 'shop'], { url: api.url, user });
    expect(api.changes).toEqual([{ line: 'POST /apps/shop/stop', body: by === undefined ? {} : { by } }]);
  });
});
