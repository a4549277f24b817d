import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { connect, type ClientHttp2Session } from 'node:http2';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { AppError } from '../../src/domain/errors.js';
import type { InstanceId, ProjectName } from '../../src/domain/ids.js';
import { createDockerEngine } from '../../src/engine/docker.js';
import { readMessage, textOf, writeTexts } from '../../src/engine/protobuf.js';
import { createRegistryAuth } from '../../src/engine/registry-auth.js';
import { systemClock } from '../../src/kernel/clock.js';
import { log, NEVER, requestFor } from '../support/engine-world.js';
import { pullOf } from '../support/pull-world.js';

const PROJECT = 'shop' as ProjectName;
/** In base64 its bytes need both characters that URLs have others for. */
const PASSWORD = 'hunter2 ÿþ?>~"';
const ENCODED = Buffer.from(`ci:${PASSWORD}`).toString('base64');
const line = (message: object) => `${JSON.stringify(message)}\n`;

interface Script {
  readonly apiVersion?: string;
  readonly pull?: RequestListener;
  /** Answers a build; `ask` asks its session for a registry's credentials. */
  readonly build?: (response: Parameters<RequestListener>[1], ask: (registry: string) => Promise<readonly string[]>) => void | Promise<void>;
}

/** An engine of few words, given out a password for `registry.example.com`, one for Docker's own registry, and none for `broken.example.com`. */
async function enterScripted({ apiVersion = '1.41', pull, build }: Script) {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-engine-'));
  const at = (name: string) => join(folder, name);
  const asked: { readonly path: string; readonly headers: IncomingHttpHeaders }[] = [];
  let session: ClientHttp2Session | undefined;
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push({ path, headers: request.headers });
    request.resume();
    if (path.startsWith('/version')) response.end(JSON.stringify({ Version: '1', ApiVersion: apiVersion, Os: 'linux' }));
    else if (path.startsWith('/info')) response.end('{}');
    else if (path.startsWith('/images/json')) response.end('[]');
    else if (path.startsWith('/images/create') && pull) pull(request, response);
    else if (path.startsWith('/build') && build) void build(response, (registry) => credentialsOf(session, registry));
    else response.writeHead(404).end(JSON.stringify({ message: 'no such thing' }));
  });
  server.on('upgrade', (request, socket: Duplex) => {
    asked.push({ path: request.url ?? '', headers: request.headers });
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
    session = connect('http://engine', { createConnection: () => socket });
    session.on('error', () => undefined);
  });
  await writeFile(at('password'), `${PASSWORD}\n`);
  await writeFile(at('hub'), 'x'.repeat(200));
  await new Promise<void>((resolve) => { server.listen(at('docker.sock'), resolve); });
  const accounts = [['registry.example.com', 'password'], ['docker.io', 'hub'], ['broken.example.com', 'nothing']] as const;
  const registries = createRegistryAuth(new Map(accounts.map(([host, file]) => [host, { username: 'ci', passwordFile: at(file) }])));
  const engine = createDockerEngine({ instance: 'abcdef01' as InstanceId, search: { dockerHost: `unix://${at('docker.sock')}`, home: '/nowhere' }, clock: systemClock, log, registries });
  return {
    engine, asked, change: (password: string) => writeFile(at('password'), password),
    headersOf: (path: string) => asked.filter((each) => each.path.startsWith(path)).map(({ headers }) => headers),
    [Symbol.asyncDispose]: async () => {
      session?.destroy();
      await new Promise<void>((resolve) => { server.close(() => { resolve(); }); server.closeAllConnections(); });
      await rm(folder, { recursive: true, force: true });
    },
  };
}

type Scripted = Awaited<ReturnType<typeof enterScripted>>;

/** Asks as BuildKit does. @returns username and password */
async function credentialsOf(session: ClientHttp2Session | undefined, registry: string): Promise<readonly string[]> {
  if (!session) throw new Error('no session');
  const stream = session.request({ ':method': 'POST', ':path': '/moby.filesync.v1.Auth/Credentials', 'content-type': 'application/grpc', 'te': 'trailers' });
  stream.end(framed(writeTexts(registry)));
  const message = readMessage((await buffer(stream)).subarray(5));
  return [textOf(message, 1), textOf(message, 2)];
}

