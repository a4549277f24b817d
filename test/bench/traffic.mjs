// `npm run bench:traffic`: what crowds, open sockets and large bodies cost, with the real engine. Writes bench/traffic.json.
// Options: --only crowd,sockets,bodies,latency · --megabytes N · --rounds N · --prof FOLDER (a --cpu-prof of the server).
import { execFile, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { createRepository } from './apps.mjs';
import { docker } from './raw.mjs';

const run = promisify(execFile);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { values: options } = parseArgs({ options: {
  only: { type: 'string', default: 'crowd,sockets,bodies,latency' }, megabytes: { type: 'string', default: '1000' }, rounds: { type: 'string', default: '5' }, prof: { type: 'string' },
} });
const MANY = 1_000;
const CHURN_SECONDS = 30;
const LATENCY = { seconds: 10, perSecond: 200 };
const LATENCY_ROUNDS = 3;
// Skipped when only where the time goes is looked for.
const WINDOW_MS = options.prof === undefined ? 62_000 : 0;
const SETTLE_MS = 30_000;

const SERVER = `
const chunk = Buffer.alloc(65536, 'x');
const { createHash } = require('node:crypto');
const server = require('node:http').createServer((req, res) => {
  if (req.method === 'POST') { let bytes = 0; req.on('data', (part) => { bytes += part.length; }).on('end', () => res.end(String(bytes))); return; }
  if (!req.url.startsWith('/down')) { res.end(req.url); return; }
  let left = Number(new URL(req.url, 'http://x').searchParams.get('bytes'));
  res.setHeader('Content-Length', left);
  const more = () => { while (left > 0) { const part = chunk.subarray(0, Math.min(left, chunk.length)); left -= part.length; if (!res.write(part)) { res.once('drain', more); return; } } res.end(); };
  more();
});
// Sends back what comes, whatever it is: the proxy does not look into frames either.
server.on('upgrade', (req, socket) => {
  const accept = createHash('sha1').update(req.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  socket.on('error', () => undefined).write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + accept + '\\r\\n\\r\\n');
  socket.pipe(socket);
});
server.listen(3000);
`;
const FILES = { 'Dockerfile': 'FROM slipway-demo/node\nWORKDIR /app\nCOPY . .\nEXPOSE 3000\nCMD ["node", "server.js"]\n', 'server.js': SERVER };

const quantile = (values, part) => [...values].sort((one, other) => one - other)[Math.min(values.length - 1, Math.floor(values.length * part))];
const median = (values) => quantile(values, 0.5);

async function startChild(args) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = await once(createInterface(child.stdout), 'line');
  return { pid: child.pid, line, stop: async () => { child.kill('SIGTERM'); await once(child, 'exit'); } };
}

async function startServer(repository, state) {
  const prof = options.prof === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.prof}`];
  const server = await startChild([...prof, here('../../dist/main.js'), 'serve', repository, '--port', '0', '--state-dir', state, '--hold-request', '60s', '--limits-disk', '100%', '--limits-memory', '100%']);
  return { ...server, port: Number(new URL(server.line.split(' ').at(-1)).port) };
}

const load = fork(here('traffic-load.mjs'));
async function ask(verb, order) {
  load.send({ verb, ...order });
  const [{ result, error }] = await once(load, 'message');
  if (error) throw new Error(error);
  return result;
}

const statusKb = async (pid, line) => Number(new RegExp(`^${line}:\\s+(\\d+)`, 'm').exec(await readFile(`/proc/${pid}/status`, 'utf8'))[1]);
const rssMiB = async ({ pid }) => await statusKb(pid, 'VmRSS') / 1024;

/** Open sockets of a process. */
async function socketsOf({ pid }) {
  const links = await Promise.all((await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
  return links.filter((link) => link.startsWith('socket:')).length;
}

/** The most memory that a process had while something was done, above what it had before; MiB. */
async function growthOf(server, work) {
  const before = await rssMiB(server);
  await writeFile(`/proc/${server.pid}/clear_refs`, '5');
  const result = await work();
  return { result, grown: await statusKb(server.pid, 'VmHWM') / 1024 - before };
}

const facts = async ({ port }) => (await fetch(`http://localhost:${port}/debug`, { headers: { accept: 'application/json' } })).json();

/** How late timers of the server fire at worst, in the minutes that touch what is done. */
async function watchLoop(server, work) {
  // What was done before has a window of its own, which is over by then.
  await sleep(WINDOW_MS);
  const before = JSON.stringify((await facts(server)).machine.eventLoop);
  const seen = [];
  const look = async () => { const { machine } = await facts(server); if (JSON.stringify(machine.eventLoop) !== before) seen.push(machine.eventLoop); };
  const watch = setInterval(() => { look().catch(() => undefined); }, 5_000);
  const result = await work();
  // What it says is of the last whole minute.
  await sleep(WINDOW_MS);
  clearInterval(watch);
  await look();
  return { result, p99Ms: Math.max(...seen.map(({ p99Ms }) => p99Ms)), maxMs: Math.max(...seen.map(({ maxMs }) => maxMs)) };
}

