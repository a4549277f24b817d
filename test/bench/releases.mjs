// `npm run bench:releases`: swaps under load, rollback, build keys. Fails on a missed bar. Writes bench/releases.json.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createRepository } from './apps.mjs';
import { docker } from './raw.mjs';

const run = promisify(execFile);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const PER_SECOND = 200;
const SWAPS = 20;
/** Every so manieth commit answers 500 for ever. */
const UNHEALTHY_EVERY = 5;
const ROUNDS = 7;
const FILES = 1_000;
const BRANCH = 'branch-main.localhost';

const APP = `const version = require('node:fs').readFileSync('content.txt', 'utf8');
process.on('SIGTERM', () => setTimeout(() => process.exit(0), 5_000).unref() && server.close());
const server = require('node:http').createServer((req, res) => {
  if (req.url.startsWith('/slow')) return setTimeout(() => res.end(version), 3_000);
  if (version.startsWith('unhealthy')) res.statusCode = 500;
  res.end(version);
}).listen(3000);\n`;
const DOCKERFILE = 'FROM slipway-demo/node\nWORKDIR /app\nCOPY . .\nEXPOSE 3000\nCMD ["node", "server.js"]\n';

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const agent = new Agent({ keepAlive: true, maxSockets: 400 });

function ask(port, host, path = '/', { method = 'GET', headers = {}, body } = {}) {
  return new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port, path, method, agent, headers: { host: `${host}:${port}`, ...headers } }, async (answer) => {
      let text = '';
      try { for await (const chunk of answer) text += chunk; resolve({ status: answer.statusCode, text }); } catch (error) { resolve({ status: 0, text: error.message }); }
    });
    asked.on('error', (error) => resolve({ status: 0, text: error.message }));
    asked.end(body);
  });
}

