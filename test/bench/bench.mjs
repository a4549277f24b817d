// `npm run bench`: every figure is a ratio against a floor measured in the same run. Writes bench/results.json.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { APPS, createRepository } from './apps.mjs';
import { measureSleeping } from './sleeping.mjs';
import { checkoutBuildRun, cleanUp, createAndStart, docker, firstAnswer, LABEL } from './raw.mjs';

const run = promisify(execFile);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const ROUNDS = 7;
const WAKE_ROUNDS = 15;
const LOAD_SECONDS = 4;
const LOAD_ROUNDS = 5;

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const timed = async (work) => { const at = performance.now(); const result = await work(); return { ms: performance.now() - at, result }; };

async function startChild(args) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = await once(createInterface(child.stdout), 'line');
  return { child, line, stop: async () => { child.kill('SIGTERM'); await once(child, 'exit'); } };
}

async function startServer(repository, state, more = []) {
  const server = await startChild([here('../../dist/main.js'), 'serve', repository, '--port', '0', '--state-dir', state, '--builds-per-minute', '1000', '--limits-disk', '100%', ...more]);
  return { ...server, port: Number(new URL(server.line.split(' ').at(-1)).port) };
}

const open = (server, commit) => firstAnswer({ host: '127.0.0.1', port: server.port, headers: { host: `hash-${commit}.localhost:${server.port}` } });

async function instanceOf(state) {
  return (await readFile(join(state, 'instance'), 'utf8')).trim();
}

async function removeContainers(state) {
  const label = `slipway.instance=${await instanceOf(state)}`;
  for (const { Id } of await docker.listContainers({ all: true, filters: { label: [label] } })) await docker.getContainer(Id).remove({ force: true, v: true });
}

/** Each round measures the floor and Slipway once, so that a busy moment of the machine hits both. */
async function measureOpening(repository, server, state) {
  const figures = { unbuilt: [], rawUnbuilt: [], present: [], rawPresent: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    const floor = await repository.commit(`floor ${round}`);
    const raw = await timed(() => checkoutBuildRun(repository.folder, floor, LABEL));
    figures.rawUnbuilt.push(raw.ms);
    await raw.result.container.remove({ force: true });
    const again = await timed(() => createAndStart(`${LABEL}:${floor}`, LABEL));
    figures.rawPresent.push(again.ms);
    await again.result.container.remove({ force: true });

    const commit = await repository.commit(`slipway ${round}`);
    figures.unbuilt.push((await timed(() => open(server, commit))).ms);
    await removeContainers(state);
    figures.present.push((await timed(() => open(server, commit))).ms);
    await removeContainers(state);
  }
  return Object.fromEntries(Object.entries(figures).map(([name, values]) => [name, median(values)]));
}

const load = async (port, host) => JSON.parse((await run(process.execPath, [here('load.mjs'), port, host, LOAD_SECONDS])).stdout);

async function measureThroughput(repository, server) {
  const commit = await repository.commit('throughput');
  await open(server, commit);
  const [{ Id }] = await docker.listContainers({ filters: { label: [`slipway.commit=${commit}`] } });
  const { NetworkSettings: { Networks } } = await docker.getContainer(Id).inspect();
  const bare = await startChild([here('bare-proxy.mjs'), `http://${Object.values(Networks)[0].IPAddress}:3000`]);
  const host = `hash-${commit}.localhost:${server.port}`;
  const figures = { bare: [], slipway: [] };
  for (let round = 0; round < LOAD_ROUNDS; round += 1) {
    for (const [name, port] of [['bare', bare.line], ['slipway', server.port]]) {
      const { perSecond, failed } = await load(port, host);
      if (failed > 0) throw new Error(`${failed} requests failed (${name})`);
      figures[name].push(perSecond);
    }
  }
  await bare.stop();
  // The two of one round meet the same moment of the machine, so the ratio is taken within it.
  const ratio = median(figures.slipway.map((perSecond, round) => perSecond / figures.bare[round]));
  return { bare: median(figures.bare), slipway: median(figures.slipway), ratio };
}

async function memoryMiB({ child }) {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024;
}

async function measureApp(name, files) {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
  const repository = await createRepository(join(folder, name), files);
  await repository.commit('first');
  const state = join(folder, 'state');
  const server = await startServer(repository.folder, state);
  try {
    const rest = await memoryMiB(server);
    const opening = await measureOpening(repository, server, state);
    const throughput = await measureThroughput(repository, server);
    const after = await memoryMiB(server);
    return { name, rest, opening, throughput, after, sleeping: await measureWaking(repository, folder) };
  } finally {
    await server.stop();
    await removeContainers(state);
    await rm(folder, { recursive: true });
  }
}

/** With a server of its own, under which previews fall asleep at once. */
async function measureWaking(repository, folder) {
  const state = join(folder, 'sleepy');
  const server = await startServer(repository.folder, state, ['--idle-sleep', '300ms']);
  try {
    const figures = await measureSleeping({ port: server.port, commit: await repository.commit('sleeping'), rounds: WAKE_ROUNDS });
    return { raw: median(figures.raw), slipway: median(figures.slipway) };
  } finally {
    await server.stop();
    await removeContainers(state);
  }
}

function rows({ name, rest, opening, throughput, after, sleeping }) {
  const ms = (value) => `${value.toFixed(0)} ms`;
  const row = (what, floor, measured, ratio, bar, met) => ({ what: `${what} (${name})`, floor, measured, ratio, bar, met });
  const unbuilt = opening.unbuilt / opening.rawUnbuilt;
  const present = opening.present / opening.rawPresent;
  const speed = throughput.ratio;
  const waking = sleeping.slipway / sleeping.raw;
  return [
    row('unbuilt commit → first byte', ms(opening.rawUnbuilt), ms(opening.unbuilt), unbuilt, '≤ 1.15', unbuilt <= 1.15),
    row('image present → first byte', ms(opening.rawPresent), ms(opening.present), present, '≤ 1.15', present <= 1.15),
    row('sleeping → first byte', ms(sleeping.raw), ms(sleeping.slipway), waking, '≤ 1.5', waking <= 1.5),
    row('requests per second', throughput.bare.toFixed(0), throughput.slipway.toFixed(0), speed, '≥ 0.9', speed >= 0.9),
    row('memory at rest, after the run', '', `${rest.toFixed(0)} MiB, ${after.toFixed(0)} MiB`, null, '', null),
  ];
}

function print(table) {
  const cells = [['what', 'floor', 'measured', 'ratio', 'bar', 'met'],
    ...table.map(({ what, floor, measured, ratio, bar, met }) => [what, floor, measured, ratio === null ? '' : ratio.toFixed(2), bar, met === null ? '' : met ? 'yes' : 'NO'])];
  const widths = cells[0].map((_, column) => Math.max(...cells.map((line) => line[column].length)));
  for (const line of cells) console.log(line.map((cell, column) => cell.padEnd(widths[column])).join('  '));
}

await run('bash', [here('../../docker/ensure-engine.sh')]);
await run(process.execPath, [here('../../docker/base-image.mjs')]);
await cleanUp();
await docker.createNetwork({ Name: LABEL, Driver: 'bridge' });
try {
  const results = [];
  for (const [name, files] of Object.entries(APPS)) results.push(await measureApp(name, files));
  const table = results.flatMap(rows);
  print(table);
  await mkdir(here('../../bench'), { recursive: true });
  await writeFile(here('../../bench/results.json'), `${JSON.stringify({ node: process.version, rounds: ROUNDS, table, results }, null, 2)}\n`);
} finally {
  await cleanUp();
}
