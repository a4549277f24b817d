import { once } from 'node:events';
import type { Socket } from 'node:net';
import { untilStill } from '../support/forward-front.js';
import { connectRaw, type RawClient } from '../support/raw-http.js';
import { until } from '../support/until.js';
import { tellBreaches, type Breach, type Campaign } from './campaign.js';
import { startFuzzFront, type Counted, type FuzzFront } from './front.js';
import { readAnswer, readRequest, valuesOf, type Message, type Reading } from './http-reader.js';
import { makeRequestCase, type RequestCase } from './malformed-requests.js';
import { randomOf } from './random.js';
import { startRecordingUpstream, type RecordingUpstream } from './recording-upstream.js';

/** What came of a campaign, so that one which never reached anything is not taken for a success. */
export interface RequestReport {
  readonly cases: number;
  /** Requests that the front read, passed on, and that the application saw. */
  readonly counted: number;
  readonly passed: number;
  readonly seen: number;
  /** Connections on which the first answer was a refusal. */
  readonly refused: number;
  /** Empty when all that is promised held. */
  readonly breaches: string;
}

interface Played {
  readonly number: number;
  readonly made: RequestCase;
  readonly client: RawClient;
  readonly port: number;
}

interface Scene { readonly front: FuzzFront; readonly upstream: RecordingUpstream; readonly breaches: Breach[] }

const WIDTH = 200;

/** Sends malformed requests to the whole data plane and compares what it counted with what the application saw and with what the bytes mean. */
export async function runRequestCampaign({ seed, numbers }: Campaign): Promise<RequestReport> {
  await using upstream = await startRecordingUpstream();
  await using front = await startFuzzFront(upstream.port);
  const scene: Scene = { front, upstream, breaches: [] };
  const make = (number: number) => makeRequestCase(randomOf(seed, number), { number, host: front.host });
  const totals = { counted: 0, passed: 0, seen: 0, refused: 0 };
  for (let at = 0; at < numbers.length; at += WIDTH) {
    const played = await playBatch(numbers.slice(at, at + WIDTH).map((number) => ({ number, made: make(number) })), scene);
    for (const one of played) { scene.breaches.push(...breachesOf(one, scene)); totals.refused += Number(one.client.text().startsWith('HTTP/1.1 4')); }
    scene.breaches.push(...breachesOfBatch(played, scene));
    totals.counted += played.reduce((sum, { port }) => sum + front.countedOn(port).length, 0);
    totals.passed += front.passed.size;
    totals.seen += upstream.seen.length;
    front.clear();
    upstream.seen.length = upstream.faults.length = 0;
  }
  scene.breaches.push(...await breachesAtEnd(scene));
  return { cases: numbers.length, ...totals, breaches: tellBreaches(scene.breaches, seed, (number) => tellCase(make(number))) };
}

const tellCase = ({ bytes, cuts, then }: RequestCase): string => `${JSON.stringify(bytes)}\n  in packets of ${cuts.join(', ')} and the rest, then ${then}`;

/** Sends a batch, lets everything come to rest, and ends what is left: each connection must be over then. */
async function playBatch(cases: readonly Pick<Played, 'number' | 'made'>[], { front, upstream, breaches }: Scene): Promise<Played[]> {
  const played = await Promise.all(cases.map(async ({ number, made }): Promise<Played> => {
    const client = await connectRaw(front.port);
    client.socket.setNoDelay(true);
    return { number, made, client, port: client.socket.localPort ?? 0 };
  }));
  await Promise.all(played.map(({ client, made }) => send(client.socket, made)));
  const moved = () => upstream.bytes + played.reduce((sum, { client }) => sum + client.socket.bytesRead + Number(client.socket.destroyed), 0);
  await untilStill(moved);
  for (const { client } of played) client.socket.end();
  const open = new Set(played);
  for (const one of played) void one.client.closed.then(() => open.delete(one));
  await until(() => open.size === 0, 'all connections closed').catch(() => {
    for (const { number, client } of open) { breaches.push({ number, what: 'the connection did not end' }); client.socket.destroy(); }
  });
  await until(async () => await front.connections() === 0 && front.exchanges.begun === front.exchanges.ended, 'all exchanges over').catch(() => { breaches.push({ number: null, what: `something goes on between ${String(cases[0]?.number)} and ${String(cases.at(-1)?.number)}` }); });
  return played;
}

async function send(socket: Socket, { bytes, cuts, then }: RequestCase): Promise<void> {
  let at = 0;
  for (const length of [...cuts, bytes.length]) {
    if (socket.destroyed || at >= bytes.length) break;
    socket.write(bytes.slice(at, at + length), 'latin1');
    at += length;
    await new Promise((resolve) => { setImmediate(resolve); });
  }
  if (then === 'end') socket.end();
  if (then === 'destroy') socket.destroy();
  if (then === 'reset' && !socket.destroyed) { socket.resetAndDestroy(); await once(socket, 'close'); }
}

/** The requests that the bytes are, up to the first fault. */
function meantBy(bytes: string): Reading[] {
  const readings: Reading[] = [];
  for (let from = 0; from < bytes.length;) {
    // Empty lines before a request are to be ignored (RFC 9112 section 2.2); the front takes their ends in any form.
    while (/[\r\n]/.test(bytes.charAt(from))) from += 1;
    const reading = readRequest(bytes, from, true);
    readings.push(reading);
    if (reading.kind !== 'whole') break;
    from = reading.end;
  }
  return readings;
}

