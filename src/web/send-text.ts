import type { Response } from 'express';
import type { LogLine } from '../domain/log-line.js';

/** A log to be sent: its lines and what a browser calls the file. */
export interface SentText {
  readonly lines: AsyncIterable<LogLine>;
  readonly name: string;
  /** Begins the answer before there is a line: one may be long in coming. */
  readonly isLive?: boolean;
}

/** Raw logs are text and nothing else, whatever they contain. Ends with the lines, or when nobody reads any more. */
export async function sendText(res: Response, { lines, name, isLive = false }: SentText): Promise<void> {
  res.setHeader('Content-Type', 'text/plain; charset=utf-8');
  res.setHeader('Content-Security-Policy', "sandbox; default-src 'none'");
  res.setHeader('Content-Disposition', `inline; filename="${name}"`);
  if (isLive) {
    res.setHeader('X-Accel-Buffering', 'no');
    res.flushHeaders();
  }
  for await (const { at, text } of lines) {
    if (res.destroyed) return;
    await write(res, `${at} ${text}\n`);
  }
  res.end();
}

/** Ends when the reader can take more, or has gone. */
export async function write(res: Response, text: string): Promise<void> {
  if (res.destroyed || res.writableEnded || res.write(text)) return;
  await new Promise<void>((resolve) => {
    const done = () => { res.off('drain', done); res.off('close', done); resolve(); };
    res.once('drain', done);
    res.once('close', done);
  });
}
