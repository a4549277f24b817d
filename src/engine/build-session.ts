import { createServer } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import { randomUUID } from 'node:crypto';
import { Socket } from 'node:net';
import type Docker from 'dockerode';

/** A BuildKit session: the engine asks its client through it. Without one, a pull from a registry that wants a token fails. */
export interface BuildSession {
  readonly id: string;
  close(): void;
}

const HEALTH = '/grpc.health.v1.Health/Check';
const CREDENTIALS = '/moby.filesync.v1.Auth/Credentials';
/** gRPC: a flag byte, the length in four bytes, the message; here `{status: SERVING}` and an empty one. */
const SERVING = Buffer.from([0, 0, 0, 0, 2, 8, 1]);
const NOBODY = Buffer.from([0, 0, 0, 0, 0]);
const UNIMPLEMENTED = '12';

/**
 * Opens a session that answers health checks and gives no credentials. It is our own, since dockerode's stays open after an abort.
 *
 * @returns undefined when the engine has no sessions: it then builds without
 */
export function openBuildSession(docker: Docker, signal: AbortSignal): Promise<BuildSession | undefined> {
  const id = randomUUID();
  return new Promise((resolve) => {
    docker.modem.dial({
      path: '/session', method: 'POST', hijack: true, abortSignal: signal,
      headers: { Upgrade: 'h2c', 'X-Docker-Expose-Session-Uuid': id, 'X-Docker-Expose-Session-Name': 'slipway' },
      statusCodes: { 200: true },
    }, (_error, socket) => {
      resolve(socket instanceof Socket ? serve(socket, id) : undefined);
    });
  });
}

function serve(socket: Socket, id: string): BuildSession {
  const server = createServer();
  server.on('stream', (stream, headers) => { answer(stream, headers[':path']); });
  // What breaks here breaks the build, which says so itself.
  for (const event of ['error', 'sessionError']) server.on(event, () => undefined);
  socket.on('error', () => undefined);
  server.emit('connection', socket);
  return { id, close: () => { socket.destroy(); } };
}

function answer(stream: ServerHttp2Stream, path: string | undefined): void {
  const body = path === HEALTH ? SERVING : path === CREDENTIALS ? NOBODY : undefined;
  stream.on('error', () => undefined);
  const head = { ':status': 200, 'content-type': 'application/grpc' };
  if (body === undefined) {
    stream.respond({ ...head, 'grpc-status': UNIMPLEMENTED }, { endStream: true });
    return;
  }
  stream.respond(head, { waitForTrailers: true });
  stream.on('wantTrailers', () => { stream.sendTrailers({ 'grpc-status': '0' }); });
  stream.end(body);
}
