#!/usr/bin/env node
/**
 * The demo, from nothing: an engine, a base image, two sample repositories, and Slipway serving them.
 * Arguments are passed on to `slipway serve`, such as `--port 4000`. All it writes is below `.demo/`.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { constants } from 'node:os';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { isStarted, runScript } from '../find-engine.mjs';

const run = promisify(execFile);

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CONFIG = 'docker/demo/slipway.yaml';
/** As in the configuration. */
const SAMPLES = ['shop', 'journal'];
const STATE = '.demo/state';
/** Relative, since a socket's path may have about a hundred bytes only. */
const LOCK = '.demo/running.sock';
const SAME_KEYSTROKE_MS = 1_000;
const DEFAULT_PORT = '3000';

/** Host in front of `localhost`, path, meaning. */
const TOUR = [
  ['', '', 'both projects'],
  ['shop.', '', 'one of them and its branches'],
  ['', '?branch=main', 'a branch, found in the project that has it'],
  ['shop.', '?branch=feature/cart', 'another one, with a page of its own'],
  ['shop.', 'live?branch=realtime', 'server-sent events and a WebSocket'],
  ['shop.', 'env?branch=main&env=black-friday', 'the same commit in an environment'],
  ['journal.', '?branch=trunk', 'a branch of the other project'],
  ['dev.shop.', '', 'the first stage, to which main is published; npm run demo:commit changes it'],
  ['shop.', 'releases', 'stages and releases: promote and roll back'],
  ['shop.', '?branch=slow/build', 'a build whose log grows while you watch'],
  ['shop.', '?branch=docs/readme-only', 'nothing to build: the same image as main'],
  ['shop.', '?branch=broken/build', 'a build that fails'],
  ['shop.', '?branch=broken/crash', 'an application that exits'],
  ['shop.', '?branch=broken/wrong-port', 'an application on another port'],
  ['shop.', '?branch=broken/never-listens', 'an application that never listens'],
  ['', 'localimages', 'the images there are'],
  ['', 'debug', 'the machine, the engine and the server itself'],
];

/** Runs a step with its output shown. @throws Error with `whatFailed` unless it exits with 0 */
function show(command, args, whatFailed) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit' });
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(whatFailed))));
  });
}

function answers(path) {
  return new Promise((resolve) => {
    const socket = connect(path, () => resolve(true));
    socket.on('connect', () => socket.destroy());
    socket.on('error', () => resolve(false));
  });
}

function listen(path) {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.on('error', reject);
    server.listen(path, () => resolve(server));
  });
}

/** A listening socket is a lock that a killed process cannot leave behind. @returns the server that holds it */
async function onlyDemoHere() {
  await mkdir('.demo', { recursive: true });
  try {
    return await listen(LOCK);
  } catch (error) {
    if (error.code !== 'EADDRINUSE') throw error;
    if (await answers(LOCK)) throw new Error(`A demo runs in ${ROOT} already. Stop that one first.`, { cause: error });
    await rm(LOCK, { force: true });
    return listen(LOCK);
  }
}

function portIn(args) {
  const at = args.findIndex((arg) => arg === '--port' || arg === '-p');
  const joined = args.find((arg) => arg.startsWith('--port='));
  return joined?.slice('--port='.length) ?? (at < 0 ? DEFAULT_PORT : args[at + 1]);
}

function printTour(port) {
  const urls = TOUR.map(([host, path, meaning]) => [`http://${host}localhost:${port}/${path}`, meaning]);
  const width = Math.max(...urls.map(([url]) => url.length));
  console.log(`\nTo try:\n${urls.map(([url, meaning]) => `  ${url.padEnd(width)}  ${meaning}`).join('\n')}\n`);
}

/** Passes signals on until the server has ended. @returns its exit code, 128 + number after a signal */
function serve(args) {
  return new Promise((resolve, reject) => {
    // In a process group of its own: Ctrl-C comes from the terminal, and from npm once more, but reaches it once.
    const child = spawn(process.execPath, ['dist/main.js', 'serve', '--config', CONFIG, '--state-dir', STATE, ...args], { stdio: 'inherit', detached: true });
    let lastPassed = -Infinity;
    const pass = (signal) => {
      if (performance.now() - lastPassed < SAME_KEYSTROKE_MS) return;
      lastPassed = performance.now();
      child.kill(signal);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, pass);
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}

async function main(args) {
  process.chdir(ROOT);
  const lock = await onlyDemoHere();
  try {
    await show('bash', ['docker/ensure-engine.sh'], 'The demo needs a Docker engine.');
    await show(process.execPath, ['docker/base-image.mjs'], 'The demo needs its base image.');
    for (const sample of SAMPLES) await run(process.execPath, ['docker/demo/sample-repository.mjs', `.demo/${sample}`, sample]);
    printTour(portIn(args));
    process.exitCode = await serve(args);
  } finally {
    lock.close();
  }
}

if (isStarted(import.meta.url)) await runScript(main);
