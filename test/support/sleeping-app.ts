import { scriptDockerfile } from './sample-repository.js';

/** Its `boot` and all orders are in memory only: both are others once the process is. */
const APP = `
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { upgradeToEcho } from './websocket.mjs';

const boot = randomUUID();
const orders = new Map();
const pageOf = (ordered) => \`<!doctype html>
<html lang="en"><title>Bar</title><link rel="icon" href="data:,">
<p>Boot <output id="boot">\${boot}</output>, ordered: <output id="orders">\${ordered.join(', ') || 'nothing'}</output></p>
<form method="post"><label>Drink <input name="drink"></label> <button>Order</button></form>
\`;

createServer(async (request, response) => {
  let session = /\\bsid=([^;]+)/.exec(request.headers.cookie ?? '')?.[1];
  if (session === undefined) response.setHeader('set-cookie', \`sid=\${session = randomUUID()}; Path=/; HttpOnly; SameSite=Lax\`);
  const ordered = orders.get(session) ?? [];
  if (request.method !== 'POST') return response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(pageOf(ordered));
  let body = '';
  for await (const chunk of request) body += chunk;
  orders.set(session, [...ordered, new URLSearchParams(body).get('drink')]);
  if (request.headers.accept !== 'application/json') return response.writeHead(303, { location: request.url }).end();
  return response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify({ boot, orders: orders.get(session) }));
}).on('upgrade', upgradeToEcho).listen(3000);
process.on('SIGTERM', () => process.exit(0));
`;

/** Files, on those of the sample's main, of a bar that knows a person by a cookie and keeps their orders in memory; its WebSocket `/ws` echoes. */
export const sleepingApp = (): Record<string, string> => ({ 'Dockerfile': scriptDockerfile('bar.mjs'), 'bar.mjs': APP });
