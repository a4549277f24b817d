#!/usr/bin/env node
/**
 * `npm run bench:scale`: 100 projects, one of them with 10,000 branches. Measures starts, `?branch=`, the list pages,
 * memory, and what one malformed request costs the event loop. Prints a table and writes `bench/scale.json`.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request, Agent } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';

const PROJECTS = 100;
const BRANCHES = 10_000;
const ROUNDS = 1_000;
const GIT_ENV = { PATH: process.env.PATH, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' };

/** A repository whose branches each have a commit of their own. */
function createRepository(path, count) {
  mkdirSync(path, { recursive: true });
  execFileSync('git', ['-C', path, 'init', '--quiet', '--bare', '-b', 'main'], { env: GIT_ENV });
  const commits = Array.from({ length: count }, (_, n) => {
    const ref = n === 0 ? 'main' : `team-${n % 50}/change-${n}`;
    const message = `Change number ${n} of this branch`;
    const head = `commit refs/heads/${ref}\nmark :${n + 1}\ncommitter Ada <ada@example.com> ${1_735_725_600 + n} +0000\ndata ${message.length}\n${message}\n`;
    return n === 0 ? `${head}M 100644 inline Dockerfile\ndata 13\nFROM scratch\n\n` : `${head}from :1\nM 100644 inline n\ndata ${String(n).length}\n${n}\n`;
  });
  execFileSync('git', ['-C', path, 'fast-import', '--quiet'], { env: GIT_ENV, input: commits.join('\n') });
}

function writeConfig(folder) {
  const projects = Array.from({ length: PROJECTS }, (_, n) => `  ${n === 0 ? 'big' : `small-${n}`}:\n    repository: ${n === 0 ? 'big' : `small-${n}`}.git`);
  writeFileSync(join(folder, 'slipway.yaml'), `projects:\n${projects.join('\n')}\n`);
}

/** @returns the server, its port and how long it took to listen */
async function start(folder) {
  const begun = performance.now();
  const child = spawn(process.execPath, ['dist/main.js', 'serve', '--config', join(folder, 'slipway.yaml'), '--port', '0', '--state-dir', join(folder, 'state')], { stdio: ['ignore', 'pipe', 'ignore'] });
  let said = '';
  const port = await new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      said += chunk;
      const found = /listening on http:\/\/localhost:(\d+)/.exec(said);
      if (found) resolve(Number(found[1]));
    });
    child.on('exit', () => { reject(new Error(`The server ended: ${said}`)); });
  });
  return { child, port, ms: performance.now() - begun };
}

async function stop({ child }) {
  const ended = new Promise((resolve) => { child.removeAllListeners('exit').on('exit', resolve); });
  child.kill('SIGTERM');
  await ended;
}

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function get(port, host, path, headers = {}) {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    request({ agent, port, path, headers: { host: `${host}:${port}`, ...headers } }, (answer) => {
      answer.resume().on('end', () => { resolve({ status: answer.statusCode, ms: performance.now() - begun }); });
    }).on('error', reject).end();
  });
}

const quantile = (numbers, share) => numbers.toSorted((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * share))];

async function repeat(times, work) {
  const taken = [];
  for (let n = 0; n < times; n += 1) taken.push((await work(n)).ms);
  return taken;
}

/** The collector of V8 gives back what a burst left only once it is quiet. */
const LATER_MS = 30_000;
const afterRest = async (pid) => { await new Promise((resolve) => { setTimeout(resolve, LATER_MS); }); return rssMiB(pid); };
const rssMiB = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
/** User and system time of a process, milliseconds. */
const cpuMs = (pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);

const raw = (port, bytes) => new Promise((resolve) => {
  const socket = connect(port, '127.0.0.1', () => { socket.end(bytes); });
  socket.on('error', () => undefined).on('close', resolve).resume();
});

const MALFORMED = {
  'A16: a host of 16,000 bytes': () => `GET / HTTP/1.1\r\nHost: ${'a.'.repeat(7_500)}\r\nConnection: close\r\n\r\n`,
  'A17: 15,000 bytes of parameters': (port) => `GET /status?${'a[]=&'.repeat(3_000)} HTTP/1.1\r\nHost: big.localhost:${port}\r\nConnection: close\r\n\r\n`,
  'A18: a path that cannot be decoded': (port) => `GET /builds/${'%E0%A4%A'.repeat(900)} HTTP/1.1\r\nHost: big.localhost:${port}\r\nConnection: close\r\n\r\n`,
  'A18: 8,000 bytes of /a': (port) => `GET ${'/a'.repeat(4_000)} HTTP/1.1\r\nHost: big.localhost:${port}\r\nConnection: close\r\n\r\n`,
};