function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const decoded = (header: string | string[] | undefined): unknown => (header === undefined ? undefined : JSON.parse(Buffer.from(String(header), 'base64url').toString()));
const refusalOf = (status: number, message: string): RequestListener => (_request, response) => { response.writeHead(status).end(JSON.stringify({ message })); };
const failureOf = (work: Promise<unknown>) => work.then(() => { throw new Error('it worked'); }, (error: unknown) => { if (error instanceof AppError) return error; throw error; });
const pullFrom = (scripted: Scripted, registry: string, request = pullOf({ project: PROJECT, registry }, 'app:v1')) => failureOf(scripted.engine.pull(request, NEVER));
const buildOn = (scripted: Scripted, request = requestFor({ project: PROJECT }, 'FROM x\n')) => failureOf(scripted.engine.build(request, NEVER));

describe('D17: what is sent for private registries', () => {
  it('with a pull: the credentials of its registry, in the alphabet for URLs, and of no other', async () => {
    await using scripted = await enterScripted({ pull: refusalOf(404, 'no such image') });
    for (const registry of ['registry.example.com', 'index.docker.io', 'other.example.com', 'broken.example.com', 'example.com']) await pullFrom(scripted, registry);
    const sent = scripted.headersOf('/images/create').map((headers) => headers['x-registry-auth']);
    expect(sent.map(decoded)).toEqual([
      { username: 'ci', password: PASSWORD, serveraddress: 'registry.example.com' },
      { username: 'ci', password: 'x'.repeat(200), serveraddress: 'https://index.docker.io/v1/' },
      undefined, undefined, undefined,
    ]);
    expect(sent[0]).toMatch(/^[\w=-]*[-_][\w=-]*$/);
    expect(scripted.asked.filter(({ headers }) => headers['x-registry-auth'] !== undefined || headers['x-registry-config'] !== undefined)).toHaveLength(2);
  });

  it('with a build of the classic builder: those of all registries by address, the engine gives each its own', async () => {
    await using scripted = await enterScripted({ apiVersion: '1.38', build: (response) => { response.end(line({ error: 'no' })); } });
    await buildOn(scripted);
    const [headers] = scripted.headersOf('/build');
    expect(decoded(headers?.['x-registry-config'])).toEqual({
      'registry.example.com': { username: 'ci', password: PASSWORD, serveraddress: 'registry.example.com' },
      'https://index.docker.io/v1/': { username: 'ci', password: 'x'.repeat(200), serveraddress: 'https://index.docker.io/v1/' },
    });
    expect(headers?.['x-registry-config']).not.toMatch(/[+/]/);
    expect(scripted.headersOf('/session')).toEqual([]);
  });

  it('with a build of BuildKit: nothing but answers to what its session is asked', async () => {
    const answers: (readonly string[])[] = [];
    await using scripted = await enterScripted({
      build: async (response, ask) => {
        for (const registry of ['registry.example.com', 'registry-1.docker.io', 'other.example.com', 'broken.example.com', '']) answers.push(await ask(registry));
        response.end(line({ error: 'no' }));
      },
    });
    await buildOn(scripted);
    expect(answers).toEqual([['ci', PASSWORD], ['ci', 'x'.repeat(200)], ['', ''], ['', ''], ['', '']]);
    expect([...scripted.headersOf('/build'), ...scripted.headersOf('/session')].map((headers) => [headers['x-registry-auth'], headers['x-registry-config']])).toEqual([[undefined, undefined], [undefined, undefined]]);
  });

  it('is read at each use, so that a password can be changed', async () => {
    await using scripted = await enterScripted({ pull: refusalOf(404, 'no such image') });
    await pullFrom(scripted, 'registry.example.com');
    await scripted.change('another\r\n');
    await pullFrom(scripted, 'registry.example.com');
    expect(scripted.headersOf('/images/create').map((headers) => decoded(headers['x-registry-auth']))).toMatchObject([{ password: PASSWORD }, { password: 'another' }]);
  });
});

