import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { startTestApp } from '../support/test-app.js';

/** The bytes of one client frame. */
function frame(opcode: number, payload: Buffer | string = '', { fin = true, rsv = 0, masked = true }: { fin?: boolean; rsv?: number; masked?: boolean } = {}): Buffer {
  const body = Buffer.from(payload);
  const mask = masked ? Buffer.from([1, 2, 3, 4]) : Buffer.alloc(0);
  const [short, extended] = body.length < 126 ? [body.length, Buffer.alloc(0)] : body.length < 65_536 ? [126, Buffer.alloc(2)] : [127, Buffer.alloc(8)];
  if (extended.length === 2) extended.writeUInt16BE(body.length);
  if (extended.length === 8) extended.writeBigUInt64BE(BigInt(body.length));
  const head = Buffer.from([(fin ? 0x80 : 0) | rsv | opcode, (masked ? 0x80 : 0) | short]);
  return Buffer.concat([head, extended, mask, masked ? body.map((byte, at) => byte ^ ((at % 4) + 1)) : body]);
}

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const closeWith = (code: number, reason = '') => frame(CLOSE, Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]));
const BYE = closeWith(1000);

interface Case { readonly name: string; readonly packets: readonly Buffer[] }

/** A message in so many fragments, with a frame of another kind between two of them. */
function fragmented(opcode: number, { body, parts, between }: { body: Buffer; parts: number; between?: Buffer }): Buffer[] {
  const size = Math.ceil(body.length / parts);
  return Array.from({ length: parts }, (_, at) => Buffer.concat([
    frame(at === 0 ? opcode : 0, body.subarray(at * size, (at + 1) * size), { fin: at === parts - 1 }), ...(between && at < parts - 1 ? [between] : []),
  ]));
}

/** The groups of the Autobahn test suite, as far as a client's bytes can show them. */
function cases(): Case[] {
  const found: Case[] = [];
  const add = (name: string, ...packets: Buffer[]) => { found.push({ name, packets: [...packets, BYE] }); };
  for (const opcode of [TEXT, BINARY]) {
    for (const size of [0, 1, 2, 125, 126, 127, 128, 65_535, 65_536, 131_072]) add(`message ${opcode} of ${size}`, frame(opcode, Buffer.alloc(size, 'x')));
    for (const parts of [2, 3, 10, 40]) for (const between of [undefined, frame(PING, 'p'), frame(PONG, 'q')]) add(`in ${parts} fragments`, ...fragmented(opcode, { body: Buffer.alloc(1_000, 'y'), parts, ...(between ? { between } : {}) }));
    for (const split of [1, 7, 64, 997]) {
      const whole = frame(opcode, Buffer.alloc(2_000, 'z'));
      add(`in packets of ${split}`, ...Array.from({ length: Math.ceil(whole.length / split) }, (_, at) => whole.subarray(at * split, (at + 1) * split)));
    }
  }
  for (const size of [0, 1, 125, 126]) for (const opcode of [PING, PONG, CLOSE]) add(`control ${opcode} of ${size}`, frame(opcode, Buffer.alloc(size, 'c')));
  for (let many = 1; many <= 10; many += 1) add(`${many} pings`, ...Array.from({ length: many }, (_, at) => frame(PING, `ping ${at}`)));
  for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) add(`reserved opcode ${opcode}`, frame(TEXT, 'before'), frame(opcode, 'what'), frame(TEXT, 'after'));
  for (const rsv of [16, 32, 48, 64, 80, 96, 112]) for (const opcode of [TEXT, BINARY, PING, CLOSE]) add(`reserved bits ${rsv}`, frame(opcode, 'x', { rsv }));
  for (const opcode of [CLOSE, PING, PONG]) add(`fragmented control ${opcode}`, frame(opcode, 'x', { fin: false }));
  for (let code = 0; code <= 1_100; code += 25) add(`close ${code}`, closeWith(code));
  for (const code of [999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 1016, 2999, 3000, 3999, 4000, 4999, 5000, 65_535]) for (const reason of ['', 'because', 'ü'.repeat(60)]) add(`close ${code} ${reason}`, closeWith(code, reason));
  for (const text of ['κόσμε', '\u{10FFFF}', '\u0000', '𐀀', 'é'.repeat(500), '\uFEFF']) for (const parts of [1, 2, 5]) add(`UTF-8 ${text.slice(0, 3)}`, ...fragmented(TEXT, { body: Buffer.from(text), parts }));
  for (const bytes of ['c0af', 'eda080', 'f4908080', 'ff', 'fe', '80', 'cebae1bdb9cf83cebcceb5eda080656469746564', 'f888808080', 'c3', 'e28296f0']) for (const parts of [1, 2, 4]) add(`no UTF-8 ${bytes}`, ...fragmented(TEXT, { body: Buffer.from(bytes, 'hex'), parts }));
  add('unmasked', frame(TEXT, 'bare', { masked: false }));
  add('a continuation of nothing', frame(0, 'x'));
  add('a message within a message', frame(TEXT, 'a', { fin: false }), frame(TEXT, 'b'));
  add('nothing');
  add('16 MiB', frame(BINARY, randomBytes(16 * 1024 ** 2)));
  for (let n = 0; n < 200; n += 1) add(`noise ${n}`, createHash('sha512').update(`noise ${n}`).digest());
  return found;
}

