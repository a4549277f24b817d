import type { ClientRequest } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ForwardTimeouts } from './forwarding.js';
import { isConnectionLoss } from './upstream-failure.js';

type Done = (error?: Error | null) => void;

/** Limits how long nothing may move on an upstream's connection; its request emits `timeout` then. */
export interface SilenceWatch {
  /** The answer has begun: from here on the limit is `idleMs`. */
  answering(): void;
  stop(): void;
}

/** Most exchanges are over before: only the others get a timer on their socket, which every byte then has to move. */
const GRACE_MS = 1_000;

/** Watches for `connectMs`, then for `responseMs`; each counts from the last byte, or up to a second later. */
export function watchSilence(upstream: ClientRequest, { connectMs, responseMs, idleMs }: ForwardTimeouts): SilenceWatch {
  const graceMs = Math.min(GRACE_MS, connectMs / 2, responseMs / 2, idleMs / 2);
  let silenceMs = responseMs;
  let limited = false;
  const timer = setTimeout(() => {
    limited = true;
    upstream.setTimeout(silenceMs - graceMs);
    if (upstream.socket?.connecting === true) upstream.socket.setTimeout(connectMs - graceMs);
  }, graceMs);
  return {
    answering: () => {
      silenceMs = idleMs;
      if (limited) upstream.setTimeout(idleMs);
    },
    stop: () => { clearTimeout(timer); },
  };
}

/**
 * Reads an answer to its end although its sender takes no more of the request: a write that fails would close the
 * socket at once and lose what has arrived and is not read yet (faults G34). The reader meets the loss too, behind it.
 */
export function readBeforeLoss(socket: Socket): void {
  if (guarded.has(socket)) return;
  guarded.add(socket);
  const write = socket._write.bind(socket);
  const writeMany = socket._writev?.bind(socket);
  const unlessLost = (done: Done): Done => (error) => { if (!isConnectionLoss(error)) done(error); };
  socket._write = (chunk, encoding, done) => { write(chunk, encoding, unlessLost(done)); };
  if (writeMany) socket._writev = (chunks, done) => { writeMany(chunks, unlessLost(done)); };
}

/** Kept connections come by once per request. */
const guarded = new WeakSet<Socket>();

/** How long a peer may take to close after its last answer. */
const LINGER_MS = 2_000;

/** Sends the last bytes and takes what the peer still sends, which would else turn them into a loss; closes at last. */
export function endWith(socket: Duplex, text: string): void {
  const late = setTimeout(() => { socket.destroy(); }, LINGER_MS).unref();
  socket.once('close', () => { clearTimeout(late); });
  socket.end(text);
  socket.resume();
}

/** Ends a connection so that its peer sees a loss and no proper end; only TCP can tell the two apart. */
export function abort(socket: Duplex): void {
  try {
    if (socket instanceof Socket) socket.resetAndDestroy();
    else socket.destroy();
  } catch {
    socket.destroy();
  }
}
