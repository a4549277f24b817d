import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestRepository, type TestRepository } from '../support/git.js';
import { runToEnd, startServer, type ServerProcess } from '../support/server-process.js';

describe('slipway serve', () => {
  let repository: TestRepository;
  let server: ServerProcess;

  beforeAll(async () => {
    repository = createTestRepository({ Dockerfile: 'FROM scratch\n' });
    server = await startServer({ repository: repository.path, env: { DOCKER_HOST: 'unix:///nonexistent/docker.sock' } });
  }, 60_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    repository[Symbol.dispose]();
  }, 60_000);

  it('starts without an engine and says what is missing', async () => {
    expect(await server.get('localhost', '/healthz')).toMatchObject({ status: 200, text: '{"status":"ok"}' });
    const ready = await server.get('localhost', '/readyz');
    expect([ready.status, ready.headers['retry-after']]).toEqual([503, expect.any(String)]);
    const { error, message } = JSON.parse(ready.text) as { error: string; message: string };
    expect(error).toBe('engine_unavailable');
    expect(message).toMatch(/unix:\/\/\/nonexistent\/docker\.sock.*Start Docker, or set DOCKER_HOST/s);
  });

  it('answers 503 with a sentence when something is opened without an engine', async () => {
    const answer = await server.get('branch-main.localhost', '/');
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, expect.any(String)]);
    expect(JSON.parse(answer.text)).toMatchObject({ error: 'engine_unavailable' });
    expect((await server.visit('localhost', '/')).status).toBe(200);
  });

  it('refuses a state directory that another server uses', async () => {
    const { code, stderr, stdout } = await runToEnd(['serve', repository.path, '--state-dir', server.stateDir, '--port', '0']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`Another server uses the state directory ${server.stateDir}. Stop it, or give another --state-dir.`);
    expect((await server.get('localhost', '/healthz')).status).toBe(200);
  });

  it('names every fault of its settings at once', async () => {
    const { code, stdout, stderr } = await runToEnd(
      ['serve', '/no/such/repository', '--port', 'many', '--hold-navigation', 'soon', '--run-memory', 'much', '--builds-concurrency', '0', '--run-profile', 'lax'],
      { SLIPWAY_LOG_LEVEL: 'loud', SLIPWAY_COLOUR: 'blue', SLIPWAY_BRANCH: 'is a preview’s own and no setting' },
    );
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    const faults = ['/no/such/repository', '--port', '--hold-navigation', '--run-memory', '--builds-concurrency', '--run-profile', 'SLIPWAY_LOG_LEVEL', 'SLIPWAY_COLOUR'];
    expect(faults.filter((fault) => !stderr.includes(fault))).toEqual([]);
    expect(stderr.split('\n').filter((line) => line.startsWith('  - '))).toHaveLength(faults.length);
    expect(stderr).not.toContain('SLIPWAY_BRANCH');
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it('refuses to let others in without a token', async () => {
    const { code, stderr } = await runToEnd(['serve', repository.path, '--listen', '0.0.0.0', '--port', '0', '--state-dir', `${server.stateDir}/other`]);
    expect(code).toBe(1);
    expect(stderr).toContain('listening on 0.0.0.0 lets others in: set SLIPWAY_TOKEN');
  });

  it('wants a repository, and knows no option but its own', async () => {
    const without = await runToEnd(['serve', '--port', '0']);
    expect([without.code, without.stderr]).toEqual([1, expect.stringContaining('slipway serve <path-or-url>')]);
    const unknown = await runToEnd(['serve', repository.path, '--colour', 'blue']);
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining("unknown option '--colour'")]);
  });

  it('says that its port is taken, and ends', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { code, stderr } = await runToEnd(['serve', repository.path, '--port', String(port), '--state-dir', `${server.stateDir}/other`]);
    other.close();
    expect(code).toBe(1);
    expect(stderr).toContain(`Cannot listen on 127.0.0.1:${port}: another program listens there; give another --port.`);
  });

  it('serves what it knows when the repository cannot be reached', async () => {
    const gone = await runToEnd(['serve', 'http://127.0.0.1:9/no/repository.git', '--port', '0', '--state-dir', `${server.stateDir}/third`, '--build-context', '../elsewhere']);
    expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining('--build-context must be a path inside the repository')]);
    const remote = await startServer({ repository: 'http://127.0.0.1:9/no/repository.git' });
    try {
      const answer = await remote.get('localhost', '/?branch=main');
      expect([answer.status, (JSON.parse(answer.text) as { error: string }).error]).toEqual([503, 'git_unreachable']);
      const page = await remote.visit('localhost', '/');
      expect([page.status, page.text.includes('could not be refreshed')]).toEqual([200, true]);
    } finally {
      await remote[Symbol.asyncDispose]();
    }
  }, 60_000);
});