interface Played { readonly head: string; readonly bytes: number; readonly digest: string }

/** What comes back for the packets, until the other side ends; the lines that a proxy may add are left out of its head. */
async function play({ name, packets }: Case, { port, host, extensions }: { port: number; host: string; extensions: string }): Promise<Played> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => { chunks.push(chunk); }).on('error', () => undefined);
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${extensions}\r\n`);
  while (!Buffer.concat(chunks).includes('\r\n\r\n')) await once(socket, 'data');
  for (const packet of packets) socket.write(packet);
  // What announces more than comes waits for the rest; all else is ended by the other side, which may still be sending.
  if (name.startsWith('noise')) socket.end();
  if (!socket.closed) await once(socket, 'close');
  const all = Buffer.concat(chunks);
  const end = all.indexOf('\r\n\r\n') + 4;
  const lines = all.subarray(0, end).toString('latin1').split('\r\n').filter((line) => /^(?:HTTP|sec-websocket|upgrade)/i.test(line));
  return { head: lines.sort().join('\n'), bytes: all.length - end, digest: createHash('sha256').update(all.subarray(end)).digest('hex') };
}

describe('H8: frames of every kind', () => {
  it.each([['as they are', false], ['compressed', true]])('%s come back through the proxy as they do without it, byte for byte', async (_how, perMessageDeflate) => {
    const sockets = new WebSocketServer({ noServer: true, perMessageDeflate });
    sockets.on('connection', (socket) => { socket.on('error', () => undefined).on('message', (data: Buffer, binary) => { socket.send(data, { binary }); }); });
    const upstream = createServer((_req, res) => { res.end('ok'); });
    upstream.on('upgrade', (req, socket, head) => { sockets.handleUpgrade(req, socket, head, (client) => { sockets.emit('connection', client, req); }); });
    await once(upstream.listen(0, '127.0.0.1'), 'listening');
    const { port } = upstream.address() as AddressInfo;
    await using app = await startTestApp({ program: () => ({ at: port }) });
    await app.open('branch=main');
    const host = `${app.commitHost(app.repository.head())}:${app.port}`;
    const extensions = perMessageDeflate ? 'Sec-WebSocket-Extensions: permessage-deflate\r\n' : '';
    const all = perMessageDeflate ? cases().filter(({ name }) => !name.startsWith('noise')) : cases();
    const different: string[] = [];
    for (const each of all) {
      const [direct, ours] = await Promise.all([port, app.port].map((to) => play(each, { port: to, host, extensions })));
      if (JSON.stringify(direct) !== JSON.stringify(ours)) different.push(`${each.name}: ${JSON.stringify([direct, ours])}`);
    }
    for (const client of sockets.clients) client.terminate();
    upstream.closeAllConnections();
    upstream.close();
    expect(all.length).toBeGreaterThan(perMessageDeflate ? 250 : 450);
    expect(different).toEqual([]);
  }, 120_000);
});
