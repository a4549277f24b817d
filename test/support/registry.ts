import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import type Docker from 'dockerode';
import { pack } from 'tar-stream';

const run = promisify(execFile);
const PROGRAM = 'docker-registry';
const HOW = 'apt-get install -y --no-install-recommends docker-registry';
const START_WITHIN_MS = 30_000;

/** Who may push and pull. */
export interface Account { readonly username: string; readonly password: string }

/** A registry of this machine's own: Docker speaks plain HTTP to 127.0.0.0/8. */
export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:<port>` */
  readonly host: string;
}

/** An image of one small file. */
export interface PushedImage {
  readonly labels?: Readonly<Record<string, string>>;
  readonly exposedPorts?: readonly number[];
  /** Another text is another image. */
  readonly content?: string;
  /** Bytes that cannot be compressed, for a pull that takes a moment. */
  readonly ballast?: Buffer;
  /** Who pushes it; nobody by default. */
  readonly account?: Account;
}

/** Debian's own registry, fetched when it is missing. @throws Error with how to get it */
async function ensureProgram(): Promise<void> {
  const isThere = () => run(PROGRAM, ['--version']).then(() => true, () => false);
  if (await isThere()) return;
  const [command = '', ...args] = HOW.split(' ');
  await run(command, args, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }).catch(() => undefined);
  if (!await isThere()) throw new Error(`The registry for these tests is missing and could not be installed. Install it: ${HOW}`);
}

/** @param account the only one that may use it; everybody may by default */
export async function startRegistry(account?: Account): Promise<TestRegistry> {
  await ensureProgram();
  const folder = await mkdtemp(join(tmpdir(), 'slipway-registry-'));
  const config = join(folder, 'config.yml');
  if (account) await writeFile(join(folder, 'htpasswd'), `${account.username}:${await bcrypt(account.password)}\n`);
  const auth = account ? `auth: { htpasswd: { realm: test, path: ${join(folder, 'htpasswd')} } }\n` : '';
  await writeFile(config, `version: 0.1\nlog: { level: info, accesslog: { disabled: true } }\nstorage: { filesystem: { rootdirectory: ${join(folder, 'images')} } }\n${auth}http: { addr: "127.0.0.1:0" }\n`);
  const child = spawn(PROGRAM, ['serve', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'exit');
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    return { host: await listening(child), [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What the registry reads in its file of passwords; Perl, which every Debian has, knows it from the system's library. */
async function bcrypt(password: string): Promise<string> {
  const { stdout } = await run('perl', ['-e', 'print crypt($ARGV[0], q($2b$05$abcdefghijklmnopqrstuu))', password]);
  if (!stdout.startsWith('$2b$')) throw new Error('the system’s library knows no bcrypt');
  return stdout;
}

/** It says where it listens, since it was given port 0. */
function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const late = setTimeout(() => { reject(new Error(`the registry does not listen: ${said}`)); }, START_WITHIN_MS);
    child.once('exit', () => { clearTimeout(late); reject(new Error(`the registry ended: ${said}`)); });
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      said = (said + chunk).slice(-4_096);
      const host = /listening on (127\.0\.0\.1:\d+)/.exec(said)?.[1];
      if (host !== undefined) { clearTimeout(late); resolve(host); }
    });
  });
}

/** Makes an image, pushes it under the reference and leaves nothing of it in the engine. @returns its digest in the registry */
export async function pushImage(docker: Docker, reference: string, { labels = {}, exposedPorts = [], content = reference, ballast, account }: PushedImage = {}): Promise<string> {
  const tar = pack();
  tar.entry({ name: 'content' }, content);
  if (ballast) tar.entry({ name: 'ballast', size: ballast.length }, ballast);
  tar.finalize();
  const { repo, tag } = split(reference);
  const changes = [
    'CMD ["/content"]', ...Object.entries(labels).map(([name, value]) => `LABEL ${JSON.stringify(name)}=${JSON.stringify(value)}`), ...exposedPorts.map((port) => `EXPOSE ${port}`),
  ].join('\n');
  await readAll(await docker.importImage(Readable.from(tar), { repo, tag, changes }));
  return pushTagged(docker, reference, account);
}

/** Pushes what the engine has under the reference, and takes the name away. @returns its digest in the registry */
export async function pushTagged(docker: Docker, reference: string, account: Account = { username: '', password: '' }): Promise<string> {
  const { tag } = split(reference);
  const image = docker.getImage(reference);
  const messages = await readAll(await image.push({ tag, authconfig: { ...account, serveraddress: '' } }));
  const digest = messages.map(({ aux }) => (aux as { Digest?: string } | undefined)?.Digest).find((found) => found !== undefined);
  await image.remove();
  if (digest === undefined) throw new Error(`not pushed: ${JSON.stringify(messages.at(-1))}`);
  return digest;
}

function split(reference: string): { repo: string; tag: string } {
  const colon = reference.lastIndexOf(':');
  return { repo: reference.slice(0, colon), tag: reference.slice(colon + 1) };
}

async function readAll(stream: NodeJS.ReadableStream): Promise<Record<string, unknown>[]> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  const messages = text.split('\n').filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as Record<string, unknown>);
  const failure = messages.find(({ error }) => error !== undefined);
  if (failure) throw new Error(String(failure.error));
  return messages;
}