/** Processor time of the whole server for one such request, connection included. */
async function costs({ child, port }) {
  const found = {};
  for (const [name, bytesOf] of Object.entries(MALFORMED)) {
    for (let n = 0; n < 50; n += 1) await raw(port, bytesOf(port));
    const before = cpuMs(child.pid);
    for (let n = 0; n < 400; n += 1) await raw(port, bytesOf(port));
    found[name] = { ms: (cpuMs(child.pid) - before) / 400, bar: 5 };
  }
  return found;
}

async function measure(folder) {
  const first = await start(folder);
  await settled(first);
  await stop(first);
  const server = await start(folder);
  const { port, child } = server;
  await settled(server);
  const atRest = rssMiB(child.pid);
  const branch = (n) => `/?branch=team-${(n * 7 + 1) % 50}%2Fchange-${n * 7 + 1}`;
  const page = { accept: 'text/html' };
  await repeat(50, (n) => get(port, 'big.localhost', branch(n)));
  const redirect = await repeat(ROUNDS, (n) => get(port, 'big.localhost', branch(n)));
  const unnamed = await repeat(ROUNDS, (n) => get(port, 'localhost', branch(n)));
  const list = await repeat(20, (n) => get(port, 'big.localhost', `/?page=${n * 9 + 1}`, page));
  const search = await repeat(20, (n) => get(port, 'big.localhost', `/?q=change-${n * 400}`, page));
  const projects = await repeat(20, () => get(port, 'localhost', '/', page));
  const result = {
    'first start, mirrors made': { ms: first.ms }, 'start': { ms: server.ms, bar: 3_000 },
    '?branch=, p50': { ms: quantile(redirect, 0.5) }, '?branch=, p99': { ms: quantile(redirect, 0.99), bar: 5 },
    '?branch= on the server host, p99': { ms: quantile(unnamed, 0.99), bar: 5 },
    'branches of the big project, worst of 20': { ms: Math.max(...list), bar: 300 }, 'search in them, worst of 20': { ms: Math.max(...search), bar: 300 },
    'list of projects, worst of 20': { ms: Math.max(...projects), bar: 300 }, ...(await costs(server)), 'memory at rest': { MiB: atRest, bar: 200 }, 'memory right after all this': { MiB: rssMiB(child.pid) },
    [`memory ${LATER_MS / 1000} s later`]: { MiB: await afterRest(child.pid), bar: 200 },
  };
  await stop(server);
  return result;
}

/** Until every first fetch is over. */
async function settled({ port, child }) {
  for (let still = 0, last = -1; still < 3;) {
    await new Promise((resolve) => { setTimeout(resolve, 500); });
    const now = cpuMs(child.pid);
    still = now - last < 30 ? still + 1 : 0;
    last = now;
  }
  await get(port, 'localhost', '/healthz');
}

const folder = mkdtempSync(join(tmpdir(), 'slipway-scale-'));
try {
  createRepository(join(folder, 'big.git'), BRANCHES);
  for (let n = 1; n < PROJECTS; n += 1) createRepository(join(folder, `small-${n}.git`), 3);
  writeConfig(folder);
  const result = await measure(folder);
  const rows = Object.entries(result).map(([what, { ms, MiB, bar }]) => `${what.padEnd(42)} ${(ms ?? MiB).toFixed(ms === undefined ? 0 : 2).padStart(10)} ${ms === undefined ? 'MiB' : 'ms '}  ${bar === undefined ? '' : `bar ${bar}: ${(ms ?? MiB) < bar ? 'met' : 'NOT met'}`}`);
  console.log(rows.join('\n'));
  writeFileSync('bench/scale.json', `${JSON.stringify({ at: new Date().toISOString(), node: process.version, projects: PROJECTS, branches: BRANCHES, result }, null, 2)}\n`);
  if (Object.values(result).some(({ ms, MiB, bar }) => bar !== undefined && (ms ?? MiB) >= bar)) process.exitCode = 1;
} finally {
  agent.destroy();
  rmSync(folder, { recursive: true, force: true });
}
