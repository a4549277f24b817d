import { request, type IncomingHttpHeaders } from 'node:http';

export interface SentEvent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: Record<string, unknown>;
}

/** A viewer of server-sent events. */
export interface EventViewer extends Disposable {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** All so far. */
  readonly events: readonly SentEvent[];
  /** The first event that satisfies, past or to come. @throws Error when the stream ends before, or when it does not come in time */
  until(isIt: (event: SentEvent) => boolean): Promise<SentEvent>;
  /** Ends when the server ends the stream. */
  readonly ended: Promise<void>;
}

/** Less than a test may take, so that it ends what it began. */
const LONGEST_MS = 20_000;

/** Opens a stream of events in the name of a host. */
export function openEvents({ port }: { readonly port: number }, { host, path, headers = {} }: { host: string; path: string; headers?: Readonly<Record<string, string>> }): Promise<EventViewer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, agent: false, setHost: false, headers: { host: `${host}:${port}`, accept: 'text/event-stream', ...headers } }, (answer) => {
      const events: SentEvent[] = [];
      const checks = new Set<() => void>();
      let rest = '';
      let over = false;
      const ended = new Promise<void>((done) => { answer.once('close', () => { over = true; for (const check of checks) check(); done(); }); });
      answer.on('error', () => undefined);
      answer.on('data', (chunk: Buffer) => {
        const blocks = (rest + chunk.toString()).split('\n\n');
        rest = blocks.pop() ?? '';
        events.push(...blocks.filter((block) => block.includes('event: ')).map(parse));
        for (const check of checks) check();
      });
      resolve({
        status: answer.statusCode ?? 0, headers: answer.headers, events, ended,
        until: (isIt) => new Promise((found, missed) => {
          const end = () => { checks.delete(check); clearTimeout(late); };
          const check = () => {
            const event = events.find(isIt);
            if (event) found(event);
            else if (over) missed(new Error(`the stream ended after ${JSON.stringify(events)}`));
            if (event ?? over) end();
          };
          const late = setTimeout(() => { missed(new Error(`not within ${LONGEST_MS / 1_000} s: only ${JSON.stringify(events)}`)); end(); }, LONGEST_MS);
          checks.add(check);
          check();
        }),
        [Symbol.dispose]: () => { asked.destroy(); },
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}

function parse(block: string): SentEvent {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
  return { event: field('event') ?? '', id: field('id'), data: JSON.parse(field('data') ?? '{}') as Record<string, unknown> };
}