async function measureCrowd({ server, commit, host }) {
  const since = Math.floor(Date.now() / 1_000);
  const { result: answered, grown } = await growthOf(server, () => ask('crowd', { port: server.port, host, many: MANY }));
  const until = Math.ceil(Date.now() / 1_000) + 1;
  await sleep(until * 1_000 - Date.now());
  const events = await text(await docker.getEvents({ since, until, filters: { type: ['container'], label: [`slipway.commit=${commit}`], event: ['create', 'start'] } }));
  const verbs = events.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line).Action);
  const builds = (await (await fetch(`http://localhost:${server.port}/api/builds`)).json()).filter((build) => build.commit === commit).length;
  return { ...answered, grown, builds, creates: verbs.filter((verb) => verb === 'create').length, starts: verbs.filter((verb) => verb === 'start').length };
}

/** Until neither is above what it was; the last look when that takes too long. */
async function settled(server, base) {
  const until = performance.now() + SETTLE_MS;
  for (;;) {
    const now = { sockets: await socketsOf(server), rss: await rssMiB(server) };
    if ((now.sockets <= base.sockets && now.rss <= base.rss) || performance.now() > until) return now;
    await sleep(500);
  }
}

/** The first time is not counted: a heap that has never been used has no size to return to. */
async function measureSockets({ server, host }) {
  const to = { port: server.port, host };
  const cold = { sockets: await socketsOf(server), rss: await rssMiB(server) };
  await ask('openMany', { ...to, many: MANY });
  await ask('churn', { ...to, seconds: 5, part: 0.1 });
  await ask('closeAll', {});
  await sleep(3_000);
  const base = { sockets: await socketsOf(server), rss: await rssMiB(server) };
  const opened = await ask('openMany', { ...to, many: MANY });
  const open = { sockets: await socketsOf(server), rss: await rssMiB(server) };
  const churned = await ask('churn', { ...to, seconds: CHURN_SECONDS, part: 0.1 });
  await ask('closeAll', {});
  return { ...opened, ...churned, cold, base, open, after: await settled(server, base) };
}

/** Each round moves both bodies both ways once; every other round begins with the other proxy. */
async function measureBodies({ server, bare, host }) {
  const bytes = Number(options.megabytes) * 1_000_000;
  const fronts = [['bare', { port: Number(bare.line), host }], ['slipway', { port: server.port, host }]];
  const move = async (way, to) => (await ask('transfer', { ...to, way, bytes })).perSecond;
  for (const [, to] of fronts) for (const way of ['down', 'up']) await ask('transfer', { ...to, way, bytes: 50_000_000 });
  const figures = { down: { bare: [], slipway: [] }, up: { bare: [], slipway: [] } };
  const { grown } = await growthOf(server, async () => {
    for (let round = 0; round < Number(options.rounds); round += 1) {
      for (const way of ['down', 'up']) for (const [name, to] of round % 2 ? [...fronts].reverse() : fronts) figures[way][name].push(await move(way, to));
    }
  });
  const of = ({ bare: theirs, slipway: ours }) => ({ bare: median(theirs), slipway: median(ours), ratio: median(ours.map((speed, round) => speed / theirs[round])), ratios: ours.map((speed, round) => speed / theirs[round]) });
  return { grown, down: of(figures.down), up: of(figures.up) };
}

async function measureLatency({ server, host, address }) {
  const figures = { direct: [], slipway: [] };
  for (let round = 0; round < LATENCY_ROUNDS; round += 1) {
    figures.direct.push(...(await ask('pace', { address, port: 3000, host, ...LATENCY })).latencies);
    figures.slipway.push(...(await ask('pace', { port: server.port, host, ...LATENCY })).latencies);
  }
  const added = (part) => quantile(figures.slipway, part) - quantile(figures.direct, part);
  return { directP99: quantile(figures.direct, 0.99), slipwayP99: quantile(figures.slipway, 0.99), addedP50: added(0.5), addedP99: added(0.99) };
}

