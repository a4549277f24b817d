import type { IncomingMessage, ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { LogLine } from '../domain/log-line.js';
import type { Clock } from './clock.js';

/** Server-sent events to one viewer. */
export interface EventStream {
  /** Aborts when the viewer has gone or the stream was closed. */
  readonly signal: AbortSignal;
  /** Sends one event; ends when the viewer can take more. `id` comes back as Last-Event-ID after a broken connection. */
  send(event: string, content: unknown, id?: number): Promise<void>;
  /** Sends lines until they end; each has its number as id. */
  sendLines(lines: AsyncIterable<LogLine>): Promise<void>;
  close(): void;
}

const HEARTBEAT_MS = 15_000;

/** All viewers' streams, so that a server that stops can end them: they would never end by themselves. */
export interface EventStreams {
  /** Begins the answer. Its headers keep proxies and browsers from storing or holding it back. */
  open(req: IncomingMessage, res: ServerResponse): EventStream;
  /** How many are open. */
  readonly count: number;
  /** Ends every stream, and each later one at once. */
  close(): void;
}

export function createEventStreams({ clock }: { clock: Clock }): EventStreams {
  const streams = new Set<EventStream>();
  let closed = false;
  return {
    open: (req, res) => {
      const stream = openEventStream(req, res, clock);
      streams.add(stream);
      stream.signal.addEventListener('abort', () => { streams.delete(stream); }, { once: true });
      if (closed) stream.close();
      return stream;
    },
    get count() { return streams.size; },
    close: () => {
      closed = true;
      for (const stream of streams) stream.close();
    },
  };
}

function openEventStream(req: IncomingMessage, res: ServerResponse, clock: Clock): EventStream {
  const gone = new AbortController();
  res.on('close', () => { gone.abort(); });
  res.on('error', () => { gone.abort(); });
  res.writeHead(200, {
    'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no', 'X-Content-Type-Options': 'nosniff',
  });
  res.write('retry: 1000\n\n');
  const write = async (text: string) => {
    if (gone.signal.aborted || res.writableEnded || res.write(text)) return;
    await once(res, 'drain', { signal: gone.signal }).catch(() => undefined);
  };
  const beat = async () => {
    while (!gone.signal.aborted) {
      await clock.sleep(HEARTBEAT_MS, gone.signal);
      await write(': here\n\n');
    }
  };
  void beat();
  req.resume();
  const send: EventStream['send'] = (event, content, id) => write(`event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(content)}\n\n`);
  return {
    signal: gone.signal,
    send,
    sendLines: async (lines) => {
      for await (const line of lines) {
        if (gone.signal.aborted) return;
        await send('line', line, line.n);
      }
    },
    close: () => { gone.abort(); res.end(); },
  };
}

/** The number of the last line the viewer has; 0 at first. */
export function lastEventId({ headers }: Pick<IncomingMessage, 'headers'>): number {
  const id = Number(headers['last-event-id'] ?? 0);
  return Number.isSafeInteger(id) && id > 0 ? id : 0;
}
