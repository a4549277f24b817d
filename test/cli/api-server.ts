import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { listen } from '../support/listen.js';

/** What the client sent. */
export interface ApiRequest {
  /** Method, path and query: `POST /api/projects/shop/publish`. */
  readonly line: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

export interface JsonAnswer { readonly status?: number; readonly headers?: Readonly<Record<string, string>>; readonly json: unknown }
export type WriteAnswer = (res: ServerResponse, request: ApiRequest) => void | Promise<void>;
/** A JSON answer, or a way to write one by hand. */
export type ApiAnswer = JsonAnswer | WriteAnswer;

/** A server that answers what it is told to; anything else is 404, in Slipway's words. */
export interface Api extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly ApiRequest[];
  /** The requests that change something. */
  readonly changes: readonly Pick<ApiRequest, 'line' | 'body'>[];
}

/** Answers by request line; one without a query answers for all queries. */
export async function startApi(answers: Readonly<Record<string, ApiAnswer>>): Promise<Api> {
  const requests: ApiRequest[] = [];
  const server = createServer((req, res) => {
    void textOf(req).then(async (text) => {
      const request: ApiRequest = { line: `${req.method ?? ''} ${req.url ?? ''}`, headers: req.headers, body: text === '' ? undefined : JSON.parse(text) };
      requests.push(request);
      const answer = answers[request.line] ?? answers[request.line.replace(/\?.*/, '')] ?? failure(404, 'not_found', { message: `There is nothing at ${req.url ?? ''}.` });
      if (typeof answer === 'function') { await answer(res, request); return; }
      res.writeHead(answer.status ?? 200, { 'Content-Type': 'application/json; charset=utf-8', ...answer.headers }).end(JSON.stringify(answer.json));
    });
  });
  const listening = await listen(server);
  return {
    url: `http://127.0.0.1:${listening.port}`, requests,
    get changes() { return requests.filter(({ line }) => line.startsWith('POST')).map(({ line, body }) => ({ line, body })); },
    [Symbol.asyncDispose]: () => listening[Symbol.asyncDispose](),
  };
}

/** What the server says when it says no. */
export const failure = (status: number, error: string, more: { readonly message: string } & Readonly<Record<string, unknown>>): ApiAnswer => ({ status, json: { error, requestId: 'req-1', ...more } });

/** Server-sent events, all at once, and the end of the stream. */
export const events = (...sent: readonly (readonly [event: string, content: object])[]): WriteAnswer => (res) => {
  res.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' });
  res.write('retry: 1000\n\n');
  for (const [event, content] of sent) res.write(`event: ${event}\n${'n' in content ? `id: ${String(content.n)}\n` : ''}data: ${JSON.stringify(content)}\n\n: here\n\n`);
  res.end();
};

export const line = (n: number, text: string) => ['line', { n, at: '2026-03-01T10:00:00.000Z', text }] as const;
