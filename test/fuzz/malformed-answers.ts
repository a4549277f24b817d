import { readAnswer } from './http-reader.js';
import { ODD } from './malformed-values.js';
import type { Random } from './random.js';

/** What one client asks, and what the application answers. */
export interface AnswerCase {
  readonly method: string;
  readonly upgrade: boolean;
  readonly expect: boolean;
  /** With `ID` where the request's own id belongs. */
  readonly bytes: string;
  /** Where in the bytes each packet begins. */
  readonly cuts: readonly number[];
  /** What the application does with the connection then. */
  readonly then: 'keep' | 'end' | 'reset';
}

/** As long as the id that takes its place. */
export const ID = 'I'.repeat(36);
/** What an answer carries of the request that it belongs to. */
export const echoOf = (id: string): string => `E:${id}:E`;

interface Draft {
  before: string;
  first: [string, string, string];
  lines: { name: string; between: string; value: string; end: string }[];
  end: string;
  body: string;
  behind: string;
}

/** One answer, most of them malformed. */
export function makeAnswerCase(random: Random): AnswerCase {
  const upgrade = random.chance(8);
  const method = upgrade ? 'GET' : random.pick(['GET', 'GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS']);
  const draft = draftAnswer(random, upgrade && random.chance(70));
  for (let changes = random.int(4); changes > 0; changes -= 1) random.pick(CHANGES)(draft, random);
  let bytes = textOf(draft);
  if (random.chance(15)) bytes = garble(bytes, random);
  if (random.chance(12)) bytes = bytes.slice(0, random.int(bytes.length));
  const meant = meantBy(bytes, { method, ended: false });
  const then = random.chance({ whole: 70, malformed: 40, partial: 6 }[meant.kind]) ? 'keep' : random.pick(['end', 'end', 'reset'] as const);
  // What comes later than the whole answer may meet the next request on its connection, and nobody can tell it from its answer then: only where there is no next one.
  const single = meant.kind === 'malformed' && random.chance(40);
  const cuts = meant.kind === 'malformed' && !single && !upgrade ? [0] : cutsOf(meant.kind === 'whole' ? meant.end : bytes.length, random);
  return { method: single && !upgrade ? 'POST' : method, upgrade, expect: method === 'POST' && random.chance(25), bytes, cuts, then };
}

/** The last answer of those that the bytes are: all but the first of several are none, but for those of 1xx. */
export function meantBy(bytes: string, { method, ended }: { readonly method: string; readonly ended: boolean }): ReturnType<typeof readAnswer> {
  for (let from = 0; ;) {
    // The parser of node:http leaves out empty lines.
    while (/[\r\n]/.test(bytes.charAt(from))) from += 1;
    const reading = readAnswer(bytes, from, { method, ended, loose: true });
    if (reading.kind !== 'whole' || !/^1(?!01)/.test(reading.message.first[1])) return reading;
    from = reading.end;
  }
}

function draftAnswer(random: Random, switches: boolean): Draft {
  const draft: Draft = { before: '', first: ['HTTP/1.1', '200', 'OK'], lines: [], end: '\r\n', body: '', behind: '' };
  add(draft, 'X-Echo', echoOf(ID));
  if (random.chance(20)) add(draft, 'Content-Type', 'text/plain');
  if (switches) {
    draft.first = ['HTTP/1.1', '101', 'Switching Protocols'];
    add(draft, 'Connection', 'Upgrade');
    add(draft, 'Upgrade', 'websocket');
    if (random.chance(50)) draft.behind = echoOf(ID);
    return draft;
  }
  const content = echoOf(ID).repeat(1 + random.int(random.chance(5) ? 2_000 : 4));
  const framing = random.pick(['length', 'length', 'chunked', 'chunked', 'close'] as const);
  if (framing === 'length') add(draft, 'Content-Length', String(content.length));
  if (framing === 'chunked') add(draft, 'Transfer-Encoding', 'chunked');
  draft.body = framing === 'chunked' ? chunksOf(content) : content;
  return draft;
}

const chunksOf = (content: string, size = content.length.toString(16), last = '0\r\n\r\n'): string => `${size}\r\n${content}\r\n${last}`;
const add = (draft: Draft, name: string, value: string): void => { draft.lines.push({ name, between: ': ', value, end: '\r\n' }); };
const textOf = ({ before, first, lines, end, body, behind }: Draft): string =>
  `${before}${first.join(' ')}\r\n${lines.map((line) => `${line.name}${line.between}${line.value}${line.end}`).join('')}${end}${body}${behind}`;

type Change = (draft: Draft, random: Random) => void;

