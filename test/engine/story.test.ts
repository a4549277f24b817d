import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import { docker, startForeignContainer, type ForeignContainer } from '../support/real-docker.js';
import { createSampleRepository, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

const MIB = 1024 * 1024;
const ODD_NAMES = ['--upload-pack=touch${IFS}pwned', 'a;b', 'a<script>alert(1)</script>'];

describe('a branch, one URL away', () => {
  let sample: SampleRepository;
  let server: ServerProcess;
  let foreign: ForeignContainer;
  const hostOf = (branch: string) => `hash-${sample.branches[branch] ?? ''}.localhost`;
  const tagged = async (branch: string) => (await docker.getImage(`slipway/${sample.project}:${sample.branches[branch] ?? ''}`).inspect()).Id;

  beforeAll(async () => {
    sample = await createSampleRepository();
    foreign = await startForeignContainer();
    server = await startServer({ repository: sample.path });
  }, 120_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await foreign[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  it('redirects ?branch= to the commit, with the path and the other parameters byte for byte', async () => {
    const { status, headers } = await server.get('localhost', '/any/p%61th?x=%2F&branch=feature/cart&y=1&z=a+b');
    expect(status).toBe(302);
    expect(headers.location).toBe(`http://${hostOf('feature/cart')}:${server.port}/any/p%61th?x=%2F&y=1&z=a+b`);
  });

  it('builds it and serves the application at that path and query', async () => {
    const cart = await server.get(hostOf('feature/cart'), '/cart');
    expect(cart).toMatchObject({ status: 200, headers: { 'x-slipway-commit': sample.branches['feature/cart'], 'x-slipway-release': 'v1' } });
    expect(cart.text).toContain('<dt>Lantern</dt>');
    const echo = await server.get(hostOf('feature/cart'), '/echo?y=%2f&z=a+b');
    expect(JSON.parse(echo.text)).toMatchObject({ method: 'GET', url: '/echo?y=%2f&z=a+b', headers: { host: `${hostOf('feature/cart')}:${server.port}` } });
    expect(await server.status('branch=feature/cart')).toMatchObject({ status: 'running', release: 'v1', lastError: null, build: { status: 'succeeded' } });
  }, 90_000);

  it.each(['GET', 'DELETE', 'OPTIONS', 'PROPFIND'])('passes %s on', async (method) => {
    const { status, text } = await server.get(hostOf('feature/cart'), '/echo', { method });
    expect({ status, seen: (JSON.parse(text) as { method: string }).method }).toEqual({ status: 200, seen: method });
  });

  it.each(['POST', 'PUT', 'PATCH'])('passes %s on with its body', async (method) => {
    const { status, headers, text } = await server.get(hostOf('feature/cart'), '/echo', { method, body: 'ahoy', headers: { 'content-type': 'text/x-greeting' } });
    expect({ status, type: headers['content-type'], text }).toEqual({ status: 200, type: 'text/x-greeting', text: 'ahoy' });
  });

  it('answers HEAD without a body', async () => {
    const { status, headers, text } = await server.get(hostOf('feature/cart'), '/big?bytes=5000', { method: 'HEAD' });
    expect({ status, length: headers['content-length'], text }).toEqual({ status: 200, length: '5000', text: '' });
  });

  it.each([['of known length', { 'content-length': String(64 * MIB) }], ['in chunks', {}]])('streams 64 MiB up %s', async (_how, headers) => {
    const chunk = Buffer.alloc(MIB, 'x');
    const body = Readable.from(Array.from({ length: 64 }, () => chunk));
    const { status, text } = await server.get(hostOf('feature/cart'), '/upload', { method: 'PUT', body, headers });
    expect({ status, ...JSON.parse(text) as object }).toEqual({ status: 200, bytes: 64 * MIB });
  }, 60_000);

  it('streams 64 MiB down', async () => {
    const answer = await server.open(hostOf('feature/cart'), `/big?bytes=${64 * MIB}`);
    let bytes = 0;
    for await (const chunk of answer) bytes += (chunk as Buffer).length;
    expect(bytes).toBe(64 * MIB);
  }, 60_000);

  it('lets a body flow back before all of it was sent', async () => {
    const body = new PassThrough();
    body.write('first');
    const answer = await server.open(hostOf('feature/cart'), '/echo', { method: 'POST', body });
    const [first] = await once(answer, 'data') as [Buffer];
    body.end('second');
    const [second] = await once(answer, 'data') as [Buffer];
    expect([String(first), String(second)]).toEqual(['first', 'second']);
  });

  it('relays server-sent events as they come', async () => {
    const over = new AbortController();
    const answer = await server.open(hostOf('feature/cart'), '/events', { signal: over.signal });
    expect(answer.headers['content-type']).toBe('text/event-stream');
    let seen = '';
    for await (const chunk of answer) {
      seen += String(chunk);
      if (seen.includes('id: 2\n')) break;
    }
    over.abort();
    expect(seen).toMatch(/^id: 1\ndata: \{"number":1,.*\n\nid: 2\n/);
  });

  it('relays a WebSocket both ways', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws`, { headers: { host: `${hostOf('feature/cart')}:${server.port}` } });
    await once(socket, 'open');
    socket.send('ahoy');
    const [echoed] = await once(socket, 'message') as [Buffer];
    const closed = once(socket, 'close') as Promise<[number]>;
    socket.close(1000);
    expect([String(echoed), (await closed)[0]]).toEqual(['ahoy', 1000]);
  });

  it('D16: gives a commit that Docker cannot tell from main the image of main, tagged with both commits', async () => {
    expect((await server.get(hostOf('main'), '/')).status).toBe(200);
    const built = await server.get('localhost', '/api/builds');
    const docs = await server.get(hostOf('docs/readme-only'), '/');
    expect(docs).toMatchObject({ status: 200, headers: { 'x-slipway-commit': sample.branches['docs/readme-only'] } });
    const { build } = await server.status('branch=docs/readme-only');
    const { build: buildOfMain } = await server.status('branch=main');
    expect(build).toMatchObject({ status: 'reused', reusedFrom: buildOfMain?.id, image: buildOfMain?.image });
    expect([await tagged('docs/readme-only'), await tagged('main')]).toEqual([build?.image, build?.image]);
    const since = JSON.parse((await server.get('localhost', '/api/builds')).text) as { status: string }[];
    expect(since.length - (JSON.parse(built.text) as unknown[]).length).toBe(1);
  }, 90_000);

  it.each(ODD_NAMES)('serves the branch %s like any other', async (name) => {
    const { status, headers } = await server.get('localhost', `/?branch=${encodeURIComponent(name)}`);
    expect([status, headers.location]).toEqual([302, `http://${hostOf(name)}:${server.port}/`]);
    expect(await server.get(hostOf(name), '/')).toMatchObject({ status: 200, headers: { 'x-slipway-commit': sample.branches[name] } });
    const environment = JSON.parse((await server.get(hostOf(name), '/env')).text) as Record<string, string>;
    expect(environment.SLIPWAY_BRANCH).toBe(name);
  }, 90_000);

  it('neither runs nor renders a branch name', async () => {
    const places = await Promise.all([readdir('.'), readdir(sample.path, { recursive: true }), readdir(server.stateDir, { recursive: true })]);
    expect(places.flat().filter((path) => /(?:^|\/)pwned$/.test(path))).toEqual([]);
    const page = await server.visit('localhost', '/');
    expect(page.text).toContain('a&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(page.text).not.toContain('<script>alert');
  });

  it('lists branches with their commits, and what runs', async () => {
    const page = await server.visit('localhost', '/?q=feature');
    expect(page.status).toBe(200);
    expect(page.text).toContain('Give the cart its colour');
    expect(page.text).toMatch(new RegExp(`href="http://${hostOf('feature/cart')}:${server.port}/"`));
    expect(page.text).not.toContain('Require a database');
  });

  it('answers an unknown branch with 404 and the nearest names, and never with a redirect', async () => {
    const page = await server.visit('localhost', '/?branch=feature/cat');
    expect([page.status, page.headers.location]).toEqual([404, undefined]);
    expect(page.text).toContain('href="/?branch=feature%2Fcart"');
    const program = await server.get('localhost', '/?branch=feature/cat');
    expect(JSON.parse(program.text)).toMatchObject({ error: 'unknown_ref', nearest: expect.arrayContaining(['feature/cart']) as unknown });
  });

  it('reads hashes of 4 to 40 digits in any case, and says what is wrong with others', async () => {
    const commit = sample.branches.main ?? '';
    const asked = async (hash: string) => {
      const { status, headers } = await server.get('localhost', `/?hash=${hash}`);
      return [status, headers.location];
    };
    const redirect = [302, `http://${hostOf('main')}:${server.port}/`];
    expect(await asked(commit.slice(0, 12).toUpperCase())).toEqual(redirect);
    expect(await asked(commit)).toEqual(redirect);
    expect(await asked('xyz')).toEqual([400, undefined]);
    expect(await asked('0'.repeat(40))).toEqual([404, undefined]);
    const short = await server.get(`hash-${commit.slice(0, 10)}.localhost`, '/p?q=1');
    expect([short.status, short.headers.location]).toEqual([302, `http://${hostOf('main')}:${server.port}/p?q=1`]);
  });

  it('opens by the API and waits until it runs', async () => {
    const answer = await server.get('localhost', '/api/wait?branch=realtime&timeout=60s');
    expect(JSON.parse(answer.text)).toMatchObject({ status: 'running', project: sample.project, commit: sample.branches.realtime });
    expect((await server.get('localhost', '/status?branch=realtime')).text).toBe('Ready');
    expect((await server.get('localhost', '/status?branch=slow/build')).text).toBe('NotBuilt');
  }, 90_000);

  it('wants the token for a change', async () => {
    const reset = `/?branch=main&reset=1`;
    expect((await server.get('localhost', reset)).status).toBe(401);
    expect((await server.get('localhost', reset, { headers: { authorization: 'Bearer wrong-wrong-wrong-wrong' } })).status).toBe(401);
    const accepted = await server.get('localhost', reset, { headers: { authorization: `Bearer ${await server.token()}` } });
    expect(accepted.status).toBe(202);
    const { build } = JSON.parse(accepted.text) as { build: { id: string; noCache: boolean } };
    expect(build.noCache).toBe(true);
    expect((await server.get('localhost', `/api/builds/${build.id}/cancel`, { method: 'POST' })).status).toBe(401);
  });

  it('has let a container that is not its own alone', async () => {
    expect(await foreign.runningSince()).toBeDefined();
  });
});
