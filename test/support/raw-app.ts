import type { Socket } from 'node:net';
import { OK, endOfRequest } from './forward-front.js';
import { connectRaw, roundTrip, startRawUpstream, type RawClient, type RawUpstream } from './raw-http.js';
import { echo, startTestApp, type TestApp, type TestAppOptions } from './test-app.js';

/** The whole server in front of a TCP server whose every byte the test decides on. It is the preview of `main`, which runs. */
export interface RawApp extends AsyncDisposable {
  readonly app: TestApp;
  readonly upstream: RawUpstream;
  /** The preview's host without port, and with it. */
  readonly host: string;
  readonly authority: string;
  /** What the connections of the application received, oldest first, but for probes. */
  asked(): string[];
  /** Sends one request and reads until the server closes. */
  send(bytes: string): Promise<string>;
  connect(): Promise<RawClient>;
}

/** What the application answers to one whole request; undefined when it has written by itself, or writes later. */
export type Reply = (request: string, socket: Socket) => string | undefined;

const isProbe = (text: string): boolean => text.includes('slipway-probe');

export async function startRawApp(reply: Reply = () => OK, options: TestAppOptions & { readonly opened?: boolean } = {}): Promise<RawApp> {
  const taken: number[] = [];
  const upstream = await startRawUpstream((socket, text, connection) => {
    for (let from = taken[connection] ?? 0, end = endOfRequest(text, from); end > 0; from = end, end = endOfRequest(text, from)) {
      taken[connection] = end;
      const request = text.slice(from, end);
      const answer = isProbe(request) ? OK : reply(request, socket);
      if (answer !== undefined) socket.write(answer, 'latin1');
    }
  });
  const app: TestApp = await startTestApp({ program: (spec) => (spec.commit === app.repository.head('main') ? { at: upstream.port } : { serve: echo(spec) }), ...options });
  if (options.opened !== false) await app.open('branch=main');
  const host = app.commitHost(app.repository.head('main'));
  return {
    app, upstream, host,
    get authority() { return `${host}:${app.port}`; },
    asked: () => upstream.received.filter((text) => text !== '' && !isProbe(text)),
    send: (bytes) => roundTrip(app.port, bytes),
    connect: () => connectRaw(app.port),
    [Symbol.asyncDispose]: async () => {
      await app[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

/** The status of a raw answer; NaN when it is none. */
export const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d+) /.exec(answer)?.[1]);

/** A header line's value in a raw answer. */
export const headerOf = (answer: string, name: string): string | undefined =>
  new RegExp(`^${name}: (.*?)\r?$`, 'im').exec(answer.split('\r\n\r\n')[0] ?? '')?.[1];

/** The body of a raw answer that has a length. */
export const bodyOf = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4);
