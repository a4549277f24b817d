import type { IncomingMessage } from 'node:http';
import { AppError } from '../domain/errors.js';
import type { InstanceId } from '../domain/ids.js';
import type { Clock } from '../kernel/clock.js';
import { withDeadline } from '../kernel/deadline.js';
import type { Logger } from '../kernel/log.js';
import type { Deadlines, EngineClient } from './client.js';
import { createEventReader, WATCHED } from './event-reader.js';
import { createLineCutter } from './line-cutter.js';
import type { Networks } from './network.js';
import type { ContainerEngine, EngineEvent } from './port.js';

export interface EventsDeps {
  readonly client: EngineClient;
  readonly instance: InstanceId;
  /** Forgets a network before anybody else hears that it is gone. */
  readonly networks: Pick<Networks, 'forget'>;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
  readonly log: Logger;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 30_000;
/** A stream that lived so long was a good one: the next break begins with the shortest pause again. */
const STEADY_MS = 10_000;
/** Events are numbered by a clock, and not quite in order: what is asked for again overlaps. */
const OVERLAP_SECONDS = 2;
/** An event carries every label of its image, which anybody may write. */
const LONGEST_LINE_BYTES = 1024 * 1024;
/** An engine on another machine may be lost without a word, and a quiet stream would never tell. */
const KEEP_ALIVE_MS = 30_000;

/** Follows the engine's own events; one stream per watcher, of which nothing is kept but the line that is being read. */
export function createEvents({ client, instance, networks, deadlines, clock, log }: EventsDeps): Pick<ContainerEngine, 'watch'> {
  const open = (since: number | undefined, signal: AbortSignal) => withDeadline(async (joined) => {
    const options = { filters: WATCHED, abortSignal: joined, ...(since === undefined ? {} : { since }) };
    const stream = await (await client.connect()).getEvents(options) as IncomingMessage;
    stream.socket.setKeepAlive(true, KEEP_ALIVE_MS);
    return stream;
  }, {
    ms: deadlines.read, clock, signal,
    error: () => new AppError('engine_timeout', `The container engine did not begin to tell its events within ${deadlines.read / 1000} s.`),
  });

  async function* follow(watching: Watching, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    const stream = await open(watching.since, signal);
    try {
      watching.since ??= secondsOf(stream.headers.date);
      if (watching.isBroken) log.info('engine events heard again');
      watching.isBroken = false;
      yield { kind: 'gap' };
      const read = createEventReader(instance);
      for await (const line of linesOf(stream)) {
        const { events, at } = read(line);
        if (at !== undefined) watching.since = at - OVERLAP_SECONDS;
        for (const event of events) yield noted(event);
      }
    } finally {
      stream.destroy();
    }
  }

  const noted = (event: EngineEvent): EngineEvent => {
    if (event.kind === 'network-removed') networks.forget(event.project);
    return event;
  };

  /** Said once for each break, however long it lasts. */
  const noteBreak = (watching: Watching, reason: string) => {
    if (!watching.isBroken) log.warn('engine events not heard', { reason });
    watching.isBroken = true;
  };

  return {
    watch: async function* (signal) {
      const watching: Watching = { since: undefined, isBroken: false };
      for (let pauseMs = FIRST_PAUSE_MS; !isAborted(signal); pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
        const begunAt = clock.monotonic();
        let reason = 'the stream ended';
        try {
          yield* follow(watching, signal);
        } catch (error) {
          reason = client.failure(error, 'tell its events').message;
        }
        if (isAborted(signal)) return;
        noteBreak(watching, reason);
        if (clock.monotonic() - begunAt >= STEADY_MS) pauseMs = FIRST_PAUSE_MS;
        // Many servers of one engine must not come back all at once.
        await clock.sleep(pauseMs * (0.5 + Math.random() / 2), signal);
      }
    },
  };
}

interface Watching {
  /** From when on the engine is asked, in seconds of its own clock. */
  since: number | undefined;
  isBroken: boolean;
}

/** Asked through a function, since the compiler takes a signal for settled once it was looked at. */
const isAborted = (signal: AbortSignal): boolean => signal.aborted;

/** What lies between the first connection and the first event is asked for by the engine's own clock. */
function secondsOf(date: string | undefined): number | undefined {
  const ms = Date.parse(date ?? '');
  return Number.isNaN(ms) ? undefined : Math.floor(ms / 1000) - OVERLAP_SECONDS;
}

async function* linesOf(stream: AsyncIterable<unknown>): AsyncGenerator<string> {
  let lines: string[] = [];
  const cutter = createLineCutter((line) => { lines.push(line); }, LONGEST_LINE_BYTES);
  for await (const chunk of stream) {
    cutter.push(chunk as Buffer);
    const whole = lines;
    lines = [];
    yield* whole;
  }
}
