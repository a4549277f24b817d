import type { IncomingMessage, ServerResponse } from 'node:http';
import { once } from 'node:events';
import { AppError } from '../domain/errors.js';
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
  /**
   * Begins the answer. Its headers keep proxies and browsers from storing or holding it back.
   *
   * @throws AppError `too_busy`, `too_many_requests` before anything is answered, when there are as many as there may be
   */
  open(req: IncomingMessage, res: ServerResponse): EventStream;
  /**
   * Counts an answer of another form among them, since it does not end by itself either.
   *
   * @returns aborts when the viewer has gone or the server stops: the answer is to end then
   * @throws AppError `too_busy`, `too_many_requests`
   */
  hold(req: IncomingMessage, res: ServerResponse): AbortSignal;
  /** How many are open. */
  readonly count: number;
  /** How many may be open at the same time. */
  readonly most: number;
  /** Ends every stream, and each later one at once. */
  close(): void;
}

export interface EventStreamsDeps {
  readonly clock: Clock;
  /** The client's address, whatever stands in between. */
  readonly addressOf: (req: IncomingMessage) => string;
  readonly limits?: EventStreamLimits;
}

export interface EventStreamLimits {
  /** Of all clients. */
  readonly most: number;
  /** Of one address, behind which a whole office may be. */
  readonly perClient: number;
}

const LIMITS: EventStreamLimits = { most: 2_000, perClient: 64 };
const RETRY_SECONDS = 5;

export function createEventStreams({ clock, addressOf, limits = LIMITS }: EventStreamsDeps): EventStreams {
  const streams = new Set<Pick<EventStream, 'signal' | 'close'>>();
  const ofClient = new Map<string, number>();
  let closed = false;

  const count = (address: string, change: 1 | -1) => {
    const now = (ofClient.get(address) ?? 0) + change;
    if (now > 0) ofClient.set(address, now);
    else ofClient.delete(address);
  };

  const assertRoom = (address: string) => {
    const details = { retryAfterSeconds: RETRY_SECONDS };
    if (streams.size >= limits.most) throw new AppError('too_busy', `${streams.size} event streams are open already.`, { details });
    if ((ofClient.get(address) ?? 0) >= limits.perClient) throw new AppError('too_many_requests', `${limits.perClient} event streams of this address are open already.`, { details });
  };

  const admit = <Stream extends Pick<EventStream, 'signal' | 'close'>>(req: IncomingMessage, begin: () => Stream): Stream => {
    const address = addressOf(req);
    assertRoom(address);
    const stream = begin();
    streams.add(stream);
    count(address, 1);
    stream.signal.addEventListener('abort', () => { streams.delete(stream); count(address, -1); }, { once: true });
    if (closed) stream.close();
    return stream;
  };

  return {
    most: limits.most,
    open: (req, res) => admit(req, () => openEventStream(req, res, clock)),
    hold: (req, res) => admit(req, () => {
      const gone = new AbortController();
      res.once('close', () => { gone.abort(); });
      return { signal: gone.signal, close: () => { gone.abort(); } };
    }).signal,
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
