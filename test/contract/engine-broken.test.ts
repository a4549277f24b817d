import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { InstanceId, ProjectName } from '../../src/domain/ids.js';
import { createDockerEngine } from '../../src/engine/docker.js';
import { systemClock } from '../../src/kernel/clock.js';
import { enterDocker, log, NEVER, requestFor } from '../support/engine-world.js';

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

const digest = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** A registry with one image, which it gives only to those who fetched a token. */
async function enterRegistry() {
  const layer = Buffer.alloc(1024);
  const packed = gzipSync(layer);
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [digest(layer)] } }));
  const type = 'application/vnd.docker.distribution.manifest.v2+json';
  const manifest = Buffer.from(JSON.stringify({
    schemaVersion: 2, mediaType: type,
    config: { mediaType: 'application/vnd.docker.container.image.v1+json', size: config.length, digest: digest(config) },
    layers: [{ mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', size: packed.length, digest: digest(packed) }],
  }));
  const blobs = new Map([[digest(config), config], [digest(packed), packed]]);
  const server = createServer((request, response) => {
    const { method, url = '', headers } = request;
    if (url.startsWith('/token')) { response.end(JSON.stringify({ token: 'given', access_token: 'given', expires_in: 300 })); return; }
    if (headers.authorization !== 'Bearer given') {
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${headers.host ?? ''}/token",service="here"` }).end();
      return;
    }
    const bytes = blobs.get(url.slice(url.lastIndexOf('/') + 1)) ?? manifest;
    response.writeHead(200, { 'content-type': bytes === manifest ? type : 'application/octet-stream', 'docker-content-digest': digest(bytes), 'content-length': bytes.length });
    response.end(method === 'HEAD' ? undefined : bytes);
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return { port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: () => close(server) };
}

describe('a base image in a registry', () => {
  it('is pulled also when the registry wants a token', async () => {
    await using home = await enterDocker();
    await using registry = await enterRegistry();
    const id = await home.engine.build(requestFor(home, `FROM 127.0.0.1:${registry.port}/some/base:1\nCOPY app.cjs /app.cjs\n`), NEVER);
    expect(await home.engine.image(id)).toMatchObject({ project: home.project });
  });
});
