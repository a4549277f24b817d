// Load by hand-written HTTP on kept connections, so that the load costs little of the machine that is measured.
// Over IPC: { port, host, kind, seconds, perSecond? } → { answered, failed, ms, latencies }. Without a rate: as fast as it goes.
import { connect } from 'node:net';

const CONNECTIONS = 50;
// What a browser sends with a request.
const LINES = 'User-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/138.0\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\nCookie: session=0123456789abcdef\r\nConnection: keep-alive\r\n';
const FIRST = { small: 'GET /small', large: 'GET /large', post: 'POST /' };
const BODY = { post: 'b'.repeat(1024) };

const requestOf = ({ kind, host }) =>
  Buffer.from(`${FIRST[kind]} HTTP/1.1\r\nHost: ${host}\r\n${LINES}${BODY[kind] ? `Content-Type: text/plain\r\nContent-Length: ${BODY[kind].length}\r\n` : ''}\r\n${BODY[kind] ?? ''}`);

/** One connection; `ask` ends with whether the answer was 200 and whole. */
async function open(port, bytes) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await new Promise((resolve, reject) => { socket.once('connect', resolve).once('error', reject); });
  let answered;
  let missing = -1;
  let isRight = false;
  socket.on('data', (chunk) => {
    let begin = 0;
    if (missing < 0) {
      begin = chunk.indexOf('\r\n\r\n') + 4;
      const head = chunk.latin1Slice(0, begin);
      missing = Number(/\ncontent-length: (\d+)/i.exec(head)?.[1] ?? NaN);
      isRight = begin >= 4 && head.startsWith('HTTP/1.1 200 ') && missing >= 0;
    }
    missing -= chunk.length - begin;
    if (isRight && missing > 0) return;
    const isWhole = isRight && missing === 0;
    missing = -1;
    answered(isWhole);
  });
  socket.on('error', () => undefined).on('close', () => { answered?.(false); });
  return { ask: () => new Promise((resolve) => { answered = resolve; socket.write(bytes); }), close: () => { socket.destroy(); } };
}

async function flood(connections, seconds) {
  const figures = { answered: 0, failed: 0 };
  const until = performance.now() + seconds * 1000;
  await Promise.all(connections.map(async ({ ask }) => {
    while (performance.now() < until) { if (await ask()) figures.answered += 1; else { figures.failed += 1; return; } }
  }));
  return figures;
}

/** Open loop: a slow answer does not hold the next request back. */
async function pace(connections, { seconds, perSecond }) {
  const free = [...connections];
  const figures = { answered: 0, failed: 0, latencies: [] };
  const begun = performance.now();
  const pending = new Set();
  const one = async (connection) => {
    const at = performance.now();
    if (!await connection.ask()) { figures.failed += 1; return; }
    figures.latencies.push(performance.now() - at);
    figures.answered += 1;
    free.unshift(connection);
  };
  for (let sent = 0; sent < seconds * perSecond; sent += 1) {
    const wait = begun + (sent * 1000) / perSecond - performance.now();
    if (wait > 0) await new Promise((resolve) => { setTimeout(resolve, wait); });
    const connection = free.shift();
    if (!connection) { figures.failed += 1; continue; }
    const asked = one(connection).finally(() => { pending.delete(asked); });
    pending.add(asked);
  }
  await Promise.all(pending);
  return figures;
}

process.on('message', async (order) => {
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => open(order.port, requestOf(order))));
  const begun = performance.now();
  const figures = order.perSecond ? await pace(connections, order) : await flood(connections, order.seconds);
  process.send({ ...figures, ms: performance.now() - begun });
  for (const { close } of connections) close();
});
