#!/usr/bin/env node
/** Finds the Docker engine and asks it things, with Node alone: neither curl nor a docker client is needed. */
import { realpathSync } from 'node:fs';
import http from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ANSWER_WITHIN_MS = 5_000;

/** Where an engine may be, first wins. A `DOCKER_HOST` is the person's choice: nothing else is tried then. */
export function engineAddresses(env, home = homedir()) {
  if (env.DOCKER_HOST) return [env.DOCKER_HOST];
  return ['unix:///var/run/docker.sock', `unix://${join(home, '.docker/run/docker.sock')}`];
}

/** @throws Error for an address other than `unix://`, `tcp://` or `http://`: the server speaks to no others */
function connection(address) {
  if (address.startsWith('unix:///')) return { socketPath: address.slice('unix://'.length) };
  const url = URL.canParse(address) ? new URL(address.replace(/^tcp:/, 'http:')) : null;
  if (url?.protocol !== 'http:') throw new Error('give unix:///path/to/docker.sock or tcp://host:port');
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port || 2375 };
}

/**
 * One request to the engine's API.
 *
 * @param call `{ method = 'GET', path, body, silenceMs }`; `body` is a stream; `silenceMs` without a byte end the request
 * @returns `{ status, text }`
 */
export function ask(address, { method = 'GET', path, body, silenceMs = ANSWER_WITHIN_MS }) {
  return new Promise((resolve, reject) => {
    const headers = body ? { 'content-type': 'application/x-tar' } : {};
    const request = http.request({ ...connection(address), method, path, headers }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString() }));
    });
    request.setTimeout(silenceMs, () => request.destroy(new Error(`no answer within ${silenceMs / 1000} s`)));
    request.on('error', reject);
    if (!body) return request.end();
    body.on('error', (error) => request.destroy(error));
    return body.pipe(request);
  });
}

function reason(error) {
  if (error.code === 'EACCES') return 'this user may not open it (add yourself to the group `docker`, then log in again)';
  if (error.code === 'ENOENT') return 'not there';
  if (error.code === 'ECONNREFUSED') return 'nothing listens there';
  return error.message;
}

/**
 * Asks each address for its version.
 *
 * @returns `{ address, version, apiVersion }` of the first engine that answers
 * @throws Error that names every address and why it would not do
 */
export async function findEngine(env = process.env) {
  const refusals = [];
  for (const address of engineAddresses(env)) {
    try {
      const { status, text } = await ask(address, { path: '/version' });
      if (status !== 200) throw new Error(`it answered ${status} to /version`);
      const { Version: version, ApiVersion: apiVersion } = JSON.parse(text);
      return { address, version, apiVersion };
    } catch (error) {
      refusals.push(`${address}: ${reason(error)}`);
    }
  }
  throw new Error(`No Docker engine answers. ${refusals.join('; ')}.`);
}

/** Whether this file is what was started, not what was imported. */
export function isStarted(moduleUrl) {
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(moduleUrl);
}

/** Runs a script's main function; a failure is one sentence on stderr and exit code 1. */
export async function runScript(main) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}

if (isStarted(import.meta.url)) {
  await runScript(async () => {
    const { address, version, apiVersion } = await findEngine();
    console.log(`Docker engine ${version} (API ${apiVersion}) answers at ${address}`);
  });
}
