// The data plane as the application builds it, with one running preview in its table and no engine behind it.
// Usage: node proxy-front.mjs <folder of the build> <upstream port> <host>; prints its port.
import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';

const [dist, upstreamPort, host] = process.argv.slice(2);
const load = (path) => import(new URL(path, pathToFileURL(`${resolve(dist)}/`)));
const [{ createCallers }, { createForward, TIMEOUTS }, { createRoutingTable }, { createServer }, { createTrustedProxies }, { createHostReader }, { createUrls }, { systemClock: clock }] = await Promise.all([
  'serve/callers.js', 'serve/forward.js', 'serve/routing.js', 'serve/server.js', 'serve/trusted-proxies.js', 'domain/hosts.js', 'domain/urls.js', 'kernel/clock.js',
].map(load));

const log = { error: console.error, warn: console.error, info: () => undefined, debug: () => undefined, child: () => log };
const fault = (error) => { console.error(error); process.exit(1); };
const urls = createUrls(() => new URL('http://localhost:3000'));
const routing = createRoutingTable({ clock });
routing.put([host], { project: 'bench', route: 'r1', commit: 'a'.repeat(40), release: 1, container: 'c1', target: { address: '127.0.0.1', port: Number(upstreamPort) } });
const server = createServer({
  listen: { address: '127.0.0.1', port: 0 }, routing, urls, clock, log, drainMs: 0, shared: undefined,
  forward: createForward({ log, timeouts: TIMEOUTS, token: `slw_${'0'.repeat(43)}`, onFailure: fault, onUpgradeFailure: fault }),
  hosts: createHostReader({ serverHost: 'localhost', projects: [] }),
  callers: createCallers({ trusts: createTrustedProxies({ proxies: [], networkPool: '10.213.0.0/16' }), secure: () => urls.secure }),
  checks: { doubt: () => undefined },
  // What a running preview does not need: to get there is a fault of the bench.
  hold: { request: fault, elsewhere: fault, upgrade: fault }, answers: { failure: (_, error) => fault(error), clientFailure: fault, upgradeFailure: fault, redirect: fault }, control: fault, isPreviewPeer: () => false,
});
await server.start();
console.log(server.port());