describe('D17: a registry that lets nobody in', () => {
  it.each([
    ['registry.example.com', 'registry.example.com does not let us in with the username and password of registries.registry.example.com'],
    ['other.example.com', 'other.example.com wants a username and a password, and the configuration has none: there is no registries.other.example.com'],
    ['broken.example.com', 'broken.example.com wants a password, and the passwordFile of registries.broken.example.com cannot be read (ENOENT)'],
    ['index.docker.io', 'docker.io does not let us in with the username and password of registries.docker.io'],
  ])('fails a pull from %s with what to look at', async (registry, sentence) => {
    await using scripted = await enterScripted({ pull: refusalOf(500, 'unauthorized: authentication required') });
    expect(await pullFrom(scripted, registry)).toMatchObject({ code: 'registry_refused', message: `${registry}/app:v1 could not be pulled: ${sentence} (unauthorized: authentication required).` });
  });

  it('says that a password file became empty', async () => {
    await using scripted = await enterScripted({ pull: refusalOf(500, 'no basic auth credentials') });
    await scripted.change('\n');
    expect(await pullFrom(scripted, 'registry.example.com')).toMatchObject({ code: 'registry_refused', message: expect.stringContaining('the passwordFile of registries.registry.example.com is empty') as unknown });
  });

  it('is told from an image that may not be there, with the key to look at if it is', async () => {
    await using scripted = await enterScripted({ pull: refusalOf(404, 'pull access denied for registry.example.com/app, repository does not exist or may require \'docker login\': denied: requested access to the resource is denied') });
    expect(await pullFrom(scripted, 'registry.example.com')).toMatchObject({ code: 'image_not_found', message: expect.stringMatching(/ is denied\. If it is private, look at registries\.registry\.example\.com in the configuration\.$/) as unknown });
  });

  it('fails a build of the classic builder', async () => {
    await using scripted = await enterScripted({ apiVersion: '1.38', build: (response) => { response.end(line({ stream: 'Step 1/1 : FROM registry.example.com/base:1\n' }) + line({ errorDetail: { message: 'unauthorized: authentication required' } })); } });
    expect(await buildOn(scripted)).toMatchObject({
      code: 'registry_refused', details: { lastLines: ['Step 1/1 : FROM registry.example.com/base:1'] },
      message: 'The base image “registry.example.com/base:1” could not be had: registry.example.com does not let us in with the username and password of registries.registry.example.com (unauthorized: authentication required).',
    });
  });
});

describe('D17: an engine that repeats a password', () => {
  const echo = `unauthorized: bad credentials ${PASSWORD} Basic ${ENCODED}`;
  const shown = 'unauthorized: bad credentials *** Basic ***';
  const secrets = new RegExp(`hunter2|${ENCODED.slice(0, 20).replace(/[+/]/g, '.')}`);

  it('is not repeated in a pull’s error or progress', async () => {
    await using scripted = await enterScripted({ pull: (_request, response) => { response.end(line({ status: `Retrying with ${PASSWORD}` }) + line({ errorDetail: { message: echo } })); } });
    const request = pullOf({ project: PROJECT, registry: 'registry.example.com' }, 'app:v1');
    const error = await pullFrom(scripted, 'registry.example.com', request);
    expect([error.code, request.lines]).toEqual(['registry_refused', ['Retrying with ***']]);
    expect(error.message).toContain(shown);
    expect(JSON.stringify([error.message, String(error.cause), request.lines])).not.toMatch(secrets);
  });

  it.each(['1.38', '1.41'])('is not repeated in a build’s error or log (API %s)', async (apiVersion) => {
    await using scripted = await enterScripted({
      apiVersion,
      build: async (response, ask) => {
        if (apiVersion === '1.41') await ask('registry.example.com');
        response.end(line({ stream: 'Step 1/1 : FROM registry.example.com/base:1\n' }) + line({ status: echo }) + line({ errorDetail: { message: echo } }));
      },
    });
    const request = requestFor({ project: PROJECT }, 'FROM x\n');
    const error = await buildOn(scripted, request);
    expect([error.code, request.lines.at(-1)]).toEqual(['registry_refused', shown]);
    expect(JSON.stringify([error.message, error.details, String(error.cause), request.lines])).not.toMatch(secrets);
  });

  it('is not repeated where it refuses a build at once', async () => {
    await using scripted = await enterScripted({ apiVersion: '1.38', build: (response) => { response.writeHead(500).end(JSON.stringify({ message: echo })); } });
    const error = await buildOn(scripted);
    expect([error.code, error.message, error.cause]).toEqual(['build_failed', shown, undefined]);
  });
});
