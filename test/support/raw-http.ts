import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

/** A TCP server whose every byte the test decides on. */
export interface RawUpstream extends AsyncDisposable {
  readonly port: number;
  /** Every connection it ever had, oldest first. */
  readonly sockets: readonly Socket[];
  /** What each connection received, as latin1, in the same order. */
  readonly received: readonly string[];
}

/** Calls `onText` with all that a connection received so far, whenever more of it comes. */
export async function startRawUpstream(onText: (socket: Socket, text: string, connection: number) => void, port = 0): Promise<RawUpstream> {
  const sockets: Socket[] = [];
  const received: string[] = [];
  const server = createServer((socket) => {
    const connection = sockets.push(socket) - 1;
    received.push('');
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      const text = received[connection] = (received[connection] ?? '') + bytes.toString('latin1');
      onText(socket, text, connection);
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port, sockets, received,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers the first complete request head of each connection with these bytes, and ends or leaves the connection open. */
export async function startAnsweringUpstream(answer: string, after: 'end' | 'reset' | 'open' = 'open'): Promise<RawUpstream> {
  const answered = new WeakSet<Socket>();
  return startRawUpstream((socket, text) => {
    if (!text.includes('\r\n\r\n') || answered.has(socket)) return;
    answered.add(socket);
    socket.write(answer, 'latin1', () => {
      if (after === 'end') socket.end();
      if (after === 'reset') socket.resetAndDestroy();
    });
  });
}

/** A port on which nobody listens at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** A client that sends and sees bytes. */
export interface RawClient extends Disposable {
  readonly socket: Socket;
  /** All that came so far, as latin1. */
  text(): string;
  send(text: string): void;
  /** Ends when what came so far satisfies the test. @throws Error when the connection closes before */
  until(isEnough: ((text: string) => boolean) | string): Promise<string>;
  /** Ends with the code of the error, or null after a clean end. */
  readonly closed: Promise<string | null>;
}

export async function connectRaw(port: number): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1' });
  let text = '';
  let failure: string | null = null;
  socket.on('data', (bytes: Buffer) => { text += bytes.toString('latin1'); });
  socket.on('error', (error: NodeJS.ErrnoException) => { failure = error.code ?? 'unknown'; });
  const closed = new Promise<string | null>((resolve) => { socket.once('close', () => { resolve(failure); }); });
  await once(socket, 'connect');
  const until = (isEnough: ((text: string) => boolean) | string) => new Promise<string>((resolve, reject) => {
    const check = () => {
      if (!(typeof isEnough === 'string' ? text.includes(isEnough) : isEnough(text))) return;
      socket.off('data', check);
      resolve(text);
    };
    socket.on('data', check);
    socket.once('close', () => { check(); reject(new Error(`closed after: ${text.slice(0, 500)}`)); });
    check();
  });
  return { socket, text: () => text, send: (bytes) => { socket.write(bytes, 'latin1'); }, until, closed, [Symbol.dispose]: () => { socket.destroy(); } };
}

/** Sends one request and reads until the server closes; for requests that say `Connection: close`. */
export async function roundTrip(port: number, request: string): Promise<string> {
  using client = await connectRaw(port);
  client.send(request);
  await client.closed;
  return client.text();
}