async function startServer(config, state) {
  const child = spawn(process.execPath, [here('../../dist/main.js'), 'serve', '--config', config, '--state-dir', state, '--port', '0', '--builds-per-minute', '1000'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = await once(createInterface(child.stdout), 'line');
  const port = Number(new URL(line.split(' ').at(-1)).port);
  const token = (await readFile(join(state, 'token'), 'utf8')).trim();
  const post = async (path, body = {}) => {
    const { status, text } = await ask(port, 'localhost', `/api/projects/app/${path}`, { method: 'POST', body: JSON.stringify(body), headers: { 'authorization': `Bearer ${token}`, 'content-type': 'application/json' } });
    if (status >= 300) throw new Error(text);
    return JSON.parse(text);
  };
  return { port, post, stop: async () => { child.kill('SIGTERM'); await once(child, 'exit'); } };
}

/** Requests at a steady rate, whatever becomes of them. */
function startLoad(port, host) {
  const answers = new Map();
  let isOver = false;
  const under = new Set();
  const one = async () => {
    const { status, text } = await ask(port, host);
    const key = `${status} ${text.slice(0, 60)}`;
    answers.set(key, (answers.get(key) ?? 0) + 1);
  };
  const pace = (async () => {
    const since = performance.now();
    for (let sent = 0; !isOver; sent += 1) {
      const asked = one();
      under.add(asked);
      void asked.finally(() => under.delete(asked));
      const early = since + (sent + 1) * (1_000 / PER_SECOND) - performance.now();
      if (early > 0) await sleep(early);
    }
  })();
  return { stop: async () => { isOver = true; await pace; await Promise.all(under); return answers; } };
}

const until = async (done, what) => {
  for (let tries = 0; tries < 1_200; tries += 1) { if (await done()) return; await sleep(25); }
  throw new Error(`${what}: not within 30 s`);
};

async function measureSwaps({ repository, server }) {
  const follow = async (commit) => { await ask(server.port, 'localhost', `/api/status?hash=${commit}`); };
  const lastError = async () => (JSON.parse((await ask(server.port, 'localhost', '/status?q=branch-main', { headers: { accept: 'application/json' } })).text)).find(({ label }) => label === 'branch-main')?.lastError?.at;
  await until(async () => (await ask(server.port, BRANCH)).status === 200, 'the branch serves');
  const load = startLoad(server.port, BRANCH);
  const slow = [];
  let good = 0;
  for (let swap = 1; swap <= SWAPS; swap += 1) {
    const unhealthy = swap % UNHEALTHY_EVERY === 0;
    const content = `${unhealthy ? 'unhealthy' : 'version'} ${swap}`;
    const before = await lastError();
    const expected = (await ask(server.port, BRANCH)).text;
    slow.push(ask(server.port, BRANCH, '/slow').then(({ status, text }) => status === 200 && text === expected));
    await follow(await repository.commit(content));
    if (unhealthy) await until(async () => { const at = await lastError(); return at !== undefined && at !== before; }, `${content} is given up`);
    else { await until(async () => (await ask(server.port, BRANCH)).text === content, `${content} serves`); good += 1; }
  }
  const answers = await load.stop();
  const wrong = [...answers].filter(([key]) => !/^200 (first|version )/.test(key));
  return { swaps: SWAPS, took: good, requests: [...answers.values()].reduce((a, b) => a + b), failed: wrong, slowDone: (await Promise.all(slow)).every(Boolean) };
}

const containers = async () => docker.listContainers({ filters: { label: ['slipway.project=app'] } });

async function measureRollback({ repository, server }) {
  const figures = { rollback: [], present: [], known: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    await server.post('publish', { commit: await repository.commit(`version roll ${round}`) });
    let at = performance.now();
    await server.post('stages/dev/rollback');
    await ask(server.port, 'dev.localhost');
    figures.rollback.push(performance.now() - at);

    const commit = await repository.commit(`version present ${round}`);
    await ask(server.port, `hash-${commit}.localhost`);
    for (const { Id, Labels } of await containers()) if (Labels['slipway.commit'] === commit) await docker.getContainer(Id).remove({ force: true });
    await until(async () => (await ask(server.port, 'localhost', `/status?hash=${commit}`)).text !== 'Ready', 'it is gone');
    at = performance.now();
    await ask(server.port, `hash-${commit}.localhost`);
    figures.present.push(performance.now() - at);

    // The same files under another commit: its key is computed, and nothing is built.
    const same = await repository.commit(`version present ${round}`);
    await ask(server.port, 'localhost', `/api/status?hash=${same}`);
    at = performance.now();
    await ask(server.port, `hash-${same}.localhost`);
    figures.known.push(performance.now() - at);
  }
  return Object.fromEntries(Object.entries(figures).map(([name, values]) => [name, median(values)]));
}

const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
await run('bash', [here('../../docker/ensure-engine.sh')]);
await run(process.execPath, [here('../../docker/base-image.mjs')]);
const files = { 'server.js': APP, 'Dockerfile': DOCKERFILE, ...Object.fromEntries(Array.from({ length: FILES - 10 }, (_, n) => [`lib/part-${n}.js`, `${n}\n`])) };
const repository = await createRepository(join(folder, 'app'), files);
await repository.commit('first');
const config = join(folder, 'slipway.yaml');
await writeFile(config, `projects:\n  app:\n    repository: ${repository.folder}\n    run: { readyTimeout: 2s }\n    stages: { dev: {}, prod: {} }\n`);
const server = await startServer(config, join(folder, 'state'));
try {
  const swaps = await measureSwaps({ repository, server });
  await server.post('publish', { commit: await repository.commit('version first release') });
  const rollback = await measureRollback({ repository, server });
  const met = {
    'no failed request, no wrong answer': swaps.failed.length === 0,
    'slow requests end where they began': swaps.slowDone,
    'rollback → first byte < 2 × image present': rollback.rollback < 2 * rollback.present,
    'known key → first byte ≤ image present + 30 ms': rollback.known <= rollback.present + 30,
  };
  console.log(JSON.stringify({ swaps, rollback, met }, null, 2));
  await mkdir(here('../../bench'), { recursive: true });
  await writeFile(here('../../bench/releases.json'), `${JSON.stringify({ node: process.version, perSecond: PER_SECOND, files: FILES, swaps, rollback, met }, null, 2)}\n`);
  if (Object.values(met).includes(false)) process.exitCode = 1;
} finally {
  await server.stop();
  for (const { Id } of await docker.listContainers({ all: true, filters: { label: ['slipway.project=app'] } })) await docker.getContainer(Id).remove({ force: true }).catch(() => undefined);
  agent.destroy();
  await rm(folder, { recursive: true, force: true });
}