const mib = (value) => `${value.toFixed(0)} MiB`;
const ms = (value) => `${value.toFixed(value < 100 ? 1 : 0)} ms`;
const ROWS = {
  crowd: ({ ms: took, right, builds, creates, starts, grown }) => [
    ['1,000 first requests at once, unbuilt', `${right} right, ${builds} build, ${creates} create, ${starts} start`, '1,000, 1, 1, 1', right === MANY && builds === 1 && creates === 1 && starts === 1],
    ['… until the last answer; memory', `${ms(took)}; +${mib(grown)}`, '', null],
  ],
  sockets: ({ result: { cold, base, open, after, said, unheard, broken }, p99Ms, maxMs }) => [
    ['1,000 WebSockets, 10 % churn a second for 30 s', `${said} said, ${unheard} unheard, ${broken} broken`, '0, 0', unheard === 0 && broken === 0],
    ['… sockets before, open, after', `${base.sockets}, ${open.sockets}, ${after.sockets}`, '≤ before', after.sockets <= base.sockets],
    ['… memory cold, before, open, after', [cold, base, open, after].map(({ rss }) => mib(rss)).join(', '), '≤ before + 16 MiB', after.rss <= base.rss + 16],
    ['… event loop late, p99 (worst)', `${ms(p99Ms)} (${ms(maxMs)})`, '< 50 ms', p99Ms < 50],
  ],
  bodies: ({ result: { grown, down, up }, p99Ms, maxMs }) => [
    ...[['down', down], ['up', up]].map(([way, { bare, slipway, ratio }]) => [`${options.megabytes} MB ${way}, bare and ours`, `${bare.toFixed(0)}, ${slipway.toFixed(0)} MB/s: ${ratio.toFixed(2)}`, '≥ 0.9', ratio >= 0.9]),
    ['… memory of the server', `+${mib(grown)}`, '≤ 64 MiB', grown <= 64],
    ['… event loop late, p99 (worst)', `${ms(p99Ms)} (${ms(maxMs)})`, '< 50 ms', p99Ms < 50],
  ],
  latency: ({ directP99, slipwayP99, addedP50, addedP99 }) => [[`latency added at ${LATENCY.perSecond}/s, p50; p99 (direct, ours)`, `${ms(addedP50)}; ${ms(addedP99)} (${ms(directP99)}, ${ms(slipwayP99)})`, 'p99 < 5 ms', addedP99 < 5]],
};
const MEASURES = { crowd: measureCrowd, sockets: (at) => watchLoop(at.server, () => measureSockets(at)), bodies: (at) => watchLoop(at.server, () => measureBodies(at)), latency: measureLatency };

async function measure(at) {
  const results = {};
  if (!options.only.includes('crowd')) await ask('crowd', { port: at.server.port, host: at.host, many: 1 });
  for (const name of options.only.split(',')) {
    if (name !== 'crowd') Object.assign(at, await locate(at));
    results[name] = await MEASURES[name](at);
  }
  await at.bare?.stop();
  return results;
}

/** The container, and bare http-proxy in front of it. */
async function locate({ commit, bare, address }) {
  if (bare) return { bare, address };
  const [{ Id }] = await docker.listContainers({ filters: { label: [`slipway.commit=${commit}`] } });
  const { NetworkSettings: { Networks } } = await docker.getContainer(Id).inspect();
  const found = Object.values(Networks)[0].IPAddress;
  return { address: found, bare: await startChild([here('bare-proxy.mjs'), `http://${found}:3000`]) };
}

function print(table) {
  const cells = [['what', 'measured', 'bar', 'met'], ...table.map(([what, measured, bar, met]) => [what, measured, bar, met === null ? '' : met ? 'yes' : 'NO'])];
  const widths = cells[0].map((_, column) => Math.max(...cells.map((line) => line[column].length)));
  for (const line of cells) console.log(line.map((cell, column) => cell.padEnd(widths[column])).join('  '));
}

await run('bash', [here('../../docker/ensure-engine.sh')]);
await run(process.execPath, [here('../../docker/base-image.mjs')]);
const folder = await mkdtemp(join(tmpdir(), 'slipway-traffic-'));
const repository = await createRepository(join(folder, 'traffic'), FILES);
const commit = await repository.commit(`traffic ${folder}`);
const server = await startServer(repository.folder, join(folder, 'state'));
const label = `slipway.instance=${(await readFile(join(folder, 'state', 'instance'), 'utf8')).trim()}`;
const loadBefore = loadavg();
try {
  const results = await measure({ server, commit, host: `hash-${commit}.localhost:${server.port}` });
  const table = Object.entries(results).flatMap(([name, result]) => ROWS[name](result));
  print(table);
  console.log(`load of the machine before and after: ${loadBefore[0].toFixed(1)}, ${loadavg()[0].toFixed(1)}`);
  await mkdir(here('../../bench'), { recursive: true });
  const rows = table.map(([what, measured, bar, met]) => ({ what, measured, bar, met }));
  await writeFile(here('../../bench/traffic.json'), `${JSON.stringify({ node: process.version, megabytes: Number(options.megabytes), load: { before: loadBefore, after: loadavg() }, table: rows, results }, null, 2)}\n`);
} finally {
  await server.stop();
  load.disconnect();
  for (const { Id } of await docker.listContainers({ all: true, filters: { label: [label] } })) await docker.getContainer(Id).remove({ force: true, v: true });
  for (const { Id } of await docker.listImages({ filters: { label: [label] } })) await docker.getImage(Id).remove({ force: true }).catch(() => undefined);
  for (const { Id } of await docker.listNetworks({ filters: { label: [label] } })) await docker.getNetwork(Id).remove().catch(() => undefined);
  await rm(folder, { recursive: true, force: true });
}
