import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { openLines, type LineReader } from '../support/lines.js';
import { containersWith } from '../support/real-docker.js';
import { createSampleRepository, scriptDockerfile, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

/** Answers with a file of its own, and lets anybody overwrite it. */
const APP = `
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
createServer((request, response) => {
  if (request.url === '/overwrite') writeFileSync('/app/answer.txt', 'overwritten');
  response.end(readFileSync('/app/answer.txt', 'utf8'));
}).listen(process.env.PORT);
process.on('SIGTERM', () => process.exit(0));
`;

describe('a command that is run once with a release', () => {
  let sample: SampleRepository;
  let server: ServerProcess;
  let host: string;
  let token: string;

  const open = (command: readonly string[]): Promise<LineReader> => openLines(server, {
    host: 'localhost', path: `/api/projects/${sample.project}/run-once`, method: 'POST', headers: { authorization: `Bearer ${token}` }, body: JSON.stringify({ release: 'v1', command }),
  });
  const run = async (...command: string[]) => {
    using reader = await open(command);
    await reader.ended;
    const lines = reader.lines.map((line) => JSON.parse(line) as { stream?: string; text?: string; exit?: number; error?: string });
    const printed = (stream: string) => lines.flatMap((line) => (line.stream === stream ? [line.text] : [])).join('');
    return { stdout: printed('stdout'), stderr: printed('stderr'), last: lines.at(-1) };
  };
  const onces = async () => (await containersWith(server.label)).filter(({ Labels }) => Labels['slipway.once'] === '1');
  const serving = async () => (await containersWith(server.label)).filter(({ Labels }) => Labels['slipway.once'] !== '1').map(({ Id }) => Id);

  beforeAll(async () => {
    sample = await createSampleRepository();
    const commit = await sample.commit('once', { Dockerfile: scriptDockerfile('once.mjs'), 'once.mjs': APP, 'answer.txt': 'as built' });
    host = `hash-${commit}.localhost`;
    server = await startServer({ repository: sample.path });
    token = await server.token();
    expect((await server.get(host, '/')).text).toBe('as built');
  }, 120_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  it('X16: passes its exit code on, prints on both streams, and its container is removed', async () => {
    const ran = await run('sh', '-c', 'echo out; echo err >&2; printf "no end"; exit 3');
    expect(ran).toEqual({ stdout: 'out\nno end', stderr: 'err\n', last: { exit: 3 } });
    expect(await onces()).toEqual([]);
  });

  it('X16: is told what its release is, with its port and settings', async () => {
    const { stdout } = await run('node', '-p', 'JSON.stringify([process.env.SLIPWAY_RELEASE, process.env.SLIPWAY_BRANCH, process.env.PORT, process.cwd()])');
    expect(JSON.parse(stdout)).toEqual(['v1', 'once', '3000', '/app']);
  });

  it('X16: gives on what it prints while it runs, and is killed when nobody reads any more', async () => {
    const reader = await open(['sh', '-c', 'echo begun; sleep 600; echo never']);
    expect(await reader.until((line) => line.includes('begun'))).toBe('{"stream":"stdout","text":"begun\\n"}');
    expect((await onces()).map(({ State }) => State)).toEqual(['running']);
    reader[Symbol.dispose]();
    await eventually(async () => (await onces()).length === 0, { what: 'its container is gone' });
  });

  it('X5: what it writes changes nothing for the served URL', async () => {
    const before = await serving();
    const ran = await run('sh', '-c', 'echo changed > /app/answer.txt && cat /app/answer.txt');
    expect(ran).toEqual({ stdout: 'changed\n', stderr: '', last: { exit: 0 } });
    expect((await server.get(host, '/')).text).toBe('as built');
    expect(await serving()).toEqual(before);
    expect((await run('cat', '/app/answer.txt')).stdout).toBe('as built');
  });

  it('X5: what the application itself writes is not there for a command either', async () => {
    expect((await server.get(host, '/overwrite')).text).toBe('overwritten');
    expect((await run('cat', '/app/answer.txt')).stdout).toBe('as built');
  });

  it('X15: is not in the log of its release, which has what the application printed', async () => {
    await run('echo', 'of a command');
    const { status, text } = await server.get('localhost', `/api/projects/${sample.project}/releases/v1/log`);
    expect([status, text.includes('of a command')]).toEqual([200, false]);
  });

  it('X10: is removed when the server starts that was killed meanwhile, and what serves goes on', async () => {
    const before = await serving();
    const reader = await open(['sh', '-c', 'echo begun; sleep 600']);
    await reader.until((line) => line.includes('begun'));
    await server.kill('SIGKILL');
    await reader.ended;
    expect((await onces()).map(({ State }) => State)).toEqual(['running']);
    await server.restart();
    await eventually(async () => (await onces()).length === 0, { what: 'it is removed' });
    expect((await server.get(host, '/')).status).toBe(200);
    expect(await serving()).toEqual(before);
  });

  it('X16: a server that stops takes it along', async () => {
    const reader = await open(['sh', '-c', 'echo begun; sleep 600']);
    await reader.until((line) => line.includes('begun'));
    expect(await server.kill('SIGTERM')).toMatchObject({ code: 0 });
    await reader.ended;
    expect(JSON.parse(reader.lines.at(-1) ?? '{}')).toMatchObject({ error: 'shutting_down' });
    expect(await onces()).toEqual([]);
  });
});
