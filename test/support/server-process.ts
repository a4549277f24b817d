import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, mkdtemp, writeFile } from 'node:fs/promises';
import { request, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders, type RequestOptions } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { removeAllWith } from './real-docker.js';

export interface ServerOptions {
  /** Left away where `config` names projects. */
  readonly repository?: string;
  /** The text of `slipway.yaml`. */
  readonly config?: string;
  /** Settings as on the command line: `['--idle-stop', '2s']`. */
  readonly args?: readonly string[];
  /** Beside PATH, HOME and DOCKER_HOST, which are the test's own. */
  readonly env?: Readonly<Record<string, string>>;
}

/** How a process ended and all it printed. */
export interface Ended { readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly stdout: string; readonly stderr: string }

export interface Answer { readonly status: number; readonly headers: IncomingHttpHeaders; readonly text: string }
export type Ask = Pick<RequestOptions, 'method' | 'signal'> & { readonly headers?: OutgoingHttpHeaders; readonly body?: string | Readable };

/** The built server as a process of its own, with a state directory of its own, on a free port. */
export interface ServerProcess extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  readonly stateDir: string;
  /** The id in the label of everything that this server makes. */
  readonly instance: string;
  /** `slipway.instance=<id>`, as a filter of the engine. */
  readonly label: string;
  /** Asks `http://<host>:<port><path>` and reads the whole answer. */
  get(host: string, path: string, ask?: Ask): Promise<Answer>;
  /** The same, as a browser that goes there. */
  visit(host: string, path: string): Promise<Answer>;
  /** The same as `get`, the answer's body unread. */
  open(host: string, path: string, ask?: Ask): Promise<IncomingMessage>;
  /** What `/api/status` says. */
  status(query: string): Promise<StatusAnswer>;
  /** Sends a signal and waits for the end. */
  kill(signal: NodeJS.Signals): Promise<Ended>;
  /** Starts again on the same state directory, after `kill`; the port is another one. */
  restart(args?: readonly string[]): Promise<void>;
  /** The token for changes. */
  token(): Promise<string>;
  logged(): string;
}

/** The part of `/api/status` that tests look at. */
export interface StatusAnswer {
  readonly status: string;
  readonly commit: string;
  readonly url: string;
  readonly release: string | null;
  readonly restarts: number;
  readonly lastError: { readonly code: string; readonly message: string } | null;
  readonly build: { readonly id: string; readonly status: string; readonly attempt: number; readonly reusedFrom: string | null; readonly image: string | null } | null;
}

const LISTENING = /^slipway listening on (http:\/\/\S+)$/m;
const START_WITHIN_MS = 30_000;
const END_WITHIN_MS = 30_000;

/** Starts `node dist/main.js serve` and waits until it listens. @throws Error with what it printed when it ends instead */
export async function startServer({ repository, config, args = [], env = {} }: ServerOptions): Promise<ServerProcess> {
  const stateDir = await mkdtemp(join(tmpdir(), 'slipway-state-'));
  const file = join(stateDir, 'slipway.yaml');
  if (config !== undefined) await writeFile(file, config);
  const sources = [...(repository === undefined ? [] : [repository]), ...(config === undefined ? [] : ['--config', file])];
  const launch = (more: readonly string[]) => launchServer([...sources, '--state-dir', stateDir, '--port', '0', '--limits-disk', '100%', '--limits-memory', '100%', ...more], env);
  let running = await launch(args);
  const instance = (await readFile(join(stateDir, 'instance'), 'utf8')).trim();
  const label = `slipway.instance=${instance}`;

  const open: ServerProcess['open'] = async (host, path, { body, headers, ...options } = {}) => {
    const asked = request({ ...options, host: '127.0.0.1', port: running.port, path, agent: false, headers: { host: `${host}:${running.port}`, ...headers } });
    const answered = once(asked, 'response') as Promise<[IncomingMessage]>;
    // The answer may begin, or end, before the body is through.
    if (body instanceof Readable) pipeline(body, asked).catch(() => undefined);
    else asked.end(body);
    const [answer] = await answered;
    asked.on('error', () => undefined);
    return answer;
  };
  const get: ServerProcess['get'] = async (host, path, ask) => {
    const answer = await open(host, path, ask);
    return { status: answer.statusCode ?? 0, headers: answer.headers, text: await text(answer) };
  };
  return {
    get port() { return running.port; },
    get url() { return running.url; },
    get pid() { return running.pid; },
    stateDir, instance, label, open, get,
    visit: (host, path) => get(host, path, { headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate' } }),
    status: async (query) => JSON.parse((await get('localhost', `/api/status?${query}`)).text) as StatusAnswer,
    kill: (signal) => running.kill(signal),
    restart: async (more = args) => { running = await launch(more); },
    token: async () => (await readFile(join(stateDir, 'token'), 'utf8')).trim(),
    logged: () => running.output().stderr,
    [Symbol.asyncDispose]: async () => {
      await running.kill('SIGKILL');
      await removeAllWith(label);
      await rm(stateDir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** Runs the built program to its end, for what it refuses. */
export async function runToEnd(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return ended(startProgram(args, env));
}

type Child = ChildProcessByStdio<null, Readable, Readable>;
interface Program { readonly child: Child; readonly output: () => { stdout: string; stderr: string }; readonly closed: Promise<unknown> }

function startProgram(args: readonly string[], env: Readonly<Record<string, string>>): Program {
  const { PATH = '/usr/bin:/bin', HOME = '/root', DOCKER_HOST } = process.env;
  const child = spawn(process.execPath, ['dist/main.js', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'], env: { PATH, HOME, ...(DOCKER_HOST === undefined ? {} : { DOCKER_HOST }), ...env },
  });
  const printed = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => { printed.stdout += chunk; });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => { printed.stderr += chunk; });
  return { child, output: () => ({ ...printed }), closed: once(child, 'close') };
}

async function ended({ child, output, closed }: Program): Promise<Ended> {
  const late = setTimeout(() => child.kill('SIGKILL'), END_WITHIN_MS);
  await closed;
  clearTimeout(late);
  return { code: child.exitCode, signal: child.signalCode, ...output() };
}

async function launchServer(args: readonly string[], env: Readonly<Record<string, string>>) {
  const program = startProgram(['serve', ...args], env);
  const { child, output, closed } = program;
  const listening = new Promise<string>((resolve) => {
    child.stdout.on('data', () => {
      const url = LISTENING.exec(output().stdout)?.[1];
      if (url !== undefined) resolve(url);
    });
  });
  const late = setTimeout(() => child.kill('SIGKILL'), START_WITHIN_MS);
  const url = await Promise.race([listening, closed.then(() => undefined)]);
  clearTimeout(late);
  if (url === undefined) throw new Error(`The server ended instead of listening:\n${output().stdout}${output().stderr}`);
  return {
    url, port: Number(new URL(url).port), pid: child.pid ?? 0, output,
    kill: async (signal: NodeJS.Signals) => {
      child.kill(signal);
      return ended(program);
    },
  };
}
