import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError, toAppError } from '../domain/errors.js';
import type { Project } from '../domain/project.js';
import { formatLabel, type PreviewName } from '../domain/preview-name.js';
import type { Clock } from '../kernel/clock.js';
import type { EventStreams } from '../kernel/event-stream.js';
import type { Answers } from './answers.js';
import { goneSignal } from './client-gone.js';
import { answerReserved, isReserved } from './reserved.js';
import type { RequestKind } from './request-kind.js';
import { classifyRequest } from './request-kind.js';
import type { Wake } from './routing.js';
import type { Elsewhere, Visit, Visits } from './visits.js';

export interface HoldDeps {
  readonly visits: Visits;
  readonly answers: Answers;
  readonly streams: EventStreams;
  readonly clock: Clock;
  readonly limits: { readonly navigationMs: number; readonly requestMs: number; /** Requests held at the same time. */ readonly most: number; /** Bytes of their bodies that were read before anybody wanted them. */ readonly mostBytes: number };
  /** The URL of a label on the host that was asked for. */
  readonly urlOf: (label: string, projectHost: string, path: string) => string;
}

/** A preview host for which nothing runs. */
export interface Asked {
  readonly project: Project;
  readonly name: PreviewName;
  readonly projectHost: string;
  /** Set where what serves the host sleeps. */
  readonly wake?: Wake | undefined;
}

/** Keeps requests, their bodies unread, while what they want is made; then lets them through or answers them. */
export interface Hold {
  /** Ends when the request was answered, or let through by `forward`. */
  request(req: IncomingMessage, res: ServerResponse, held: Asked & { readonly forward: () => boolean }): Promise<void>;
  /** Sends on to the project that has what was asked for. */
  elsewhere(req: IncomingMessage, res: ServerResponse, name: Elsewhere): Promise<void>;
  /** The same for an upgrade and the bytes that came behind it. */
  upgrade(socket: Duplex, held: Asked & { readonly requestId: string; readonly head: Buffer; readonly forward: () => boolean }): Promise<void>;
  /** How many wait now. */
  readonly waiting: number;
  /** Answers all that wait, and each later one at once: what they want is not made any more. */
  close(): void;
}

interface Refusal { readonly kind: 'failed'; readonly error: AppError }
type Outcome = { readonly kind: 'open' | 'late' | 'gone' } | Refusal;
/** What came of a held request: it was let through, or why not. */
type Admission = { readonly kind: 'through' | 'late' | 'gone' } | Refusal;

/** What a held request takes: a place, one of its connection's, and memory. */
interface Place { readonly connection: Duplex; readonly bytes: number }
interface Waiting extends Place { readonly open: () => Promise<void>; readonly ms: number; readonly gone: AbortSignal; readonly forward: () => boolean }

/** Before a preview that was lost as soon as it ran is opened anew. */
const AGAIN_MS = 20;
/** Far more than anybody sends before the first answer: browsers and proxies use a connection for one request at a time, and none may take the places of all. */
const MOST_OF_A_CONNECTION = 100;

