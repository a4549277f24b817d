/** A WebSocket that sends every message back, without packages. @see https://www.rfc-editor.org/rfc/rfc6455 */
import { createHash } from 'node:crypto';

const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;
const LARGEST_FRAME = 16 * 1024 * 1024;
const PROTOCOL_ERROR = 1002;
const TOO_BIG = 1009;

/** How many bytes the header has, and the payload after it; undefined until enough has arrived. */
function measure(bytes) {
  if (bytes.length < 2) return undefined;
  const short = bytes[1] & 0x7f;
  const header = { 126: 4, 127: 10 }[short] ?? 2;
  if (bytes.length < header) return undefined;
  if (short === 126) return { header, length: bytes.readUInt16BE(2) };
  if (short === 127) return { header, length: Number(bytes.readBigUInt64BE(2)) };
  return { header, length: short };
}

/** Takes one frame of a client off the front. @returns undefined until it is whole, `{ fault }` when it is wrong */
function takeFrame(bytes) {
  const size = measure(bytes);
  if (!size) return undefined;
  if ((bytes[1] & 0x80) === 0) return { fault: PROTOCOL_ERROR };
  if (size.length > LARGEST_FRAME) return { fault: TOO_BIG };
  const start = size.header + 4;
  const end = start + size.length;
  if (bytes.length < end) return undefined;
  const mask = bytes.subarray(size.header, start);
  const payload = Buffer.from(bytes.subarray(start, end));
  for (let at = 0; at < payload.length; at += 1) payload[at] ^= mask[at & 3];
  return { first: bytes[0], payload, rest: bytes.subarray(end) };
}

function frame(first, payload) {
  const { length } = payload;
  if (length < 126) return Buffer.concat([Buffer.from([first, length]), payload]);
  const header = Buffer.alloc(length < 65_536 ? 4 : 10);
  header[0] = first;
  header[1] = length < 65_536 ? 126 : 127;
  if (length < 65_536) header.writeUInt16BE(length, 2);
  else header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, payload]);
}

function closeFrame(code) {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return frame(0x80 | CLOSE, payload);
}

/** Frames go back as they came, so that fragments of a message and its kind stay what they were. */
function answerFrame(socket, { first, payload }) {
  const kind = first & 0x0f;
  if (kind === CLOSE) return socket.end(frame(0x80 | CLOSE, payload.subarray(0, 2)));
  if (kind === PING) return socket.write(frame(0x80 | PONG, payload));
  if (kind === PONG) return true;
  return socket.write(frame(first, payload));
}

function echoFrames(socket, head) {
  let bytes = head;
  const readAll = () => {
    for (let next = takeFrame(bytes); next; next = takeFrame(bytes)) {
      if (next.fault) return socket.end(closeFrame(next.fault));
      bytes = next.rest;
      if (!answerFrame(socket, next)) socket.pause();
      if (socket.writableEnded) return undefined;
    }
    return undefined;
  };
  socket.on('data', (chunk) => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    readAll();
  });
  socket.on('drain', () => socket.resume());
  socket.on('end', () => socket.end());
  readAll();
}

/** Answers `upgrade` of an http server: `/ws` echoes, everything else is refused. */
export function upgradeToEcho(request, socket, head) {
  socket.on('error', () => socket.destroy());
  const key = request.headers['sec-websocket-key'];
  const [path] = request.url.split('?', 1);
  if (path !== '/ws' || !key) return socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  const accept = createHash('sha1').update(key + MAGIC).digest('base64');
  socket.setNoDelay(true);
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  return echoFrames(socket, head);
}
