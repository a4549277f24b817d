// The floor for throughput: http-proxy with a keep-alive agent and nothing around it.
// Usage: node bare-proxy.mjs <target URL>; prints its port.
import { Agent, createServer } from 'node:http';
import httpProxy from 'http-proxy';

const proxy = httpProxy.createProxyServer({ target: process.argv[2], agent: new Agent({ keepAlive: true }) });
proxy.on('error', (_error, _req, res) => { res.destroy(); });
const server = createServer((req, res) => { proxy.web(req, res); });
server.listen(0, '127.0.0.1', () => { console.log(server.address().port); });
