// `npm run bench:proxy`: the data plane against bare http-proxy and against no proxy at all, without an engine.
// Writes bench/proxy.json. Options: --rounds N, --seconds N, --kinds small,large,post, --dist FOLDER (again for more builds).
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { values: options } = parseArgs({ options: {
  rounds: { type: 'string', default: '9' }, seconds: { type: 'string', default: '1' }, kinds: { type: 'string', default: 'small,large,post' },
  dist: { type: 'string', multiple: true, default: [here('../../dist')] }, latency: { type: 'string', default: '5' },
} });
const ROUNDS = Number(options.rounds);
const HOST = 'hash-a.localhost';
const PER_SECOND = 200;

const sorted = (values) => [...values].sort((a, b) => a - b);
const quantile = (values, part) => sorted(values)[Math.min(values.length - 1, Math.floor(values.length * part))];
const median = (values) => quantile(values, 0.5);

async function startChild(...args) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface(child.stdout), 'line');
  return { pid: child.pid, port: Number(line), stop: () => child.kill() };
}

/** Milliseconds of processor time so far, in steps of 10. */
function cpuMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

const load = fork(here('proxy-load.mjs'));
const ask = async (order) => { load.send(order); return (await once(load, 'message'))[0]; };

async function measure({ pid, port }, order) {
  const before = cpuMs(pid);
  const { answered, failed, ms, latencies } = await ask({ port, host: HOST, ...order });
  if (failed > 0) throw new Error(`${failed} requests failed`);
  return { perSecond: (answered * 1000) / ms, cpuMicros: ((cpuMs(pid) - before) * 1000) / answered, latencies };
}

/** Each round measures all fronts once, every other round in reverse, so that a busy moment hits all. */
async function measureRounds(fronts, order, rounds) {
  const figures = Object.fromEntries(Object.keys(fronts).map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    const names = Object.keys(fronts);
    for (const name of round % 2 ? names.reverse() : names) figures[name].push(await measure(fronts[name], order));
  }
  return figures;
}

/** The two of one round meet the same moment of the machine, so that the ratio is taken within it. */
function ratios(ours, theirs) {
  const throughput = ours.map(({ perSecond }, round) => perSecond / theirs[round].perSecond);
  const cpu = ours.map(({ cpuMicros }, round) => theirs[round].cpuMicros / cpuMicros);
  const spread = (values) => ({ median: median(values), least: Math.min(...values), most: Math.max(...values) });
  return { throughput: spread(throughput), cpu: spread(cpu) };
}

async function measureKind(fronts, kind) {
  const figures = await measureRounds(fronts, { kind, seconds: Number(options.seconds) }, ROUNDS);
  return Object.entries(figures).map(([front, rounds]) => ({
    kind, front, perSecond: median(rounds.map(({ perSecond }) => perSecond)), cpuMicros: median(rounds.map(({ cpuMicros }) => cpuMicros)),
    ...(front.startsWith('slipway') ? ratios(rounds, figures.bare) : {}),
  }));
}

async function measureLatency(fronts) {
  const figures = await measureRounds(fronts, { kind: 'small', seconds: Number(options.latency), perSecond: PER_SECOND }, 3);
  const all = Object.entries(figures).map(([front, rounds]) => [front, rounds.flatMap(({ latencies }) => latencies)]);
  const direct = all.find(([front]) => front === 'direct')[1];
  return all.map(([front, values]) => ({ front, p50: quantile(values, 0.5), p99: quantile(values, 0.99), addedP50: quantile(values, 0.5) - quantile(direct, 0.5), addedP99: quantile(values, 0.99) - quantile(direct, 0.99) }));
}

function print({ throughput, latency }) {
  const ratio = ({ median: middle, least, most }) => `${middle.toFixed(2)} (${least.toFixed(2)}–${most.toFixed(2)})`;
  const line = (...cells) => { console.log(cells.map((cell, at) => cell.padEnd([7, 10, 12, 20, 19][at] ?? 0)).join(' ')); };
  line('kind', 'front', 'requests/s', 'ratio to bare', 'CPU µs per request, ratio');
  for (const { kind, front, perSecond, cpuMicros, ...found } of throughput) line(kind, front, perSecond.toFixed(0), found.throughput ? ratio(found.throughput) : '', `${cpuMicros.toFixed(1)} ${found.cpu ? ratio(found.cpu) : ''}`);
  for (const { front, p50, p99, addedP50, addedP99 } of latency) console.log(`${front.padEnd(10)} at ${PER_SECOND}/s: p50 ${p50.toFixed(2)} ms (+${addedP50.toFixed(2)}), p99 ${p99.toFixed(2)} ms (+${addedP99.toFixed(2)})`);
}

const direct = await startChild(here('proxy-upstream.mjs'));
const fronts = { direct, bare: await startChild(here('bare-proxy.mjs'), `http://127.0.0.1:${direct.port}`) };
for (const [at, dist] of options.dist.entries()) fronts[at === 0 ? 'slipway' : `slipway ${at + 1}`] = await startChild(here('proxy-front.mjs'), dist, direct.port, HOST);
try {
  const kinds = options.kinds.split(',');
  for (const kind of kinds) await measureRounds(fronts, { kind, seconds: 1 }, 1);
  const throughput = [];
  for (const kind of kinds) throughput.push(...await measureKind(fronts, kind));
  const latency = Number(options.latency) > 0 ? await measureLatency(fronts) : [];
  print({ throughput, latency });
  await mkdir(here('../../bench'), { recursive: true });
  await writeFile(here('../../bench/proxy.json'), `${JSON.stringify({ node: process.version, rounds: ROUNDS, throughput, latency }, null, 2)}\n`);
} finally {
  for (const { stop } of Object.values(fronts)) stop();
  load.disconnect();
}
