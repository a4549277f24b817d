// Keep-alive load from a process of its own. Usage: node load.mjs <port> <host header> <seconds>; prints JSON.
import { Agent, request } from 'node:http';

const CONNECTIONS = 50;
const [port, host, seconds] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
const until = performance.now() + Number(seconds) * 1000;
let answered = 0;
let failed = 0;

function ask() {
  return new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port, path: '/plain', agent, headers: { host } }, (answer) => {
      answer.resume();
      answer.on('end', () => { if (answer.statusCode === 200) answered += 1; else failed += 1; resolve(); });
    });
    asked.on('error', () => { failed += 1; resolve(); });
    asked.end();
  });
}

const startedAt = performance.now();
await Promise.all(Array.from({ length: CONNECTIONS }, async () => { while (performance.now() < until) await ask(); }));
console.log(JSON.stringify({ perSecond: answered / ((performance.now() - startedAt) / 1000), failed }));
agent.destroy();
