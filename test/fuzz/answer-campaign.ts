import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { connectRaw, type RawClient } from '../support/raw-http.js';
import { until } from '../support/until.js';
import { playAll, tellBreaches, type Breach, type Campaign } from './campaign.js';
import { startFuzzFront, type FuzzFront } from './front.js';
import { readAnswer, readRequest, valuesOf, type Message, type Reading } from './http-reader.js';
import { echoOf, ID, makeAnswerCase, meantBy, type AnswerCase } from './malformed-answers.js';
import { randomOf } from './random.js';

export interface AnswerReport {
  readonly cases: number;
  /** Cases in which the client got the application's answer, one of ours in its place, or a connection that was lost. */
  readonly passed: number;
  readonly replaced: number;
  readonly lost: number;
  /** Empty when all that is promised held. */
  readonly breaches: string;
}

interface Scene {
  readonly front: FuzzFront;
  readonly make: (number: number) => AnswerCase;
  readonly breaches: Breach[];
  readonly totals: { passed: number; replaced: number; lost: number };
}

const WIDTH = 100;
/** Longer than the front waits for an application that says nothing. */
const BOUND_MS = 20_000;
const SILENCE_MS = 2_000;

/** Lets an application answer malformed to proper requests, and looks at what their clients get, and those after them. */
export async function runAnswerCampaign({ seed, numbers }: Campaign): Promise<AnswerReport> {
  const make = (number: number) => makeAnswerCase(randomOf(seed, number));
  await using upstream = await startMalformedUpstream(make);
  await using front = await startFuzzFront(upstream.port, { responseMs: SILENCE_MS, idleMs: SILENCE_MS, upgradedIdleMs: SILENCE_MS });
  const scene: Scene = { front, make, breaches: [], totals: { passed: 0, replaced: 0, lost: 0 } };
  await playAll(numbers, WIDTH, async (number) => {
    for (const what of await play(number, scene)) scene.breaches.push({ number, what });
  });
  scene.breaches.push(...(await leftovers(scene, upstream.open)).map((what) => ({ number: null, what })));
  return { cases: numbers.length, ...scene.totals, breaches: tellBreaches(scene.breaches, seed, (number) => tellCase(make(number))) };
}

const tellCase = ({ method, upgrade, expect, bytes, cuts, then }: AnswerCase): string =>
  `to ${method}${upgrade ? ' (upgrade)' : ''}${expect ? ' (expect)' : ''}: ${JSON.stringify(bytes)} in packets from ${cuts.join(', ')}, then ${then}; ${ID} stands for the id`;

