import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { readRequest, valuesOf, type Message } from './http-reader.js';

/** A request as an application reads it that takes nothing but what RFC 9112 allows. */
export interface Seen {
  message: Message;
  readonly id: string;
  /** Whether all of it came. */
  complete: boolean;
}

/** An application that reads each byte by itself and answers every request with its id. */
export interface RecordingUpstream extends AsyncDisposable {
  readonly port: number;
  readonly seen: Seen[];
  /** What came and is no request, or came where none may come. */
  readonly faults: string[];
  /** Bytes that came so far. */
  readonly bytes: number;
  open(): number;
}

interface Line { text: string; current: Seen | undefined; switched: boolean }

export async function startRecordingUpstream(): Promise<RecordingUpstream> {
  const seen: Seen[] = [];
  const faults: string[] = [];
  const sockets = new Set<Socket>();
  let bytes = 0;
  const server = createServer((socket) => {
    const line: Line = { text: '', current: undefined, switched: false };
    sockets.add(socket);
    socket.on('error', () => undefined).setNoDelay(true);
    socket.once('close', () => {
      sockets.delete(socket);
      if (line.text !== '' && line.current === undefined && !line.switched) faults.push(`no request: ${JSON.stringify(line.text.slice(0, 500))}`);
    });
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      line.text += chunk.toString('latin1');
      while (!line.switched && line.text !== '' && take(socket, line, { seen, faults }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port, seen, faults, open: () => sockets.size,
    get bytes() { return bytes; },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Reads what came on a connection. @returns whether a whole request was taken off it */
function take(socket: Socket, line: Line, { seen, faults }: Pick<RecordingUpstream, 'seen' | 'faults'>): boolean {
  const reading = readRequest(line.text);
  if (reading.kind === 'malformed') { faults.push(`${reading.why} in ${JSON.stringify(line.text.slice(0, 1_000))}`); socket.destroy(); line.text = ''; return false; }
  const { message } = reading;
  if (message === undefined) return false;
  if (line.current === undefined) {
    line.current = { message, id: valuesOf(message.lines, 'x-request-id').join(), complete: false };
    seen.push(line.current);
    if (valuesOf(message.lines, 'host').length !== 1) faults.push(`no single Host: ${JSON.stringify(line.text.slice(0, 1_000))}`);
    begin(socket, line.current);
  }
  if (reading.kind === 'partial') return false;
  Object.assign(line.current, { message, complete: true });
  line.text = line.text.slice(reading.end);
  const text = answerTo(line.current);
  line.switched = text.startsWith('HTTP/1.1 101');
  if (valuesOf(message.lines, 'upgrade').length > 0 && line.text !== '') faults.push(`bytes behind a request for an upgrade: ${JSON.stringify(line.text.slice(0, 500))}`);
  socket.write(text);
  line.current = undefined;
  return true;
}

/** A number by which the application chooses: the same in every run. */
const choiceOf = ({ message }: Seen): number => Buffer.from(message.first[1], 'latin1').reduce((sum, byte) => sum + byte, 0);

/** Half of those who ask first are told to go on; the others go on by themselves. */
function begin(socket: Socket, one: Seen): void {
  if (valuesOf(one.message.lines, 'expect').length > 0 && choiceOf(one) % 2 === 0) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
}

/** One of several proper answers. */
function answerTo(one: Seen): string {
  const { message, id } = one;
  const kind = choiceOf(one) % 4;
  if (valuesOf(message.lines, 'upgrade').length > 0) {
    if (kind < 2) return `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Echo: ${id}\r\n\r\n`;
    return `HTTP/1.1 426 Upgrade Required\r\nX-Echo: ${id}\r\nContent-Length: 2\r\n\r\nno`;
  }
  const isHead = message.first[0] === 'HEAD';
  if (kind === 0) return `HTTP/1.1 200 OK\r\nX-Echo: ${id}\r\nTransfer-Encoding: chunked\r\n\r\n${isHead ? '' : `${id.length.toString(16)}\r\n${id}\r\n0\r\n\r\n`}`;
  return `HTTP/1.1 200 OK\r\nX-Echo: ${id}\r\nContent-Length: ${id.length}\r\n\r\n${isHead ? '' : id}`;
}
