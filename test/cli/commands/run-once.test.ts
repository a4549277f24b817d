import { createProgram } from '../../../src/cli/program.js';
import { failure, startApi, type ApiAnswer } from '../api-server.js';
import { hastyClock, runCli, silence } from '../run-cli.js';

const RUN_ONCE = 'POST /api/projects/shop/run-once';
const ndjson = (...lines: readonly object[]): ApiAnswer => (res) => { res.writeHead(200, { 'Content-Type': 'application/x-ndjson' }).end(lines.map((each) => `${JSON.stringify(each)}\n`).join('')); };
const run = (...command: readonly string[]) => ['run-once', 'shop', '--release', 'v7', '--', ...command];

describe('slipway run-once', () => {
  it('X16: prints both outputs and ends with the command’s own code', async () => {
    await using api = await startApi({ [RUN_ONCE]: ndjson({ stream: 'stdout', text: 'migrated 3\n' }, { stream: 'stderr', text: 'a warning\n' }, { stream: 'stdout', text: 'no line end' }, { exit: 3 }) });
    expect(await runCli(run('sh', '-c', 'exit 3'), api)).toEqual({ code: 3, stdout: 'migrated 3\nno line end', stderr: 'a warning\n' });
    expect(api.changes).toEqual([{ line: RUN_ONCE, body: { release: 'v7', command: ['sh', '-c', 'exit 3'], by: 'alice' } }]);
  });

  it('X16: leaves the command its own options, ours included', async () => {
    await using api = await startApi({ [RUN_ONCE]: ndjson({ exit: 0 }) });
    expect(await runCli(run('npm', 'run', 'migrate', '--json', '--help', '--', '-x', ''), api)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(api.changes).toMatchObject([{ body: { command: ['npm', 'run', 'migrate', '--json', '--help', '--', '-x', ''] } }]);
  });

  it('X16: prints as it comes', async () => {
    let printed: () => void = () => undefined;
    const seen = new Promise<void>((resolve) => { printed = resolve; });
    await using api = await startApi({
      [RUN_ONCE]: async (res) => {
        res.writeHead(200).write('{"stream":"stdout","text":"now\\n"}\n{"stream":"std');
        // Ends only once the first line is out.
        await seen;
        res.end('err","text":"later\\n"}\n{"exit":0}\n');
      },
    });
    let stdout = '';
    const program = createProgram({
      clock: hastyClock, user: undefined, stdin: silence(), settings: { server: api.url, token: 'x', stateDir: undefined, defaultStateDir: '/nowhere' },
      stdout: { write: (text) => { stdout += text; printed(); } }, stderr: { write: (text) => { stdout += `(${text})`; } },
    });
    expect([await program.run(run('x')), stdout]).toEqual([0, 'now\n(later\n)']);
  });

  it('X16: says on stderr what the exit code does not, and why a command was cut short', async () => {
    await using killed = await startApi({ [RUN_ONCE]: ndjson({ stream: 'stdout', text: 'half\n' }, { exit: 137, message: 'It ran out of \x1b[31mmemory.' }) });
    expect(await runCli(run('x'), killed)).toEqual({ code: 137, stdout: 'half\n', stderr: 'slipway: It ran out of memory.\n' });
    await using late = await startApi({ [RUN_ONCE]: ndjson({ stream: 'stdout', text: 'half\n' }, { error: 'command_timeout', message: 'The command took longer than 60 minutes, and was killed.' }) });
    expect(await runCli(run('x'), late)).toEqual({ code: 1, stdout: 'half\n', stderr: 'slipway: The command took longer than 60 minutes, and was killed.\n' });
  });

  it('X16: says what went wrong before or while it ran', async () => {
    await using gone = await startApi({ [RUN_ONCE]: failure(410, 'image_gone', { message: 'The image of v7 is gone.' }) });
    expect(await runCli(run('x'), gone)).toEqual({ code: 1, stdout: '', stderr: 'slipway: The image of v7 is gone. (image_gone, request req-1)\n' });
    await using lost = await startApi({ [RUN_ONCE]: ndjson({ stream: 'stdout', text: 'half\n' }, { error: 'engine_unavailable', message: 'The engine is gone.' }) });
    expect(await runCli(run('x'), lost)).toEqual({ code: 1, stdout: 'half\n', stderr: 'slipway: The engine is gone.\n' });
    await using cut = await startApi({ [RUN_ONCE]: ndjson({ stream: 'stdout', text: 'half\n' }) });
    expect(await runCli(run('x'), cut)).toMatchObject({ code: 3, stdout: 'half\n', stderr: expect.stringContaining('The server ended before the command did') as string });
    await using strange = await startApi({ [RUN_ONCE]: ndjson({ exit: 'three' }) });
    expect(await runCli(run('x'), strange)).toMatchObject({ code: 1, stderr: expect.stringContaining('answered something that this version does not understand') as string });
  });

  it('says where -- stands to who left it away', async () => {
    await using api = await startApi({ [RUN_ONCE]: ndjson({ error: 'queue_full', message: 'Four run. Try again after Retry-After seconds.' }) });
    const { code, stderr } = await runCli(['run-once', 'shop', '--release', 'v1', 'sh', '-c', 'exit 3'], api);
    expect([code, stderr]).toEqual([2, "slipway: unknown option '-c'\n(Write -- before the command to run: slipway run-once PROJECT --release v7 -- sh -c \"exit 3\")\n"]);
    expect((await runCli(['run-once', 'shop', '--releas', 'v1', '--', 'x'], api)).stderr).not.toContain('Write --');
    expect((await runCli(run('x'), api)).stderr).toBe('slipway: Four run. Try again in a moment.\n');
  });

  it.each<[string, readonly string[], string]>([
    ['no release', ['run-once', 'shop', '--', 'x'], "required option '--release <release>' not specified"],
    ['no command', ['run-once', 'shop', '--release', 'v7', '--'], "missing required argument 'command'"],
  ])('does not take %s', async (_what, args, sentence) => {
    await using api = await startApi({});
    expect(await runCli(args, api)).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(sentence) as string });
    expect(api.requests).toEqual([]);
  });
});