export function createHold({ visits, answers, streams, clock, limits, urlOf }: HoldDeps): Hold {
  let held = 0;
  let heldBytes = 0;
  const heldOf = new WeakMap<Duplex, number>();
  const closing = new AbortController();
  const closed: Outcome = { kind: 'failed', error: new AppError('shutting_down', 'It can be opened again in a moment.') };

  /** How much of a time is left. */
  const timer = (ms: number) => {
    const until = clock.monotonic() + ms;
    return () => Math.max(0, until - clock.monotonic());
  };

  const refusal = ({ connection, bytes }: Place): AppError | undefined => {
    const ofIt = heldOf.get(connection) ?? 0;
    if (ofIt >= MOST_OF_A_CONNECTION) return new AppError('too_busy', `${ofIt} requests of this connection wait already.`);
    return held >= limits.most || heldBytes + bytes > limits.mostBytes ? new AppError('too_busy', `${held} requests wait already.`) : undefined;
  };

  const take = ({ connection, bytes }: Place) => {
    const count = (by: 1 | -1) => {
      held += by;
      heldBytes += by * bytes;
      heldOf.set(connection, (heldOf.get(connection) ?? 0) + by);
    };
    count(1);
    return () => { count(-1); };
  };

  /** Waits for the preview, its time, or the client's end, whichever is first. */
  const wait = async ({ open, ms, gone, ...place }: Omit<Waiting, 'forward'>): Promise<Outcome> => {
    if (closing.signal.aborted) return closed;
    if (gone.aborted) return { kind: 'gone' };
    const error = refusal(place);
    if (error) return { kind: 'failed', error };
    const leave = take(place);
    const over = new AbortController();
    const left = new Promise<Outcome>((resolve) => {
      gone.addEventListener('abort', () => { resolve({ kind: 'gone' }); }, { once: true, signal: over.signal });
      closing.signal.addEventListener('abort', () => { resolve(closed); }, { once: true, signal: over.signal });
    });
    try {
      return await Promise.race<Outcome>([
        open().then((): Outcome => ({ kind: 'open' }), (error: unknown): Outcome => ({ kind: 'failed', error: toAppError(error) })),
        clock.sleep(ms, over.signal).then((): Outcome => ({ kind: 'late' })),
        left,
      ]);
    } finally {
      leave();
      over.abort();
    }
  };

  /** What runs may be lost before anything is sent to it: it is opened anew then, as long as the time lasts. */
  const admit = async ({ ms, forward, ...waiting }: Waiting): Promise<Admission> => {
    const left = timer(ms);
    while (!waiting.gone.aborted) {
      const outcome = await wait({ ...waiting, ms: left() });
      if (outcome.kind === 'failed') return outcome;
      if (outcome.kind !== 'open') return { kind: outcome.kind };
      if (forward()) return { kind: 'through' };
      if (left() === 0) return { kind: 'late' };
      await clock.sleep(AGAIN_MS, waiting.gone);
    }
    return { kind: 'gone' };
  };

  const timeOf = (kind: RequestKind) => (kind === 'navigation' ? limits.navigationMs : limits.requestMs);

  const pending = async (visit: Visit) => {
    const { waiting } = await visit.view();
    return new AppError('preview_pending', `The preview is ${waiting.state}.`);
  };

  /** What sleeps is awake before anybody is asked what it is; when that fails it is looked at as any other preview. */
  const isWoken = async (wake: Wake | undefined, { forward, ...waiting }: Omit<Waiting, 'open'>): Promise<boolean> => {
    if (!wake) return false;
    const outcome = await wait({ open: wake, ...waiting });
    return outcome.kind === 'gone' || (outcome.kind === 'open' && forward());
  };

  const answer = async ({ req, res, kind }: { req: IncomingMessage; res: ServerResponse; kind: RequestKind }, { visit, ...waiting }: { visit: Visit } & Omit<Waiting, 'open'>) => {
    const page = kind === 'navigation';
    if (kind === 'passive') {
      answers.failure({ req, res, page }, new AppError('preview_unavailable', 'It is not running, and this kind of request does not start it.'), await visit.view());
      return;
    }
    const outcome = await admit({ open: visit.open, ...waiting });
    if (outcome.kind === 'gone' || outcome.kind === 'through') return;
    const view = await visit.view();
    if (outcome.kind === 'failed') answers.failure({ req, res, page }, outcome.error, view);
    else if (page) answers.waiting(res, view);
    else answers.failure({ req, res, page }, await pending(visit), view);
  };

  return {
    get waiting() { return held; },
    close: () => { closing.abort(); },
    request: async (req, res, { project, name, projectHost, wake, forward }) => {
      const kind = classifyRequest(req);
      const left = timer(timeOf(kind));
      // From now on: it may leave while its preview is looked for, and that is not said again.
      const waiting = { connection: req.socket, bytes: bytesRead(req), gone: goneSignal({ req, res }), forward };
      try {
        if (kind !== 'passive' && !isReserved(req.url) && await isWoken(wake, { ...waiting, ms: left() })) return;
        const visit = await visits.find(project, name);
        if (isReserved(req.url)) { await answerReserved({ req, res }, { visit, answers, streams, opens: kind !== 'passive' }); return; }
        if (visit.label !== formatLabel(name)) { answers.redirect(res, urlOf(visit.label, projectHost, req.url ?? '/')); return; }
        await answer({ req, res, kind }, { visit, ...waiting, ms: left() });
      } catch (error) {
        answers.failure({ req, res, page: kind === 'navigation' }, toAppError(error));
      }
    },
    elsewhere: async (req, res, name) => {
      const page = classifyRequest(req) === 'navigation';
      try {
        const urls = (await visits.homes(name)).map((host) => urlOf(formatLabel(name), host, req.url ?? '/'));
        const [only = '', ...more] = urls;
        if (more.length === 0) { answers.redirect(res, only); return; }
        const links = urls.map((url) => ({ text: new URL(url).host, url }));
        answers.failure({ req, res, page, links }, new AppError('ambiguous_project', `${urls.length} projects have it.`));
      } catch (error) {
        answers.failure({ req, res, page }, toAppError(error));
      }
    },
    upgrade: async (socket, { project, name, requestId, head, wake, forward }) => {
      const gone = new AbortController();
      const left = timer(limits.requestMs);
      // Nobody answers its end meanwhile, so that the end alone does not close it.
      const ended = () => { socket.destroy(); };
      socket.once('end', ended);
      socket.once('close', () => { gone.abort(); });
      // Nothing holds back what comes behind those bytes before one more read is full.
      const waiting = { connection: socket, bytes: head.length + ONE_READ_BYTES, gone: gone.signal, forward };
      try {
        if (await isWoken(wake, { ...waiting, ms: left() })) return;
        const visit = await visits.find(project, name);
        if (visit.label !== formatLabel(name)) throw new AppError('unknown_preview', `Its host begins with ${visit.label}.`);
        const outcome = await admit({ open: visit.open, ...waiting, ms: left() });
        if (outcome.kind === 'gone' || outcome.kind === 'through') return;
        answers.upgradeFailure(outcome.kind === 'failed' ? outcome.error : await pending(visit), socket, requestId);
      } catch (error) {
        answers.upgradeFailure(toAppError(error), socket, requestId);
      } finally {
        socket.off('end', ended);
      }
    },
  };
}

/** As much as one read takes from a connection, before the body that nobody reads holds back the rest. */
const ONE_READ_BYTES = 64 * 1024;

function bytesRead({ headers }: IncomingMessage): number {
  if (headers['transfer-encoding'] !== undefined) return ONE_READ_BYTES;
  return Math.min(ONE_READ_BYTES, Number(headers['content-length'] ?? 0));
}
