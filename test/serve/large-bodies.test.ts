import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { createInterface } from 'node:readline';
import { connectRaw } from '../support/raw-http.js';
import { startTestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

const MIB = 1024 * 1024;
const SIZE = 256 * MIB;

/** Both ends are processes of their own, so that the memory of this one is the server's. */
const UPSTREAM = `
const chunk = Buffer.alloc(65536, 'x');
require('node:http').createServer((req, res) => {
  if (req.method === 'POST') {
    let bytes = 0;
    req.on('data', (part) => { bytes += part.length; }).on('end', () => { res.end(String(bytes)); });
    return;
  }
  let left = Number(new URL(req.url, 'http://x').searchParams.get('bytes') ?? 0);
  res.setHeader('Content-Length', left);
  const more = () => { while (left > 0) { left -= chunk.length; if (!res.write(chunk)) { res.once('drain', more); return; } } res.end(); };
  more();
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
`;
const CLIENT = `
const [, port, host, way, bytes] = process.argv;
const { request } = require('node:http');
const { Readable } = require('node:stream');
const chunk = Buffer.alloc(65536, 'x');
const down = way === 'down';
const asked = request({ host: '127.0.0.1', port, path: down ? '/?bytes=' + bytes : '/', method: down ? 'GET' : 'POST', headers: { host, ...(down ? {} : { 'content-length': bytes }) } }, (answer) => {
  let got = 0;
  let said = '';
  answer.on('data', (part) => { got += part.length; if (!down) said += part; }).on('end', () => { console.log(down ? got : said); }).on('aborted', () => { console.log('aborted'); });
});
if (down) asked.end();
else Readable.from(function* () { for (let sent = 0; sent < Number(bytes); sent += chunk.length) yield chunk; }()).pipe(asked);
`;

async function startUpstream(): Promise<{ readonly port: number } & Disposable> {
  const child = spawn(process.execPath, ['-e', UPSTREAM], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface(child.stdout), 'line') as [string];
  return { port: Number(line), [Symbol.dispose]: () => { child.kill(); } };
}

/** @returns how many bytes arrived at the other end */
async function transfer({ port, host }: { port: number; host: string }, way: 'down' | 'up', bytes: number): Promise<number> {
  const child = spawn(process.execPath, ['-e', CLIENT, String(port), host, way, String(bytes)], { stdio: ['ignore', 'pipe', 'inherit'] });
  return Number(await text(child.stdout));
}

/** The most that memory grew by while something was done, in bytes. */
async function growth(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage.rss();
  let most = before;
  const watch = setInterval(() => { most = Math.max(most, process.memoryUsage.rss()); }, 20);
  try {
    await work();
  } finally {
    clearInterval(watch);
  }
  return most - before;
}

describe('G26: a body of 256 MiB through a preview', () => {
  it.each(['down', 'up'] as const)('%s arrives whole, and costs less than 64 MiB of memory', async (way) => {
    using upstream = await startUpstream();
    await using app = await startTestApp({ program: () => ({ at: upstream.port }) });
    const to = { port: app.port, host: `${app.commitHost(app.repository.head())}:${app.port}` };
    await transfer(to, way, 32 * MIB);
    const grown = await growth(async () => { expect(await transfer(to, way, SIZE)).toBe(SIZE); });
    expect(grown).toBeLessThan(64 * MIB);
  }, 60_000);
});

describe('G26: an upload that goes on', () => {
  it('is not cut however much longer than the limits it takes', async () => {
    let received = 0;
    await using app = await startTestApp({
      program: () => ({ serve: (req, res) => { req.on('data', (part: Buffer) => { received += part.length; }).on('end', () => { res.end('whole'); }); } }),
      timeouts: { responseMs: 300, idleMs: 300 },
    });
    await app.open('branch=main');
    using client = await connectRaw(app.port);
    client.send(`POST / HTTP/1.1\r\nHost: ${app.commitHost(app.repository.head())}:${app.port}\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const since = performance.now();
    for (let sent = 1; performance.now() - since < 1_500; sent += 1) {
      client.send('1\r\nx\r\n');
      await until(() => received === sent, 'it arrives');
    }
    client.send('0\r\n\r\n');
    expect(await client.until('whole')).toMatch(/^HTTP\/1\.1 200 OK/);
  });
});
