#!/usr/bin/env node
/**
 * Makes `slipway-demo/node`: a base image from this machine's own Node, a shell, a few commands and their libraries.
 * Takes seconds and no network, so that the demo and the tests build where no registry can be reached.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { readFile, readdir, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { URLSearchParams, fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pack as createPack } from 'tar-stream';
import { ask, findEngine, isStarted, runScript } from './find-engine.mjs';

const run = promisify(execFile);

const IMAGE = 'slipway-demo/node:latest';
const LABEL = 'slipway-demo.fingerprint';
const IMPORT_SILENCE_MS = 120_000;

const COMMANDS = [
  'cat', 'chmod', 'cp', 'date', 'dd', 'env', 'false', 'head', 'id', 'ls', 'mkdir', 'mv', 'printf', 'rm', 'seq',
  'sleep', 'tail', 'test', 'touch', 'true', 'uname', 'wc', 'yes',
];
/** Debian's own Node keeps some of its built-in modules as files. */
const NODE_FOLDERS = ['acorn', 'acorn-walk', 'cjs-module-lexer', 'undici'].map((name) => `/usr/share/nodejs/${name}`);
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

const FOLDERS = { tmp: 0o1777, root: 0o700, etc: 0o755, home: 0o755, 'home/node': 0o755, 'var/tmp': 0o1777 };
const TEXTS = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000:node:/home/node:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/false\n',
  'etc/group': 'root:x:0:\nnode:x:1000:\nnogroup:x:65534:\n',
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
};
const CHANGES = [
  'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  'CMD ["node"]',
];

/** The shared libraries and the loader, at the paths where the loader looks for them; none for a static binary. */
async function librariesOf(binary) {
  const { stdout } = await run('ldd', [binary]).catch(() => ({ stdout: '' }));
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1]);
}

async function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  const entries = await readdir(folder, { recursive: true });
  const paths = entries.map((entry) => join(folder, entry));
  const kinds = await Promise.all(paths.map((path) => stat(path)));
  return paths.filter((_, at) => kinds[at].isFile());
}

function whereIs(command) {
  return ['/bin', '/usr/bin'].map((folder) => join(folder, command)).find((path) => existsSync(path));
}

/** @returns a map from path in the image to the file on this machine */
async function chooseFiles() {
  const commands = COMMANDS.map(whereIs).filter((path) => path !== undefined);
  const binaries = [process.execPath, '/bin/sh', ...commands];
  const libraries = (await Promise.all(binaries.map(librariesOf))).flat();
  const modules = (await Promise.all(NODE_FOLDERS.map(filesBelow))).flat();
  const certificates = existsSync(CERTIFICATES) ? [CERTIFICATES] : [];
  const places = [
    ['usr/local/bin/node', process.execPath],
    ...['/bin/sh', ...commands].map((path) => [`usr/bin/${basename(path)}`, path]),
    ...[...libraries, ...modules, ...certificates].map((path) => [path.slice(1), path]),
  ];
  const chosen = new Map();
  for (const [name, path] of places) chosen.set(name, await realpath(path));
  return chosen;
}

/** Changes with this recipe and with any file's size or time: enough to notice another Node, without reading 100 MB. */
async function fingerprintOf(chosen) {
  const hash = createHash('sha256').update(await readFile(fileURLToPath(import.meta.url)));
  for (const [name, file] of chosen) {
    const { size, mtimeMs } = await stat(file);
    hash.update(JSON.stringify([name, size, mtimeMs]));
  }
  return hash.digest('hex');
}

/** Writes the files one after the other; what several names share (a multi-call binary) is stored once. */
async function writeArchive(pack, chosen) {
  const mtime = new Date(0);
  for (const [name, mode] of Object.entries(FOLDERS)) pack.entry({ name, type: 'directory', mode, mtime });
  pack.entry({ name: 'bin', type: 'symlink', linkname: 'usr/bin', mtime });
  for (const [name, text] of Object.entries(TEXTS)) pack.entry({ name, mode: 0o644, mtime }, text);
  const stored = new Map();
  for (const [name, file] of chosen) {
    const { size, mode } = await stat(file);
    if (stored.has(file)) {
      pack.entry({ name, type: 'link', linkname: stored.get(file), mtime });
    } else {
      await pipeline(createReadStream(file), pack.entry({ name, size, mode: mode & 0o755, mtime }));
      stored.set(file, name);
    }
  }
  pack.finalize();
}

/** @returns `{ Id, Config }` as the engine says, or undefined when there is no such image */
async function inspectImage(address) {
  const { status, text } = await ask(address, { path: `/images/${IMAGE}/json` });
  return status === 200 ? JSON.parse(text) : undefined;
}

async function importImage(address, chosen, fingerprint) {
  const [repo, tag] = IMAGE.split(':');
  const query = new URLSearchParams({ fromSrc: '-', repo, tag });
  for (const change of [...CHANGES, `LABEL ${LABEL}=${fingerprint}`]) query.append('changes', change);
  const body = createPack();
  const written = writeArchive(body, chosen).catch((error) => body.destroy(error));
  const answer = await ask(address, { method: 'POST', path: `/images/create?${query}`, body, silenceMs: IMPORT_SILENCE_MS });
  await written;
  // The status is sent before the archive is read: a failure after that is only in the text.
  if (answer.status !== 200 || answer.text.includes('"error"')) {
    throw new Error(`The engine could not import ${IMAGE}: ${answer.text.trim()}`);
  }
}

async function main() {
  const { address } = await findEngine();
  const present = await inspectImage(address);
  if (process.platform !== 'linux') {
    if (present) return console.log(`${IMAGE} is there`);
    throw new Error(`Only on Linux can ${IMAGE} be made from this machine's Node. Elsewhere: docker pull node:20-slim && docker tag node:20-slim ${IMAGE}`);
  }
  const chosen = await chooseFiles();
  const fingerprint = await fingerprintOf(chosen);
  if (present?.Config?.Labels?.[LABEL] === fingerprint) return console.log(`${IMAGE} is up to date`);
  await importImage(address, chosen, fingerprint);
  // Refused, and rightly, while something was built from it.
  if (present?.Config?.Labels?.[LABEL]) await ask(address, { method: 'DELETE', path: `/images/${present.Id}` });
  return console.log(`${IMAGE} made from Node ${process.versions.node}`);
}

if (isStarted(import.meta.url)) await runScript(main);
