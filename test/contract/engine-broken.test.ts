import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InstanceId, ProjectName } from '../../src/domain/ids.js';
import { createDockerEngine } from '../../src/engine/docker.js';
import { systemClock } from '../../src/kernel/clock.js';
import { enterDocker, log, NEVER, requestFor } from '../support/engine-world.js';
import { startTokenRegistry } from '../support/token-registry.js';

const project = 'shop' as ProjectName;
const image = `sha256:${'a'.repeat(64)}`;
const success = `${JSON.stringify({ stream: 'Step 1/1 : FROM x\n' })}\n${JSON.stringify({ aux: { ID: image } })}\n`;

const close = (server: Server) => new Promise<void>((resolve) => { server.close(() => { resolve(); }); server.closeAllConnections(); });

/** An engine of few words on a socket of its own. */
async function enterScripted(build: RequestListener, labels: Record<string, string> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-engine-'));
  const path = join(folder, 'docker.sock');
  const server = createServer((request, response) => {
    const url = request.url ?? '';
    request.resume();
    if (url.startsWith('/build')) build(request, response);
    else if (url.startsWith('/version')) response.end(JSON.stringify({ Version: '1', ApiVersion: '1.24' }));
    else if (url.startsWith('/info')) response.end('{}');
    else if (url.startsWith('/images/')) response.end(JSON.stringify({ Id: image, Config: { Labels: labels }, RepoTags: [], Size: 1, Created: '2026-01-01T00:00:00Z' }));
    else response.writeHead(500).end(JSON.stringify({ message: 'out of order' }));
  });
  await new Promise<void>((resolve) => { server.listen(path, resolve); });
  const engine = createDockerEngine({ instance: 'abcdef01' as InstanceId, search: { dockerHost: `unix://${path}`, home: '/nowhere' }, clock: systemClock, log });
  return { engine, [Symbol.asyncDispose]: async () => { await close(server); await rm(folder, { recursive: true, force: true }); } };
}

describe('an engine that breaks', () => {
  it('E22: a connection that is cut during a build is no success', async () => {
    await using scripted = await enterScripted((_request, response) => { response.write(success, () => response.destroy()); });
    await expect(scripted.engine.build(requestFor({ project }, 'FROM x\n'), NEVER)).rejects.toMatchObject({ code: 'engine_unavailable' });
  });

  it('E22, K8: a build\'s stream that ends early is no success', async () => {
    await using scripted = await enterScripted((_request, response) => { response.end('{"stream":"Step 1/1 : FROM x\\n"}\n'); });
    await expect(scripted.engine.build(requestFor({ project }, 'FROM x\n'), NEVER)).rejects.toMatchObject({ code: 'engine_unavailable' });
  });

  it('E22: an image without our labels is no success, whatever the engine says', async () => {
    await using scripted = await enterScripted((_request, response) => { response.end(success); }, { 'slipway.instance': 'abcdef01' });
    await expect(scripted.engine.build(requestFor({ project }, 'FROM x\n'), NEVER)).rejects.toMatchObject({ code: 'build_failed', message: expect.stringContaining('label') as string });
  });

  it('a refused build fails in the engine\'s own words', async () => {
    await using scripted = await enterScripted((_request, response) => { response.writeHead(400).end(JSON.stringify({ message: 'dockerfile parse error line 1' })); });
    await expect(scripted.engine.build(requestFor({ project }, 'FRO x\n'), NEVER)).rejects.toMatchObject({ code: 'build_failed', message: 'dockerfile parse error line 1' });
  });

  it('an answer that nobody expected has a place in the table of errors', async () => {
    await using scripted = await enterScripted(() => undefined);
    await expect(scripted.engine.list()).rejects.toMatchObject({ code: 'engine_unavailable', message: expect.stringContaining('out of order') as string });
  });
});

describe('a base image in a registry', () => {
  it('is pulled also when the registry wants a token', async () => {
    await using home = await enterDocker();
    await using registry = await startTokenRegistry();
    const id = await home.engine.build(requestFor(home, `FROM ${registry.host}/some/base:1\nCOPY app.cjs /app.cjs\n`), NEVER);
    expect(await home.engine.image(id)).toMatchObject({ project: home.project });
  });

  it('K9: may take longer for its layers than its description may', async () => {
    await using home = await enterDocker();
    await using registry = await startTokenRegistry({ layerMs: 4_000 });
    const engine = createDockerEngine({ instance: home.instance, search: { dockerHost: process.env.DOCKER_HOST, home: '/nowhere' }, clock: systemClock, log, deadlines: { baseImage: 2_000 } });
    const id = await engine.build(requestFor(home, `FROM ${registry.host}/some/base:1\nCOPY app.cjs /app.cjs\n`), NEVER);
    expect(await engine.image(id)).toMatchObject({ project: home.project });
  });
});