/** An application that answers each request as its case has it, and `/ok` properly. */
async function startMalformedUpstream(make: (number: number) => AnswerCase): Promise<AsyncDisposable & { readonly port: number; open(): number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    let text = '';
    sockets.add(socket);
    socket.on('error', () => undefined).setNoDelay(true).once('close', () => sockets.delete(socket));
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      const reading = readRequest(text);
      if (reading.kind !== 'whole') return;
      text = text.slice(reading.end);
      void answer(socket, reading.message, make);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port, open: () => sockets.size,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

async function answer(socket: Socket, { first: [, target], lines }: Message, make: (number: number) => AnswerCase): Promise<void> {
  const id = valuesOf(lines, 'x-request-id').join();
  const [, number] = /^\/a(\d+)$/.exec(target) ?? [];
  if (number === undefined) { socket.write(`HTTP/1.1 200 OK\r\nX-Echo: ${echoOf(id)}\r\nContent-Length: 2\r\n\r\nok`); return; }
  const { bytes, cuts, then } = make(Number(number));
  const all = bytes.replaceAll(ID, id);
  for (const [at, from] of cuts.entries()) {
    if (socket.destroyed) return;
    socket.write(all.slice(from, cuts[at + 1]), 'latin1');
    if (cuts.length > 1) await new Promise((resolve) => { setImmediate(resolve); });
  }
  if (then === 'end') socket.end();
  if (then === 'reset' && !socket.destroyed) socket.resetAndDestroy();
}

/** Asks one malformed answer, then a proper one: on the same connection, if it is still there. */
async function play(number: number, scene: Scene): Promise<string[]> {
  const { front, make, totals } = scene;
  const made = make(number);
  using client = await connectTo(front);
  client.send(requestOf(made, { number, host: front.host }));
  const got = await answerTo(client, { method: made.method, from: 0 });
  if (got === 'late') return ['the client got neither an answer nor the end of its connection'];
  const id = front.countedOn(portOf(client))[0]?.id ?? '';
  const told = [...unlikeMade(got, made, id), ...foreignIn(client.text(), [id])];
  const isOurs = got.kind === 'whole' && valuesOf(got.message.lines, 'x-echo').length === 0;
  totals[got.kind !== 'whole' ? 'lost' : isOurs ? 'replaced' : 'passed'] += 1;
  const again = got.kind === 'whole' && !made.upgrade && client.socket.writable && !valuesOf(got.message.lines, 'connection').includes('close');
  if (again) return [...told, ...await playNext(client, front, got.end)];
  using next = await connectTo(front);
  return [...told, ...await playNext(next, front, 0)];
}

const ports = new WeakMap<RawClient, number>();
/** Known beyond the end of the connection. */
const portOf = (client: RawClient): number => ports.get(client) ?? 0;

async function connectTo(front: FuzzFront): Promise<RawClient> {
  const client = await connectRaw(front.port);
  ports.set(client, client.socket.localPort ?? 0);
  // Another connection had the port before, perhaps.
  front.clear(portOf(client));
  return client;
}

/** A proper request behind a malformed answer has nothing to do with it. */
async function playNext(client: RawClient, front: FuzzFront, from: number): Promise<string[]> {
  client.send(`GET /ok HTTP/1.1\r\nHost: ${front.host}\r\n\r\n`);
  const got = await answerTo(client, { method: 'GET', from });
  const id = front.countedOn(portOf(client)).at(-1)?.id ?? '';
  if (got !== 'late' && got.kind === 'whole' && got.message.first[1] === '200' && valuesOf(got.message.lines, 'x-echo').join() === echoOf(id)) return [];
  return [`the next request got ${got === 'late' ? 'nothing' : got.kind} ${JSON.stringify(client.text().slice(from, from + 600))}`];
}

function requestOf({ method, upgrade, expect }: AnswerCase, { number, host }: { readonly number: number; readonly host: string }): string {
  const hasBody = method === 'POST' || method === 'PUT';
  const lines = [`${method} /a${number} HTTP/1.1`, `Host: ${host}`, ...(upgrade ? ['Connection: Upgrade', 'Upgrade: websocket'] : []), ...(expect ? ['Expect: 100-continue'] : []), ...(hasBody ? ['Content-Length: 5'] : [])];
  return `${lines.join('\r\n')}\r\n\r\n${hasBody ? 'hello' : ''}`;
}

/** The answer that begins there, those of 1xx skipped but for 101: whole, or as much as came before the connection ended. */
function answerTo(client: RawClient, { method, from }: { readonly method: string; readonly from: number }): Promise<Reading | 'late'> {
  return new Promise((resolve) => {
    let at = from;
    const read = (ended: boolean): Reading => {
      for (;;) {
        const reading = readAnswer(client.text(), at, { method, ended });
        if (reading.kind !== 'whole' || !/^1(?!01)/.test(reading.message.first[1])) return reading;
        at = reading.end;
      }
    };
    const late = setTimeout(() => { resolve('late'); }, BOUND_MS);
    const look = () => {
      const reading = read(false);
      if (reading.kind === 'partial') return;
      clearTimeout(late);
      client.socket.off('data', look);
      resolve(reading);
    };
    client.socket.on('data', look);
    void client.closed.then((failure) => { clearTimeout(late); resolve(read(failure === null)); });
    look();
  });
}

/** What the client got for the answer that was made for it: the same or none of it; never more than came, nor less as if it were all. */
function unlikeMade(got: Reading, { method, bytes, then, upgrade }: AnswerCase, id: string): string[] {
  if (got.kind === 'malformed') return [`the client got ${got.why}`];
  if (got.kind === 'partial' || valuesOf(got.message.lines, 'x-echo').length === 0) return [];
  if (got.message.first[1] === '101') return upgrade ? [] : ['the client was switched to another protocol unasked'];
  const { lines } = got.message;
  // Without a framing of its own its end is the connection's, and a client may see a loss behind its last bytes as an end.
  if (valuesOf(lines, 'content-length').length + valuesOf(lines, 'transfer-encoding').length === 0 && upgrade) return [];
  const meant = meantBy(bytes.replaceAll(ID, id), { method, ended: then !== 'keep' });
  if (meant.kind !== 'whole') return [`the client got all of an answer that is ${meant.kind}${meant.kind === 'malformed' ? ` (${meant.why})` : ''}: ${JSON.stringify(got.message).slice(0, 600)}`];
  const { first: [, status], body } = meant.message;
  return status === got.message.first[1] && body === got.message.body ? [] : [`the client got ${JSON.stringify(got.message).slice(0, 600)}`];
}

/** Echoes of requests that are not of this connection. */
const foreignIn = (text: string, ids: readonly string[]): string[] =>
  [...text.matchAll(/E:([0-9a-f-]{36}):E/g)].filter(([, id = '']) => !ids.includes(id)).slice(0, 1).map(([echo]) => `the client got what belongs to another: ${echo}`);

/** Nothing goes on, nothing is open, nothing was logged as an error. */
async function leftovers({ front }: Scene, open: () => number): Promise<string[]> {
  const told = front.errors.map((error) => `logged ${error}`);
  await until(async () => await front.connections() === 0 && front.exchanges.begun === front.exchanges.ended, 'all exchanges over').catch(() => { told.push('something goes on'); });
  front.forget();
  await until(() => open() === 0, 'no connection left').catch(() => { told.push(`${open()} connections to the application are left`); });
  return told;
}
