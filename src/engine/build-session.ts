import { createServer } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import { randomUUID } from 'node:crypto';
import { Socket } from 'node:net';
import type Docker from 'dockerode';
import { readMessage, textOf, writeTexts } from './protobuf.js';
import type { RegistryAuth } from './registry-auth.js';

/** A BuildKit session: the engine asks its client through it. Without one, a pull from a registry that wants a token fails. */
export interface BuildSession {
  readonly id: string;
  close(): void;
}

const HEALTH = '/grpc.health.v1.Health/Check';
const CREDENTIALS = '/moby.filesync.v1.Auth/Credentials';
/** `{status: SERVING}` */
const SERVING = Buffer.from([8, 1]);
/** An empty message: the engine asks the registry without a name. */
const NOBODY = Buffer.alloc(0);
const UNIMPLEMENTED = '12';
/** No name of a registry is as long. */
const LONGEST_REQUEST = 4_096;

type Credentials = RegistryAuth['credentials'];

/**
 * Opens a session that answers health checks and gives a registry the credentials it has, when the engine asks for them. It
 * is our own, since dockerode's stays open after an abort.
 *
 * @returns undefined when the engine has no sessions: it then builds without
 * @see https://github.com/moby/buildkit/blob/master/session/auth/auth.proto
 */
export function openBuildSession(docker: Docker, signal: AbortSignal, credentials: Credentials): Promise<BuildSession | undefined> {
  const id = randomUUID();
  return new Promise((resolve) => {
    docker.modem.dial({
      path: '/session', method: 'POST', hijack: true, abortSignal: signal,
      headers: { Upgrade: 'h2c', 'X-Docker-Expose-Session-Uuid': id, 'X-Docker-Expose-Session-Name': 'slipway' },
      statusCodes: { 200: true },
    }, (_error, socket) => {
      resolve(socket instanceof Socket ? serve(socket, id, credentials) : undefined);
    });
  });
}

function serve(socket: Socket, id: string, credentials: Credentials): BuildSession {
  const server = createServer();
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    // What breaks here breaks the build, which says so itself.
    answer(stream, headers[':path'], credentials).catch(() => { stream.destroy(); });
  });
  for (const event of ['error', 'sessionError']) server.on(event, () => undefined);
  socket.on('error', () => undefined);
  server.emit('connection', socket);
  return { id, close: () => { socket.destroy(); } };
}

async function answer(stream: ServerHttp2Stream, path: string | undefined, credentials: Credentials): Promise<void> {
  const body = path === HEALTH ? SERVING : path === CREDENTIALS ? await credentialsFor(stream, credentials) : undefined;
  if (stream.destroyed) return;
  const head = { ':status': 200, 'content-type': 'application/grpc' };
  if (body === undefined) {
    stream.respond({ ...head, 'grpc-status': UNIMPLEMENTED }, { endStream: true });
    return;
  }
  stream.respond(head, { waitForTrailers: true });
  stream.on('wantTrailers', () => { stream.sendTrailers({ 'grpc-status': '0' }); });
  stream.end(framed(body));
}

/** `{host}` is answered with `{username, secret}`. */
async function credentialsFor(stream: ServerHttp2Stream, credentials: Credentials): Promise<Buffer> {
  const host = textOf(readMessage(unframed(await readAll(stream))), 1);
  const found = await credentials(host);
  return found ? writeTexts(found.username, found.password) : NOBODY;
}

/** @throws RangeError when it is longer than any request */
async function readAll(stream: ServerHttp2Stream): Promise<Buffer> {
  let all = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    all = Buffer.concat([all, chunk]);
    if (all.length > LONGEST_REQUEST) throw new RangeError('a request of the engine is too long');
  }
  return all;
}

/** gRPC: a flag byte, the length in four bytes, the message. */
function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const unframed = (frame: Buffer): Buffer => frame.subarray(5, 5 + (frame.length < 5 ? 0 : frame.readUInt32BE(1)));
