import { ODD } from './malformed-values.js';
import type { Random } from './random.js';

/** What one client does on its connection. */
export interface RequestCase {
  readonly bytes: string;
  /** Lengths of the packets that the bytes go in; the last one has the rest. */
  readonly cuts: readonly number[];
  /** What the client does behind the last byte, if it does not wait. */
  readonly then: 'wait' | 'end' | 'destroy' | 'reset';
}

interface Draft {
  method: string;
  target: string;
  version: string;
  separators: [string, string];
  /** With what stands between name and value, and at the end. */
  lines: { name: string; between: string; value: string; end: string }[];
  end: string;
  body: string;
  /** What comes behind the body. */
  behind: string;
}

export interface RequestSubject {
  readonly number: number;
  readonly host: string;
}

/** One to four requests, some of them malformed; each has a marker, and what must not become a request has the marker `c`. */
export function makeRequestCase(random: Random, { number, host }: RequestSubject): RequestCase {
  const count = random.chance(60) ? 1 : 1 + random.int(4);
  const faulty = random.int(count);
  let bytes = '';
  for (let at = 0; at < count; at += 1) {
    const draft = draftRequest(random, { number, host, at });
    const changes = at === faulty ? 1 + random.int(3) : Number(random.chance(15));
    for (let change = 0; change < changes; change += 1) random.pick(CHANGES)(draft, random, canary(number, host));
    bytes += textOf(draft);
  }
  if (random.chance(30)) bytes += canary(number, host);
  if (random.chance(25)) bytes = garble(bytes, random);
  return { bytes, cuts: cutsOf(bytes.length, random), then: random.chance(70) ? 'wait' : random.pick(['end', 'end', 'destroy', 'reset'] as const) };
}

/** A whole request, hidden in others. */
const canary = (number: number, host: string): string => `GET /m${number}-c HTTP/1.1\r\nHost: ${host}\r\nX-Marker: m${number}-c\r\n\r\n`;

