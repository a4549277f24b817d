import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError } from '../domain/errors.js';
import type { BuildId } from '../domain/ids.js';
import { lastEventId, type EventStream, type EventStreams } from '../kernel/event-stream.js';
import { sendJson, type Answers } from './answers.js';
import type { Visit } from './visits.js';

/** On preview hosts everything belongs to the application but this. */
const PREFIX = '/__slipway/';

export const isReserved = (url: string | undefined): boolean => url?.startsWith(PREFIX) === true;

export interface ReservedDeps {
  readonly visit: Visit;
  /** Whether watching may let it run. */
  readonly opens: boolean;
  readonly answers: Answers;
  readonly streams: EventStreams;
}

/** `/__slipway/state`: the state as JSON. `/__slipway/events`: the state and the build's log, live. */
export async function answerReserved({ req, res }: { req: IncomingMessage; res: ServerResponse }, { visit, opens, answers, streams }: ReservedDeps): Promise<void> {
  const [path] = (req.url ?? '').slice(PREFIX.length).split('?');
  if (req.method !== 'GET') { res.setHeader('Allow', 'GET'); answers.failure({ req, res, page: false }, new AppError('method_not_allowed', 'Only GET is allowed here.')); return; }
  if (path === 'state') { sendJson(res, 200, (await visit.view()).waiting); return; }
  if (path !== 'events') { answers.failure({ req, res, page: false }, new AppError('not_found', 'There is nothing at this path.')); return; }
  const stream = streams.open(req, res);
  await streamEvents(stream, visit, { after: lastEventId(req), opens });
}

/** A build has no log before its turn came, so that one seen waiting is followed once it does not wait any more. */
async function streamEvents(stream: EventStream, visit: Visit, { after, opens }: { after: number; opens: boolean }): Promise<void> {
  let mayOpen = opens;
  let waited: BuildId | null = null;
  let following: BuildId | null = null;
  for await (const { build, waiting, isWorthOpening } of visit.watch(stream.signal)) {
    // Whoever watches wants it open: after a restart of this server their page goes on without a reload.
    if (mayOpen && isWorthOpening) visit.open().catch(() => undefined);
    mayOpen = false;
    await stream.send('state', waiting);
    if (waiting.state === 'pending') waited = build;
    else if (build !== null && build !== following && (waiting.state === 'building' || build === waited)) {
      void stream.sendLines(visit.lines(build, following === null ? after : 0, stream.signal)).catch(() => undefined);
      following = build;
    }
  }
}
