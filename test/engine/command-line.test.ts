import { execFile } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createSampleRepository, scriptDockerfile, unbuilt, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type Ended, type ServerProcess } from '../support/server-process.js';

const FAILING = 'FROM slipway-demo/node\nRUN echo checking && sleep 1 && echo "not ok" && exit 3\n';

describe('the command line, as a process of its own', () => {
  let sample: SampleRepository;
  let server: ServerProcess;

  const slipway = (args: readonly string[], stdin = '', more: Readonly<Record<string, string>> = { SLIPWAY_STATE_DIR: server.stateDir }) => new Promise<Omit<Ended, 'signal'>>((resolve) => {
    const { PATH = '/usr/bin:/bin' } = process.env;
    // The port is not the default one, and neither is the state directory; nothing else is told.
    const env = { PATH, SLIPWAY_SERVER: `http://127.0.0.1:${server.port}`, ...more };
    const child = execFile(process.execPath, ['dist/main.js', ...args], { env }, (error, stdout, stderr) => { resolve({ code: error ? Number(error.code) : 0, stdout, stderr }); });
    child.stdin?.end(stdin);
  });

  beforeAll(async () => {
    sample = await createSampleRepository();
    await sample.commit('main', { 'Dockerfile': scriptDockerfile('server.mjs'), ...unbuilt() });
    await sample.commit('failing', { Dockerfile: FAILING, ...unbuilt() });
    server = await startServer({ config: `projects:\n  ${sample.project}:\n    repository: ${sample.path}\n    publish: main\n    stages: { dev: {}, test: {} }\n` });
  }, 120_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 120_000);

  it('publishes, promotes, changes settings and goes back', async () => {
    const { project } = sample;
    expect(await slipway(['publish', project])).toEqual({ code: 0, stdout: expect.stringMatching(new RegExp(`^${project} dev serves v\\d+ `)), stderr: '' });
    expect((await slipway(['promote', project, '--stage', 'test'])).stdout).toMatch(new RegExp(`^${project} test serves v\\d+ `));
    expect(await slipway(['config', 'set', project, 'GREETING=hello', '--secret', 'TOKEN', '--stage', 'dev'], 's3cr3t\n')).toEqual({ code: 0, stdout: expect.stringMatching(/^dev serves v\d+\.\n$/), stderr: '' });
    const before = await slipway(['releases', project, '--json']);
    expect(await slipway(['rollback', project])).toMatchObject({ code: 0, stdout: expect.stringMatching(/\(commit \w{12}, as v\d+ was\)/) });
    // X8: what was there before is there as it was, byte by byte.
    expect((await slipway(['releases', project, '--json'])).stdout.endsWith(before.stdout.slice(1))).toBe(true);
    expect((await slipway(['config', 'list', project, '--stage', 'dev', '--state-dir', server.stateDir], '', {})).stdout).toMatch(/^TOKEN +secret, digest [0-9a-f]{12} /m);
    expect((await slipway(['status', project])).stdout).toMatch(/^dev +running +v\d+ /m);
    expect((await slipway(['ls', '--json'])).stdout).not.toContain('s3cr3t');
  }, 120_000);

  it('X16: runs a command with the settings and secrets of a release, and ends with its code', async () => {
    const { project } = sample;
    const { id } = (JSON.parse((await slipway(['releases', project, '--json'])).stdout) as { id: string; reason: string }[]).find(({ reason }) => reason === 'config') ?? { id: '' };
    // Backwards, it is not what is masked.
    const script = 'console.log(process.env.GREETING, process.env.TOKEN, [...process.env.TOKEN].reverse().join("")); console.error("migrated"); process.exit(3)';
    expect(await slipway(['run-once', project, '--release', id, '--', 'node', '-e', script])).toEqual({ code: 3, stdout: 'hello *** t3rc3s\n', stderr: 'migrated\n' });
  }, 60_000);

  it('X15: shows what a release printed, also after its container is gone', async () => {
    const { project } = sample;
    const [, older] = JSON.parse((await slipway(['releases', project, '--stage', 'dev', '--json'])).stdout) as { id: string }[];
    for (const choice of [[], ['--release', older?.id ?? '']]) expect((await slipway(['logs', project, ...choice])).stdout).toContain('listens on port');
  }, 60_000);

  it('P11, P12: rebuilds, and shows that no file of the image changed', async () => {
    const { project } = sample;
    const { code, stdout, stderr } = await slipway(['rebuild', project]);
    expect([code, stdout]).toEqual([0, 'Rebuilt 1 app\n']);
    const [build = ''] = /b_[0-9A-Z]{26}(?= --diff)/.exec(stderr) ?? [];
    expect(await slipway(['view', build, '--diff'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^The same files as b_/) });
  }, 120_000);

  it('X11: ends with 5 within a second of the build’s failure, its last lines on stderr', async () => {
    const { project } = sample;
    const { code, stdout, stderr } = await slipway(['build', project, '--branch', 'failing', '--wait', '--json']);
    const endedAt = Date.now();
    const { finishedAt } = JSON.parse(stdout) as { finishedAt: string };
    expect([code, stderr.includes('not ok')]).toEqual([5, true]);
    expect(endedAt - Date.parse(finishedAt)).toBeLessThan(1_000);
    const published = await slipway(['publish', project, '--branch', 'failing']);
    expect([published.code, published.stdout, published.stderr.includes('not ok')]).toEqual([5, '', true]);
  }, 120_000);

  it('tells by its code who is refused, what is not there and where nobody listens', async () => {
    const { project } = sample;
    const codes = await Promise.all([['stop', project, '--token', 'a-wrong-token'], ['stop', 'nobody'], ['ls', '--server', 'http://127.0.0.1:9'], ['ls', '--what'], ['config', 'no-such-file.yaml']].map(async (args) => (await slipway(args)).code));
    expect(codes).toEqual([4, 1, 3, 2, 1]);
    expect(await slipway(['stop', project])).toEqual({ code: 0, stdout: 'Stopped 1 app, 0 previews\n', stderr: '' });
  }, 60_000);
});
