import type { IncomingMessage, ServerResponse } from 'node:http';

const NO_BYTES = Buffer.alloc(0);

/**
 * Sends the body of an answer whose first lines are written: as it comes, and with the reader's speed. Most bodies are
 * there as a whole; for these a pipe, with its ten listeners, would cost more than all the rest of the answer.
 */
export function sendBody(answer: IncomingMessage, res: ServerResponse): void {
  if (answer.complete) { res.end(answer.read() ?? undefined); return; }
  const isBegun = answer.readableLength > 0;
  answer.pipe(res);
  // When nothing of the body came along, as with server-sent events. Not by `flushHeaders`: that encodes as UTF-8 what
  // often is UTF-8 already.
  if (!isBegun && !res.writableEnded && !res.destroyed) res.write(NO_BYTES);
}
