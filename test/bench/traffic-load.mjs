// What clients do, in a process of its own. Over IPC: { verb, ...order } → what the verb gives.
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const CHUNK = Buffer.alloc(65_536, 'x');
const LATENCY_CONNECTIONS = 20;

/** One request, the body of its answer thrown away but for its length and its first bytes. */
function ask({ address = '127.0.0.1', port, host, path, method = 'GET', bytes = 0, agent = false }) {
  return new Promise((resolve) => {
    const asked = request({ host: address, port, path, method, agent, headers: { host, ...(method === 'POST' ? { 'content-length': bytes } : {}) } }, (answer) => {
      let got = 0;
      let begin = '';
      answer.on('data', (part) => { got += part.length; if (begin.length < 200) begin += part.toString('latin1', 0, 200); });
      answer.on('end', () => { resolve({ status: answer.statusCode, got, begin }); }).on('error', () => { resolve({ status: 0, got, begin: 'cut' }); });
    });
    asked.on('error', (error) => { resolve({ status: 0, got: 0, begin: error.message }); });
    let left = bytes;
    const more = () => { while (left > 0) { const part = CHUNK.subarray(0, Math.min(left, CHUNK.length)); left -= part.length; if (!asked.write(part)) { asked.once('drain', more); return; } } asked.end(); };
    more();
  });
}

/** All at once. @returns how many were answered by the application as asked, what else came, and after how long the last one */
async function crowd({ many, ...to }) {
  const begun = performance.now();
  const answers = await Promise.all(Array.from({ length: many }, (_, at) => ask({ ...to, path: `/echo?n=${at}` })));
  const ms = performance.now() - begun;
  const wrong = answers.filter(({ status, begin }, at) => status !== 200 || begin !== `/echo?n=${at}`);
  return { ms, right: many - wrong.length, wrong: [...new Set(wrong.map(({ status, begin }) => `${status} ${begin}`))].slice(0, 3) };
}

const sockets = new Set();
let broken = 0;

function openOne({ port, host }) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let text = '';
    socket.on('data', (part) => {
      text += part.toString('latin1');
      if (socket.heard) { if (text.endsWith('\n')) { socket.heard(text === socket.said); text = ''; } return; }
      if (!text.endsWith('\r\n\r\n')) return;
      if (!text.startsWith('HTTP/1.1 101 ')) broken += 1;
      text = '';
      socket.heard = () => undefined;
      sockets.add(socket);
      resolve();
    });
    socket.on('error', () => undefined).on('close', () => { if (sockets.delete(socket)) broken += 1; resolve(); });
    socket.write(`GET /ws HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
  });
}

function say(socket, text) {
  const heard = new Promise((resolve) => { socket.heard = resolve; });
  socket.said = text;
  socket.write(text);
  return Promise.race([heard, sleep(10_000, false, { ref: false })]);
}

function leave(socket, at) {
  sockets.delete(socket);
  if (at % 2) socket.end();
  else socket.resetAndDestroy();
}

async function openMany({ many, ...to }) {
  for (let opened = 0; opened < many; opened += 50) await Promise.all(Array.from({ length: Math.min(50, many - opened) }, () => openOne(to)));
  return { open: sockets.size, broken };
}

/** Each second a part of them leaves, half of it by a loss, and as many come; every one of the others says something. */
async function churn({ seconds, part, ...to }) {
  let unheard = 0;
  let said = 0;
  for (let second = 0; second < seconds; second += 1) {
    const next = performance.now() + 1_000;
    const leaving = [...sockets].slice(0, Math.round(sockets.size * part));
    leaving.forEach(leave);
    const [heard] = await Promise.all([Promise.all([...sockets].map((socket, at) => say(socket, `${second} ${at}\n`))), openMany({ many: leaving.length, ...to })]);
    said += heard.length;
    unheard += heard.filter((isRight) => !isRight).length;
    await sleep(Math.max(0, next - performance.now()));
  }
  return { open: sockets.size, said, unheard, broken };
}

function closeAll() {
  [...sockets].forEach(leave);
  return { open: sockets.size };
}

/** @returns MB per second */
async function transfer({ way, bytes, ...to }) {
  const begun = performance.now();
  const { status, got, begin } = await (way === 'down' ? ask({ ...to, path: `/down?bytes=${bytes}` }) : ask({ ...to, path: '/up', method: 'POST', bytes }));
  const arrived = way === 'down' ? got : Number(begin);
  if (status !== 200 || arrived !== bytes) throw new Error(`${way}: ${status}, ${arrived} of ${bytes} bytes`);
  return { perSecond: bytes / 1e3 / (performance.now() - begun) };
}

/** At a steady rate, whatever the answers take. @returns milliseconds of each */
async function pace({ seconds, perSecond, ...to }) {
  const agent = new Agent({ keepAlive: true, maxSockets: LATENCY_CONNECTIONS });
  const latencies = [];
  const pending = [];
  const begun = performance.now();
  for (let sent = 0; sent < seconds * perSecond; sent += 1) {
    const wait = begun + (sent * 1_000) / perSecond - performance.now();
    if (wait > 0) await sleep(wait);
    const at = performance.now();
    pending.push(ask({ ...to, agent, path: '/small' }).then(({ status }) => { latencies.push(status === 200 ? performance.now() - at : Infinity); }));
  }
  await Promise.all(pending);
  agent.destroy();
  return { latencies };
}

const VERBS = { crowd, openMany, churn, closeAll, transfer, pace };
process.on('message', async ({ verb, ...order }) => {
  try { process.send({ result: await VERBS[verb](order) }); } catch (error) { process.send({ error: error.message }); }
});