function draftRequest(random: Random, { number, host, at }: RequestSubject & { readonly at: number }): Draft {
  const method = random.pick(['GET', 'GET', 'POST', 'POST', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH']);
  const marker = `m${number}-${at}`;
  const draft: Draft = { method, target: `/${marker}${random.pick(['', '', '/x', '?a=b'])}`, version: 'HTTP/1.1', separators: [' ', ' '], lines: [], end: '\r\n', body: '', behind: '' };
  add(draft, 'Host', host);
  add(draft, 'X-Marker', marker);
  if (random.chance(20)) add(draft, 'Accept', 'text/html');
  if (random.chance(10)) add(draft, 'Connection', random.pick(['keep-alive', 'close']));
  const content = random.chance(40) ? canary(number, host) : 'hello';
  if (random.chance(method === 'GET' || method === 'HEAD' ? 15 : 80)) giveBody(draft, content, random.chance(50));
  return draft;
}

function giveBody(draft: Draft, content: string, chunked: boolean): void {
  if (chunked) add(draft, 'Transfer-Encoding', 'chunked');
  else add(draft, 'Content-Length', String(content.length));
  draft.body = chunked ? chunksOf(content) : content;
}

const chunksOf = (content: string, size = content.length.toString(16), last = '0\r\n\r\n'): string => `${size}\r\n${content}\r\n${last}`;

const add = (draft: Draft, name: string, value: string): void => { draft.lines.push({ name, between: ': ', value, end: '\r\n' }); };

const textOf = ({ method, target, version, separators, lines, end, body, behind }: Draft): string =>
  `${method}${separators[0]}${target}${separators[1]}${version}\r\n${lines.map((line) => `${line.name}${line.between}${line.value}${line.end}`).join('')}${end}${body}${behind}`;

type Change = (draft: Draft, random: Random, hidden: string) => void;

const aLine = ({ lines }: Draft, random: Random): Draft['lines'][number] => random.pick(lines);
const place = ({ lines }: Draft, random: Random, line: Partial<Draft['lines'][number]>): void => {
  lines.splice(random.int(lines.length + 1), 0, { name: 'X-Odd', between: random.pick([': ', ': ', ': ', ':', ':\t', ' : ']), value: 'x', end: '\r\n', ...line });
};

/** One each for the ways in which a request goes wrong; the framing of bodies more often than the rest. */
const CHANGES: readonly Change[] = [
  (draft, random) => { place(draft, random, { name: random.pick(ODD.lengthNames), value: random.pick(ODD.lengths) }); },
  (draft, random) => { place(draft, random, { name: 'Content-Length', value: random.pick(ODD.lengths) }); },
  (draft, random) => { place(draft, random, { name: random.pick(ODD.codingNames), value: random.pick(ODD.codings) }); },
  (draft, random) => { place(draft, random, { name: 'Transfer-Encoding', value: random.pick(ODD.codings) }); },
  (draft, random, hidden) => { giveBody(draft, hidden, true); draft.body = chunksOf(hidden, random.pick([...ODD.sizes, (hidden.length - 1).toString(16), (hidden.length + 1).toString(16), hidden.length.toString(16).padStart(30, '0')])); },
  (draft, random) => { giveBody(draft, 'hello', true); draft.body = chunksOf('hello', random.pick(ODD.sizes)); },
  (draft, random, hidden) => { giveBody(draft, 'hello', true); draft.body = chunksOf('hello', '5', random.pick(ODD.lasts)); if (random.chance(50)) draft.behind = hidden; },
  (draft, random, hidden) => { giveBody(draft, 'hello', true); draft.body = `5\r\nhello${random.pick(ODD.dataEnds)}0\r\n\r\n`; if (random.chance(50)) draft.behind = hidden; },
  (draft, random) => { const length = draft.lines.find(({ name }) => name === 'Content-Length'); if (length) length.value = String(random.int(300)); else draft.body += random.pick(ODD.junk); },
  (draft, _random, hidden) => { draft.behind = hidden; },
  (draft, random) => { draft.behind = random.pick(ODD.junk); },
  (draft, random) => { draft.method = random.pick(ODD.methods); },
  (draft, random) => { draft.version = random.pick(ODD.versions); },
  (draft, random) => { draft.target = random.pick(targets(draft)); },
  (draft, random) => { draft.separators[random.int(2)] = random.pick(ODD.separators); },
  (draft, random) => { aLine(draft, random).end = random.pick(ODD.ends); },
  (draft, random) => { draft.end = random.pick(ODD.ends); },
  (draft, random) => { draft.lines.push({ ...aLine(draft, random) }); },
  (draft, random) => { const line = aLine(draft, random); line.name = random.pick([`${line.name} `, ` ${line.name}`, `${line.name}\t`, line.name.toUpperCase(), line.name.replaceAll('-', '_'), '']); },
  (draft, random) => { aLine(draft, random).between = random.pick(['', ':', '::', ' : ', ':\r\n ', ':\n ', ':\0', ' ', '=']); },
  (draft, random) => { place(draft, random, { name: random.pick(ODD.names), value: random.pick(ODD.values) }); },
  (draft, random) => { place(draft, random, { value: random.pick(ODD.values), end: random.pick(['\r\n', ...ODD.ends]) }); },
  (draft, random) => { place(draft, random, { name: 'Connection', value: random.pick(ODD.connections) }); },
  (draft, random) => { const host = draft.lines.find(({ name }) => name === 'Host'); if (host) host.value = random.pick([...ODD.hosts, `${host.value} `, host.value.toUpperCase()]); },
  (draft, random) => { draft.lines = draft.lines.filter(({ name }) => name !== 'Host' || random.chance(30)); if (draft.lines.length === 0) add(draft, 'X-Odd', 'x'); },
  (draft, random) => { for (let more = 150 + random.int(150); more > 0; more -= 1) add(draft, `X-${more}`, ''); },
  (draft, random) => { add(draft, 'Connection', random.pick(['Upgrade', 'upgrade', 'keep-alive, Upgrade'])); add(draft, 'Upgrade', random.pick(['websocket', ...ODD.upgrades])); },
  (draft, random) => { add(draft, 'Expect', random.pick(['100-continue', ...ODD.expects])); },
];

function targets({ target, lines }: Draft): string[] {
  const host = lines.find(({ name }) => name === 'Host')?.value ?? '';
  return [
    '*', `http://${host}${target}`, `HTTP://${host}${target}`, `http://other${target}`, `http://${host}`, `https://${host}${target}`, `ws://${host}${target}`, `/${target}`, `${target} x`, `${target}\x7f`, `${target}\0`, `${target}\t`,
    `${target}\xe9`, `${target}#f`, '', `\\${target}`, `${target}/../..`, `${target}%00%0d%0a`, 'localhost:80', `/${'x'.repeat(20_000)}`, `${target}${'y'.repeat(5_000)}`, `${target}\rx`, `${target}\nx`, `http://a@${host}${target}`, `/__slipway/state${target}`, 'http:/x', '?x', '//other/x',
  ];
}

function garble(bytes: string, random: Random): string {
  const at = random.int(bytes.length);
  const length = 1 + random.int(8);
  const odd = String.fromCharCode(random.pick([0, 9, 10, 13, 32, 58, 127, 255, random.int(256)]));
  const made = [bytes.slice(0, at), `${bytes.slice(0, at)}${odd}${bytes.slice(at)}`, `${bytes.slice(0, at)}${odd}${bytes.slice(at + 1)}`, bytes.slice(0, at) + bytes.slice(at + length), bytes.slice(0, at + length) + bytes.slice(at)];
  return random.pick(made);
}

function cutsOf(length: number, random: Random): number[] {
  if (random.chance(45)) return [];
  const most = random.chance(10) ? 40 : 4;
  return Array.from({ length: 1 + random.int(most) }, () => 1 + random.int(random.chance(50) ? 5 : Math.max(1, Math.min(length, 200))));
}
