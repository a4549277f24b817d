import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { InstanceId, ProjectName } from '../../src/domain/ids.js';
import { createDockerEngine } from '../../src/engine/docker.js';
import { systemClock } from '../../src/kernel/clock.js';
import { enterDocker, log, NEVER } from '../support/engine-world.js';
import { pullOf } from '../support/pull-world.js';

const home = { project: 'shop' as ProjectName, registry: 'registry.example.com' };
const raw = `sha256:${'a'.repeat(64)}`;
const json = (...messages: object[]) => messages.map((message) => `${JSON.stringify(message)}\n`).join('');
const PULLING = json({ status: 'Pulling from app', id: 'v1' }, { status: 'Pulling fs layer', progressDetail: {}, id: '1' });
const DONE = json({ status: `Digest: ${raw}` }, { status: 'Status: Downloaded newer image for app:v1' });

const close = (server: Server) => new Promise<void>((resolve) => { server.close(() => { resolve(); }); server.closeAllConnections(); });

/** An engine that pulls as it is told to, and has the images it is told to have. */
async function enterScripted(pull: RequestListener, images: () => object | undefined = () => undefined) {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-engine-'));
  const path = join(folder, 'docker.sock');
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const { url = '', method = '' } = request;
    request.resume();
    asked.push(`${method} ${url}`);
    const image = images();
    if (url.startsWith('/images/create')) pull(request, response);
    else if (url.startsWith('/images/json')) response.end('[]');
    else if (url.startsWith('/images/') && method === 'GET' && image) response.end(JSON.stringify(image));
    else response.writeHead(404).end(JSON.stringify({ message: 'no such image' }));
  });
  await new Promise<void>((resolve) => { server.listen(path, resolve); });
  const engine = createDockerEngine({ instance: 'abcdef01' as InstanceId, search: { dockerHost: `unix://${path}`, home: '/nowhere' }, clock: systemClock, log, deadlines: { baseImage: 500 } });
  return { engine, asked, [Symbol.asyncDispose]: async () => { await close(server); await rm(folder, { recursive: true, force: true }); } };
}

const pullWith = async (listener: RequestListener, images?: () => object | undefined) => {
  await using scripted = await enterScripted(listener, images);
  const request = pullOf(home, 'app:v1');
  const error = await scripted.engine.pull(request, NEVER).then(() => undefined, (thrown: unknown) => thrown);
  return { error, lines: request.lines, asked: scripted.asked };
};

describe('an engine that breaks during a pull', () => {
  it('K8: a stream that ends early is no success', async () => {
    const { error, lines } = await pullWith((_request, response) => { response.end(PULLING); });
    expect([error, lines]).toEqual([expect.objectContaining({ code: 'engine_unavailable' }), ['v1: Pulling from app', '1: Pulling fs layer']]);
  });

  it('K8: neither is a connection that is cut, even after the end was told', async () => {
    const { error } = await pullWith((_request, response) => { response.write(PULLING + DONE, () => response.destroy()); });
    expect(error).toMatchObject({ code: 'engine_unavailable' });
  });

  it('an error in the stream fails it in the engine’s own words, whatever comes after', async () => {
    const { error } = await pullWith((_request, response) => { response.end(PULLING + json({ errorDetail: { message: 'filesystem layer verification failed' }, error: 'x' }) + DONE); }, () => ({ Id: raw, Config: {} }));
    expect(error).toMatchObject({ code: 'pull_failed', message: expect.stringContaining('filesystem layer verification failed') as unknown });
  });

  it('a registry that breaks in the middle is one that could not be reached', async () => {
    const { error } = await pullWith((_request, response) => { response.end(PULLING + json({ errorDetail: { message: 'read tcp 10.0.0.1:1->10.0.0.2:443: read: connection reset by peer' } })); });
    expect(error).toMatchObject({ code: 'registry_unreachable' });
  });

  it('an end that was told is no success when the image is not there', async () => {
    const { error } = await pullWith((_request, response) => { response.end(PULLING + DONE); });
    expect(error).toMatchObject({ code: 'pull_failed', message: expect.stringContaining('has no registry.example.com/app:v1') as unknown });
  });

  it.each([
    [404, 'manifest for registry.example.com/app:v1 not found: manifest unknown: manifest unknown', 'image_not_found'],
    [404, 'pull access denied for registry.example.com/app, repository does not exist or may require \'docker login\'', 'image_not_found'],
    [500, 'Get "https://registry.example.com/v2/": dial tcp: lookup registry.example.com: no such host', 'registry_unreachable'],
    [500, 'Get "https://registry.example.com/v2/": net/http: TLS handshake timeout', 'registry_unreachable'],
    [500, 'received unexpected HTTP status: 503 Service Unavailable', 'registry_unreachable'],
    [500, 'toomanyrequests: You have reached your pull rate limit', 'registry_unreachable'],
    [500, 'Head "https://registry.example.com/v2/app/manifests/v1": no basic auth credentials', 'registry_refused'],
    [500, 'Head "https://registry.example.com/v2/app/manifests/v1": denied: access forbidden', 'registry_refused'],
    [500, 'no matching manifest for linux/amd64 in the manifest list entries', 'pull_failed'],
    [500, 'Get "https://registry.example.com/v2/": x509: certificate signed by unknown authority', 'pull_failed'],
  ])('D14: a refusal of status %d, “%s”, is %s', async (status, message, code) => {
    const { error } = await pullWith((_request, response) => { response.writeHead(status).end(JSON.stringify({ message })); });
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) as unknown });
  });

  it('K9: an engine of which nothing is heard ends at the deadline', async () => {
    const { error } = await pullWith(() => undefined);
    expect(error).toMatchObject({ code: 'registry_unreachable', message: 'registry.example.com did not answer within 0.5 s.' });
  });

  it('asks for the tag of the repository, and for nothing else', async () => {
    const { asked } = await pullWith((_request, response) => { response.end(PULLING); });
    expect(asked.filter((line) => line.startsWith('POST'))).toEqual(['POST /images/create?fromImage=registry.example.com%2Fapp&tag=v1']);
  });
});

describe('a registry that accepts and never answers', () => {
  it('D14: is one that could not be reached, at the deadline', async () => {
    const sockets = new Set<Socket>();
    const silent = createTcpServer((socket) => { sockets.add(socket); socket.on('error', () => undefined); });
    await new Promise<void>((resolve) => { silent.listen(0, '127.0.0.1', resolve); });
    const { port } = silent.address() as AddressInfo;
    await using real = await enterDocker();
    const engine = createDockerEngine({ instance: real.instance, search: { dockerHost: process.env.DOCKER_HOST, home: '/nowhere' }, clock: systemClock, log, deadlines: { baseImage: 1_000 } });
    try {
      await expect(engine.pull(pullOf({ project: real.project, registry: `127.0.0.1:${port}` }, 'app:v1'), NEVER)).rejects.toMatchObject({ code: 'registry_unreachable' });
      expect(sockets.size).toBeGreaterThan(0);
    } finally {
      for (const socket of sockets) socket.destroy();
      silent.close();
    }
  });
});
