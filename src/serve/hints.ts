import type { IncomingMessage, InformationEvent, ServerResponse } from 'node:http';
import { answerHeaders, messageHead, printable, without, type AnswerRules } from './proxy-guards.js';

export interface Hinted {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly to: AnswerRules;
}

/**
 * Passes on what an application sends in front of its answer, such as early hints, as a proxy must (RFC 9110 section
 * 15.2); `100 Continue` has its own way. They are hints and no part of the answer: one behind a pipelined answer, to
 * HTTP/1.0, to a client that reads no more or with a header that cannot be written is left out.
 */
export function relayHint({ req, res, to }: Hinted, { statusCode, statusMessage, rawHeaders }: InformationEvent): void {
  const { socket } = res;
  if (statusCode === 100 || res.headersSent || socket === null || socket.writableNeedDrain || req.httpVersionMinor === 0) return;
  const head = headOf({ status: statusCode, reason: printable(statusMessage), headers: rawHeaders }, to);
  if (head !== undefined) socket.write(head, 'latin1');
}

/**
 * Tells a client to go on with its body, once it is this answer's turn on the connection: written before, node:http puts it
 * behind the head of the answer. An answer that has begun by then says all there is to say.
 */
export function sendContinue(res: ServerResponse, onSent: () => void = () => undefined): void {
  const send = () => {
    if (res.headersSent) return;
    onSent();
    res.writeContinue();
  };
  if (res.socket) send();
  else res.once('socket', send);
}

function headOf({ status, reason, headers }: { status: number; reason: string; headers: string[] }, to: AnswerRules): string | undefined {
  try {
    return messageHead({ status, reason, headers: without(answerHeaders(headers, to), 'content-length') });
  } catch {
    return undefined;
  }
}