function breachesOf({ number, made, client, port }: Played, { front, upstream }: Scene): Breach[] {
  const counted = front.countedOn(port);
  const meant = meantBy(made.bytes);
  const told = [
    ...counted.flatMap((one, at) => unlikeMeant(one, meant[at], upstream)),
    ...unlikeAnswers(client.text(), { counted, made, meant }),
  ];
  return told.map((what) => ({ number, what: `${what}; the client got ${JSON.stringify(client.text().slice(0, 2_000))}` }));
}

/** A request that the front read, compared with the one that a strict reader finds in its place. */
function unlikeMeant({ method, id, upgrade }: Counted, meant: Reading | undefined, upstream: RecordingUpstream): string[] {
  const message = meant !== undefined && 'message' in meant ? meant.message : undefined;
  if (meant === undefined || message === undefined) return id === undefined ? [] : [`passed on ${method} where no request is (${meant?.kind ?? 'end'})`];
  if (message.first[0] !== method) return [`read ${method} where ${message.first[0]} is`];
  const seen = id === undefined ? undefined : upstream.seen.find((one) => one.id === id);
  if (seen?.complete !== true || upgrade) return [];
  if (meant.kind !== 'whole') return [`completed ${method} at the application, which is ${meant.kind}${meant.kind === 'malformed' ? ` (${meant.why})` : ''}`];
  return seen.message.body === message.body ? [] : [`gave the application the body ${JSON.stringify(seen.message.body.slice(0, 300))} for ${JSON.stringify(message.body.slice(0, 300))}`];
}

interface Expected { readonly counted: readonly Counted[]; readonly made: RequestCase; readonly meant: readonly Reading[] }

/** What the client got: whole answers, each to the request in its place; behind them at most a refusal, which ends the connection. */
function unlikeAnswers(text: string, { counted, made, meant }: Expected): string[] {
  const told: string[] = [];
  let answers = 0;
  let closes = false;
  for (let from = 0; from < text.length && !closes;) {
    const asked = counted[answers];
    const reading = readAnswer(text, from, { method: asked?.method ?? 'GET', ended: true });
    if (reading.kind === 'malformed') return [...told, `answered with ${reading.why}`];
    if (reading.kind === 'partial') return made.then === 'wait' ? [...told, `left an answer incomplete: ${JSON.stringify(text.slice(from, from + 500))}`] : told;
    from = reading.end;
    const { first: [, status], lines } = reading.message;
    if (status === '101') return asked?.upgrade === true ? told : [...told, 'switched protocols unasked'];
    if (status.startsWith('1')) continue;
    told.push(...unlikeEcho({ status, lines }, asked));
    answers += 1;
    closes = valuesOf(lines, 'connection').includes('close');
    if (closes && from < text.length) told.push(`wrote behind its last answer: ${JSON.stringify(text.slice(from, from + 500))}`);
    if (asked === undefined && !closes) told.push('answered what was no request and went on');
  }
  // What is malformed ends the connection, and so does what switches protocols behind an answer that is still to come.
  const ends = meant.some((one) => one.kind === 'malformed' || (one.message !== undefined && (one.message.first[0] === 'CONNECT' || valuesOf(one.message.lines, 'upgrade').length > 0)));
  const due = closes || ends || made.then !== 'wait' ? 0 : meant.filter(({ kind }) => kind === 'whole').length;
  return answers < due ? [...told, `gave ${answers} answers to ${due} requests, of which it read ${counted.length}`] : told;
}

function unlikeEcho({ status, lines }: { status: string; lines: Message['lines'] }, asked: Counted | undefined): string[] {
  const [echo] = valuesOf(lines, 'x-echo');
  if (echo !== undefined && echo !== asked?.id) return ['gave the answer to another request'];
  if (asked === undefined) return status.startsWith('4') ? [] : [`answered ${status} to what was no request`];
  return [];
}

/** What the application saw against what the front passed on: one to one, by an id that no client can give. */
function breachesOfBatch(played: readonly Played[], { front, upstream }: Scene): Breach[] {
  const numberOf = new Map(played.map(({ port, number }) => [port, number]));
  const times = new Map<string, number>();
  const told: Breach[] = upstream.faults.map((what) => ({ number: numberIn(what), what: `the application got ${what}` }));
  for (const { id, message } of upstream.seen) {
    const counted = front.passed.get(id);
    const what = `the application saw ${message.first.join(' ').slice(0, 300)}`;
    times.set(id, (times.get(id) ?? 0) + 1);
    const number = counted ? numberOf.get(counted.clientPort) ?? null : numberIn(message.first[1]);
    if (!counted) told.push({ number, what: `${what}, which the front did not count` });
    else if (counted.method !== message.first[0] || counted.req.url !== message.first[1]) told.push({ number, what: `${what} for ${counted.method} ${String(counted.req.url)}` });
    else if ((times.get(id) ?? 0) > 1) told.push({ number, what: `${what} more than once` });
  }
  return told;
}

const numberIn = (text: string): number | null => { const [, digits] = /\/m(\d+)-/.exec(text) ?? []; return digits === undefined ? null : Number(digits); };

/** The front is as it was: it serves, nothing is open, nothing was logged as an error. */
async function breachesAtEnd({ front, upstream }: Scene): Promise<Breach[]> {
  const told = front.errors.map((error) => `logged ${error}`);
  using client = await connectRaw(front.port);
  client.send(`GET /last HTTP/1.1\r\nHost: ${front.host}\r\nConnection: close\r\n\r\n`);
  await client.closed;
  if (!client.text().startsWith('HTTP/1.1 200 ')) told.push(`does not serve any more: ${client.text().slice(0, 200)}`);
  front.forget();
  await until(async () => await front.connections() === 0 && upstream.open() === 0, 'no connection left').catch(() => { told.push(`left ${upstream.open()} connections to the application`); });
  return told.map((what) => ({ number: null, what }));
}