const place = ({ lines }: Draft, random: Random, line: Partial<Draft['lines'][number]>): void => {
  lines.splice(random.int(lines.length + 1), 0, { name: 'X-Odd', between: random.pick([': ', ': ', ':', ' : ']), value: 'x', end: '\r\n', ...line });
};
const aLine = ({ lines }: Draft, random: Random): Draft['lines'][number] => random.pick(lines);
/** A second answer to the same request. */
const another = (random: Random): string => `HTTP/1.1 ${random.pick(['200 OK', '404 Not Found', '100 Continue', '304 Not Modified'])}\r\nX-Echo: ${echoOf(ID)}\r\nContent-Length: ${echoOf(ID).length}\r\n\r\n${echoOf(ID)}`;

const CHANGES: readonly Change[] = [
  (draft, random) => { draft.first[0] = random.pick(ODD.versions); },
  (draft, random) => { draft.first[1] = random.pick(ODD.statuses); },
  (draft, random) => { draft.first[1] = random.pick(['204', '304', '205', '206', '500', '404', '301']); },
  (draft, random) => { draft.first[2] = random.pick(ODD.reasons); },
  (draft, random) => { draft.before = random.pick(ODD.junk); },
  (draft, random) => { draft.before = random.pick(ODD.hints).repeat(1 + random.int(random.chance(10) ? 60 : 3)); },
  (draft, random) => { place(draft, random, { name: random.pick(['Content-Length', ...ODD.lengthNames]), value: random.pick(ODD.lengths) }); },
  (draft, random) => { place(draft, random, { name: random.pick(['Transfer-Encoding', ...ODD.codingNames]), value: random.pick(ODD.codings) }); },
  (draft, random) => { const length = draft.lines.find(({ name }) => name === 'Content-Length'); if (length) length.value = String(Math.max(0, Number(length.value) + random.pick([-40, -1, 1, 40, 1_000_000_000]))); else draft.body += random.pick(ODD.junk); },
  (draft, random) => { draft.lines = draft.lines.filter(({ name }) => !/^(?:Transfer|Content-L)/.test(name)); add(draft, 'Transfer-Encoding', 'chunked'); draft.body = chunksOf(echoOf(ID), random.pick(ODD.sizes)); },
  (draft, random) => { draft.lines = draft.lines.filter(({ name }) => !/^(?:Transfer|Content-L)/.test(name)); add(draft, 'Transfer-Encoding', 'chunked'); draft.body = chunksOf(echoOf(ID), undefined, random.pick(ODD.lasts)); },
  (draft, random) => { draft.body = draft.body.replace(/\r\n0\r\n\r\n$/, `${random.pick(ODD.dataEnds)}0\r\n\r\n`); },
  (draft, random) => { draft.behind = random.pick(ODD.junk); },
  (draft, random) => { draft.behind = another(random).repeat(1 + random.int(2)); },
  (draft, random) => { place(draft, random, { name: random.pick(ODD.names), value: random.pick(ODD.values) }); },
  (draft, random) => { place(draft, random, { value: random.pick(ODD.values), end: random.pick(['\r\n', ...ODD.ends]) }); },
  (draft, random) => { place(draft, random, { name: 'Connection', value: random.pick(ODD.connections) }); },
  (draft, random) => { place(draft, random, { name: 'Set-Cookie', value: random.pick(ODD.cookies) }); },
  (draft, random) => { add(draft, 'Connection', 'Upgrade'); add(draft, 'Upgrade', random.pick(ODD.upgrades)); if (random.chance(50)) draft.first[1] = '101'; },
  (draft, random) => { aLine(draft, random).end = random.pick(ODD.ends); },
  (draft, random) => { draft.end = random.pick(ODD.ends); },
  (draft, random) => { draft.lines.push({ ...aLine(draft, random) }); },
  (draft, random) => { aLine(draft, random).between = random.pick(['', ':', '::', ' : ', ':\r\n ', ':\n ', ':\0', ' ', '=']); },
  (draft, random) => { for (let more = random.int(3_000); more > 0; more -= 10) add(draft, `X-${more}`, 'y'.repeat(10)); },
];

function garble(bytes: string, random: Random): string {
  const at = random.int(bytes.length);
  const odd = String.fromCharCode(random.pick([0, 9, 10, 13, 32, 58, 127, 255, random.int(256)]));
  return random.pick([`${bytes.slice(0, at)}${odd}${bytes.slice(at)}`, `${bytes.slice(0, at)}${odd}${bytes.slice(at + 1)}`, bytes.slice(0, at) + bytes.slice(at + 1 + random.int(8))]);
}

function cutsOf(length: number, random: Random): number[] {
  const cuts = [0];
  for (let at = 0, more = random.chance(60) ? 0 : 1 + random.int(6); more > 0; more -= 1) {
    at += 1 + random.int(random.chance(50) ? 5 : Math.max(1, length));
    if (at < length) cuts.push(at);
  }
  return cuts;
}
