/** Everything the shop answers, by `METHOD /path` or `/path`; `*` answers the rest. */
import { pipeline } from 'node:stream/promises';
import { URLSearchParams } from 'node:url';

const TICK_MS = 1_000;
const LONGEST_WAIT_MS = 600_000;
const CHUNK = Buffer.alloc(64 * 1024, 'slipway ');

const queryOf = (request) => new URLSearchParams(request.url.split('?')[1]);

/** Reads a number from the query; what is missing or odd is the fallback. */
function numberIn(request, name, { fallback, most = Number.MAX_SAFE_INTEGER }) {
  const number = Number(queryOf(request).get(name) ?? fallback);
  return Number.isInteger(number) && number >= 0 ? Math.min(number, most) : fallback;
}

function sendHtml(response, html) {
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(html);
}

function sendJson(response, body) {
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body, null, 2));
}

function describeRequest(request, response) {
  const { method, url, headers } = request;
  sendJson(response, { method, url, headers });
}

function echoBody(request, response) {
  response.writeHead(200, { 'content-type': request.headers['content-type'] ?? 'application/octet-stream' });
  response.flushHeaders();
  return pipeline(request, response);
}

async function countUpload(request, response) {
  let bytes = 0;
  for await (const chunk of request) bytes += chunk.length;
  sendJson(response, { bytes });
}

async function readForm(request, mostBytes = 64 * 1024) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes <= mostBytes) chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString());
}

function sendTicks(request, response) {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
  let number = 0;
  const tick = () => response.write(`id: ${++number}\ndata: ${JSON.stringify({ number, at: new Date().toISOString() })}\n\n`);
  tick();
  const timer = setInterval(tick, TICK_MS);
  response.on('close', () => clearInterval(timer));
}

function answerLate(request, response) {
  const ms = numberIn(request, 'ms', { fallback: 2_000, most: LONGEST_WAIT_MS });
  setTimeout(() => sendJson(response, { waitedMs: ms }), ms);
}

function sendBig(request, response) {
  let left = numberIn(request, 'bytes', { fallback: 1024 * 1024 });
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': left });
  if (request.method === 'HEAD') return response.end();
  const fill = () => {
    while (left > 0) {
      const chunk = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
      left -= chunk.length;
      if (!response.write(chunk)) return response.once('drain', fill);
    }
    return response.end();
  };
  return fill();
}

function exit(request, response) {
  const code = numberIn(request, 'code', { fallback: 1, most: 255 });
  console.error(`exiting with code ${code}, as asked`);
  response.on('close', () => process.exit(code));
  sendJson(response, { exitCode: code });
}

export function createRoutes(pages, env) {
  return {
    '/echo': describeRequest,
    'POST /echo': echoBody,
    'PUT /echo': echoBody,
    'PATCH /echo': echoBody,
    'GET /form': (request, response) => sendHtml(response, pages.form()),
    'POST /form': async (request, response) => sendHtml(response, pages.ordered(await readForm(request))),
    'GET /upload': (request, response) => sendHtml(response, pages.upload()),
    'POST /upload': countUpload,
    'PUT /upload': countUpload,
    '/live': (request, response) => sendHtml(response, pages.live()),
    '/events': sendTicks,
    '/slow': answerLate,
    '/big': sendBig,
    '/env': (request, response) => sendJson(response, env),
    '/exit': exit,
    '/favicon.ico': (request, response) => response.writeHead(204).end(),
    '*': (request, response) => sendHtml(response, pages.home(request.url)),
  };
}
