import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { containersWith } from '../support/real-docker.js';
import { createSampleRepository, scriptDockerfile, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

const NOWHERE = '127.0.0.1:9/nobody/nothing:1';
const HUNGRY = 'console.log("eating"); const kept = []; for (;;) kept.push(Buffer.alloc(4 * 1024 * 1024, 1));\n';
const LOCAL = "require('node:http').createServer((_req, res) => res.end()).listen(3000, '127.0.0.1');\n";

interface Failure { readonly error: string; readonly message: string; readonly lastLines?: readonly string[] }

describe('a branch that does not work', () => {
  let sample: SampleRepository;
  let server: ServerProcess;

  beforeAll(async () => {
    sample = await createSampleRepository();
    await sample.commit('more/missing-base', { Dockerfile: `FROM ${NOWHERE}\nRUN exit 1\n` });
    await sample.commit('more/hungry', { Dockerfile: scriptDockerfile('hungry.cjs'), 'hungry.cjs': HUNGRY });
    await sample.commit('more/loopback', { Dockerfile: scriptDockerfile('local.cjs'), 'local.cjs': LOCAL });
    await sample.commit('more/wrong-command', { Dockerfile: 'FROM slipway-demo/node\nCOPY look.json /\nCMD ["no-such-command"]\n' });
    await sample.commit('more/no-command', { Dockerfile: 'FROM scratch\nCOPY look.json /\n' });
    server = await startServer({ repository: sample.path, args: ['--run-ready-timeout', '3s', '--run-memory', '64MiB'] });
  }, 120_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  const hostOf = async (branch: string) => `hash-${await sample.git('rev-parse', `refs/heads/${branch}`)}.localhost`;
  const ask = async (branch: string) => {
    const { status, text } = await server.get(await hostOf(branch), '/');
    return { ...JSON.parse(text) as Failure, status };
  };
  /** What a person sees, who comes after a program has. */
  const page = async (branch: string) => server.visit(await hostOf(branch), '/');

  it('answers 424 with the lines that say why the build failed', async () => {
    const failure = await ask('broken/build');
    expect(failure).toMatchObject({ status: 424, error: 'build_failed' });
    const shown = await page('broken/build');
    expect(shown.status).toBe(424);
    expect(shown.text).toContain('src/cart.ts(12,7): error TS2322: a number is not a price');
    expect(shown.text).toMatch(/href="http:\/\/localhost:\d+\/builds\/b_\w{26}"/);
    expect(await server.status('branch=broken/build')).toMatchObject({ status: 'error', build: { status: 'failed' }, lastError: { code: 'build_failed' } });
    expect((await server.get('localhost', '/status?branch=broken/build')).text).toBe('FAIL');
  }, 60_000);

  it('keeps the log of the failed build, whole, on its page and as text', async () => {
    await ask('broken/build');
    const { build } = await server.status('branch=broken/build');
    const log = await server.get('localhost', `/api/builds/${build?.id ?? ''}/log`);
    expect(log.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(log.text).toMatch(/^\S+Z build b_\w{26} of commit [0-9a-f]{40}/);
    expect(log.text).toContain('Checking the types');
    expect(log.text).toMatch(/failed after \d+\.\d s: .*exit code: 3/);
    expect((await server.visit('localhost', `/builds/${build?.id ?? ''}`)).text).toContain('error TS2322');
  }, 60_000);

  it('does not build again what failed, however often it is opened', async () => {
    await ask('broken/build');
    const first = (await server.status('branch=broken/build')).build?.id;
    await Promise.all([ask('broken/build'), ask('broken/build'), page('broken/build')]);
    expect((await server.status('branch=broken/build')).build?.id).toBe(first);
  }, 60_000);

  it('names the Dockerfile that is not there', async () => {
    expect(await ask('broken/no-dockerfile')).toMatchObject({ status: 424, error: 'no_dockerfile' });
    const shown = await page('broken/no-dockerfile');
    expect([shown.status, shown.text.includes('Add a Dockerfile')]).toEqual([424, true]);
  });

  it('E18: puts the pull’s own error first when the base image cannot be had, within a minute', async () => {
    const begun = performance.now();
    const answer = await server.get('localhost', '/api/wait?branch=more/missing-base&timeout=90s');
    expect(performance.now() - begun).toBeLessThan(60_000);
    expect(answer.status).toBe(424);
    const { error, message } = JSON.parse(answer.text) as Failure;
    expect(error).toBe('build_failed');
    expect(message).toMatch(/^The base image “127\.0\.0\.1:9\/nobody\/nothing:1” .*connection refused/);
    expect(message).not.toContain('exit code');
    expect((await page('more/missing-base')).text).toContain('connection refused');
  }, 120_000);

  it('K13: answers 502 with the exit code and the last lines of an application that ends', async () => {
    const failure = await ask('broken/crash');
    expect(failure).toMatchObject({ status: 502, error: 'crashed' });
    expect(failure.message).toMatch(/It exited with code 7 after \d+\.\d s\./);
    expect(failure.lastLines).toContain('Error: DATABASE_URL is not set');
    const shown = await page('broken/crash');
    expect(shown.status).toBe(502);
    expect(shown.text).toMatch(/exited with code 7[^]*Error: DATABASE_URL is not set/);
  }, 60_000);

  it('keeps the output of an application that ended', async () => {
    await ask('broken/crash');
    const label = (await hostOf('broken/crash')).replace('.localhost', '');
    const log = await server.get('localhost', `/api/previews/${label}/log`);
    expect([log.status, log.text.trimEnd()]).toEqual([200, expect.stringMatching(/^\S+Z Error: DATABASE_URL is not set$/)]);
  }, 60_000);

  it('K14: answers 504 that names the port on which nothing listens', async () => {
    const failure = await ask('broken/never-listens');
    expect(failure).toMatchObject({ status: 504, error: 'start_timeout', lastLines: ['Warming up, for ever'] });
    expect(failure.message).toContain('Nothing listened on port 3000 within 3 s.');
  }, 60_000);

  it('K16: names the port that the application listens on instead', async () => {
    const failure = await ask('broken/wrong-port');
    expect(failure).toMatchObject({ status: 504, error: 'start_timeout' });
    expect(failure.message).toContain('It listens on 8080 instead');
    expect((await page('broken/wrong-port')).text).toContain('It listens on 8080 instead');
  }, 60_000);

  it('K16: says that the application listens on loopback only', async () => {
    const failure = await ask('more/loopback');
    expect(failure).toMatchObject({ status: 504, error: 'start_timeout' });
    expect(failure.message).toContain('It listens on 127.0.0.1:3000 only: let it listen on 0.0.0.0');
  }, 60_000);

  it('F4: says out of memory, with the limit and the last lines', async () => {
    const failure = await ask('more/hungry');
    expect(failure).toMatchObject({ status: 502, error: 'crashed', lastLines: ['eating'] });
    expect(failure.message).toMatch(/It ran out of memory after \d+\.\d s: the limit is 64 MiB\./);
  }, 60_000);

  it('E17: quotes the engine when the command is not there', async () => {
    const failure = await ask('more/wrong-command');
    expect(failure).toMatchObject({ status: 502, error: 'crashed' });
    expect(failure.message).toContain('It exited with code 127 (its command was not found)');
    expect(failure.lastLines?.join()).toContain('exec no-such-command failed: No such file or directory');
  }, 60_000);

  it('E17: quotes the engine when there is no command at all', async () => {
    const failure = await ask('more/no-command');
    expect(failure).toMatchObject({ status: 502, error: 'start_failed' });
    expect(failure.message).toMatch(/no command specified/i);
  }, 60_000);

  it('leaves no container of what failed', async () => {
    await Promise.all(['broken/crash', 'more/no-command', 'broken/build'].map(ask));
    expect((await containersWith(server.label)).map(({ Names }) => Names)).toEqual([]);
  }, 60_000);
});
