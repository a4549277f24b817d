import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { startTestApp, type TestApp, type TestAppOptions } from './test-app.js';

/** The whole server in front of an application that sends back each frame of a WebSocket; it is every preview. */
export interface EchoApp extends AsyncDisposable {
  readonly app: TestApp;
  /** The application's side of each WebSocket that is open. */
  readonly accepted: ReadonlySet<WebSocket>;
  /** The preview of the newest commit of `main`, with port. */
  readonly authority: string;
  /** Opens a WebSocket to a preview, by default to that one. @throws Error when it is refused */
  connect(authority?: string): Promise<WebSocket>;
}

/** Two instances at the same time have two addresses. */
const MOST_INSTANCES = 3;

export async function startEchoApp(options: TestAppOptions = {}): Promise<EchoApp> {
  const sockets = new WebSocketServer({ noServer: true });
  sockets.on('connection', (socket) => {
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer, isBinary) => { socket.send(data, { binary: isBinary }); });
  });
  const servers = await Promise.all(Array.from({ length: MOST_INSTANCES }, () => serve(sockets)));
  let started = 0;
  const app = await startTestApp({ program: () => ({ at: portOf(servers[started++ % MOST_INSTANCES]) }), ...options });
  const clients = new Set<WebSocket>();
  const ofMain = () => `${app.commitHost(app.repository.head('main'))}:${app.port}`;
  return {
    app, accepted: sockets.clients,
    get authority() { return ofMain(); },
    connect: async (authority = ofMain()) => {
      const client = new WebSocket(`ws://127.0.0.1:${app.port}/`, { headers: { host: authority } });
      client.on('error', () => undefined);
      clients.add(client);
      client.once('close', () => { clients.delete(client); });
      await once(client, 'open');
      return client;
    },
    [Symbol.asyncDispose]: async () => {
      for (const each of [...clients, ...sockets.clients]) each.terminate();
      await app[Symbol.asyncDispose]();
      await Promise.all(servers.map(close));
    },
  };
}

async function serve(sockets: WebSocketServer): Promise<Server> {
  const http = createServer((_req, res) => { res.end('ok'); });
  http.on('upgrade', (req, socket, head) => { sockets.handleUpgrade(req, socket, head, (client) => { sockets.emit('connection', client, req); }); });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return http;
}

const portOf = (http: Server | undefined): number => (http?.address() as AddressInfo).port;

/** Sends a text and ends with what comes back; with undefined when the connection closes instead. */
export async function say(client: WebSocket, text: string): Promise<string | undefined> {
  if (client.readyState !== client.OPEN) return undefined;
  const over = new AbortController();
  const answered = once(client, 'message', { signal: over.signal }) as Promise<[Buffer]>;
  client.once('close', () => { over.abort(); });
  client.send(text);
  return answered.then(([data]) => data.toString(), () => undefined);
}

/** Ends with the code of the close, as the client sees it. */
export async function closed(client: WebSocket): Promise<number> {
  const [code] = await once(client, 'close') as [number];
  return code;
}

async function close(http: Server): Promise<void> {
  http.closeAllConnections();
  http.close();
  await once(http, 'close');
}
