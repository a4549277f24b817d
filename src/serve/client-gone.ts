import type { IncomingMessage, ServerResponse } from 'node:http';

/** A request and the response to it. */
export interface Pending {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

/** Whether nothing can be answered any more: it was, or the client is gone. */
export function isGone({ req, res }: Pending): boolean {
  return res.destroyed || res.writableEnded || req.socket.destroyed;
}

/** Calls once: when the response is sent completely, or when its client is gone. */
export function onceGone({ req, res }: Pending, gone: () => void): void {
  if (res.socket) { res.once('close', gone); return; }
  // Pipelined behind another response: such a one never hears of its connection's end (faults G35).
  const { socket } = req;
  const once = () => {
    socket.off('close', once);
    res.off('close', once);
    gone();
  };
  socket.setMaxListeners(0);
  socket.once('close', once);
  res.once('close', once);
}

/** Aborts when `onceGone` calls; aborted already where nothing can be answered any more. */
export function goneSignal(pending: Pending): AbortSignal {
  const gone = new AbortController();
  if (isGone(pending)) gone.abort();
  else onceGone(pending, () => { gone.abort(); });
  return gone.signal;
}
