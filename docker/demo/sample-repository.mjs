#!/usr/bin/env node
/**
 * Makes a sample repository: `node docker/demo/sample-repository.mjs <dir> [shop|journal]`. Author, dates and contents are fixed,
 * so its hashes are the same everywhere. A complete one is left alone. Prints `{ path, branches, tags }`: name → commit.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isStarted, runScript } from '../find-engine.mjs';

const APP = fileURLToPath(new URL('app/', import.meta.url));
const AUTHOR = 'Sam Sample <sam@example.com>';
const FIRST_COMMIT_AT = 1_735_725_600; // 2025-01-01T10:00:00Z
const BETWEEN_COMMITS_S = 3_600;

/** Git as it comes: nothing of this machine's or the caller's settings, or hashes and branches would differ. */
const GIT_ENV = { PATH: process.env.PATH, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1', LC_ALL: 'C' };

/** A Dockerfile like the application's own, with one thing different. */
function dockerfile({ step, command = ['node', 'server.mjs'] }) {
  const lines = ['FROM slipway-demo/node', 'WORKDIR /app', 'COPY . .'];
  if (step) lines.push(`RUN ${step}`);
  return { Dockerfile: [...lines, 'EXPOSE 3000', `CMD ${JSON.stringify(command)}`, ''].join('\n') };
}

const FAIL = "echo 'Checking the types' && echo 'src/cart.ts(12,7): error TS2322: a number is not a price' >&2 && exit 3";
const GROW = 'for step in $(seq 1 12); do echo "Step $step of 12: polishing the brass"; sleep 0.5; done';
const SILENT = "console.log('Warming up, for ever');\nsetInterval(() => undefined, 60_000);\nprocess.once('SIGTERM', () => process.exit(0));\n";
const CRASH = "console.error('Error: DATABASE_URL is not set');\nprocess.exit(7);\n";
const CART = `export function createExtraRoutes(pages) {
  const html = pages.page('Cart', [['Anchor', '2'], ['Lantern', '1']]);
  return {
    '/cart': (request, response) => response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(html),
  };
}
`;
const PERSONAL_README = '# Sample shop\n\nOnly this file differs from the main branch, and Docker never sees it: no build is needed.\n';

/**
 * One commit each. `onto` is the branch that a new one continues; `files` are path → text, or null for one that goes;
 * `look` is what differs from the application's own `look.json`.
 */
const SHOP = [
  { branch: 'main', message: 'Open the shop', app: true, look: { text: 'The shop as it first opened.' }, tag: 'v1.0' },
  { branch: 'main', message: 'Say what the main branch is', look: {} },
  { branch: 'feature/cart', onto: 'main', message: 'Add a page for the cart', files: { 'extra.mjs': CART } },
  {
    branch: 'feature/cart',
    message: 'Give the cart its colour',
    look: { branch: 'feature/cart', text: 'Now with a cart.', colour: '#a3195b', featured: { path: '/cart', label: 'Look into the cart' } },
  },
  { branch: 'docs/readme-only', onto: 'main', message: 'Explain the shop in the README', files: { 'README.md': PERSONAL_README } },
  {
    branch: 'realtime',
    onto: 'main',
    message: 'Put the live page first',
    look: { branch: 'realtime', text: 'Server-sent events and a WebSocket, live.', colour: '#0b7a55', featured: { path: '/live', label: 'Watch it live' } },
  },
  { branch: 'broken/build', onto: 'main', message: 'Check the types while building', files: dockerfile({ step: FAIL }) },
  {
    branch: 'broken/never-listens',
    onto: 'main',
    message: 'Warm up before listening',
    files: { ...dockerfile({ command: ['node', 'silent.mjs'] }), 'silent.mjs': SILENT },
  },
  { branch: 'broken/wrong-port', onto: 'main', message: 'Move to port 8080', files: dockerfile({ command: ['node', 'server.mjs', '8080'] }) },
  {
    branch: 'broken/crash',
    onto: 'main',
    message: 'Require a database',
    files: { ...dockerfile({ command: ['node', 'crash.mjs'] }), 'crash.mjs': CRASH },
  },
  { branch: 'broken/no-dockerfile', onto: 'main', message: 'Remove the Dockerfile', files: { Dockerfile: null } },
  { branch: 'slow/build', onto: 'main', message: 'Polish the brass in every build', files: dockerfile({ step: GROW }) },
  // Odd, but names that git accepts: nothing may ever run or render them.
  ...['--upload-pack=touch${IFS}pwned', 'a;b', 'a<script>alert(1)</script>'].map((branch) => ({
    branch, onto: 'main', message: `Try the name ${branch}`, look: { branch, text: 'A branch with an odd name.', colour: '#7a4b0b' },
  })),
];

/** A second project, whose branches have other names, so that each is found without naming its project. */
const JOURNAL_LOOK = { branch: 'trunk', title: 'Sample journal', text: 'Another repository on the same server.', colour: '#5b3fa0', featured: { path: '/env', label: 'See its environment' } };
const JOURNAL = [
  { branch: 'trunk', message: 'Begin the journal', app: true, look: JOURNAL_LOOK },
  { branch: 'draft/spring', onto: 'trunk', message: 'Draft the spring issue', look: { ...JOURNAL_LOOK, branch: 'draft/spring', text: 'The spring issue, not yet out.', colour: '#2f7d32' } },
];
const SAMPLES = { shop: SHOP, journal: JOURNAL };

/** Runs git without a shell. @returns what it printed */
function git(folder, args, input = '') {
  return new Promise((resolveOutput, reject) => {
    const child = execFile('git', ['-C', folder, ...args], { env: GIT_ENV, maxBuffer: 1 << 24 }, (error, stdout) =>
      error ? reject(error) : resolveOutput(stdout));
    child.stdin.on('error', () => undefined); // git went away: its exit code says why
    child.stdin.end(input);
  });
}

/** @returns path → text */
async function readApp() {
  const names = (await readdir(APP)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(APP, name), 'utf8')));
  return Object.fromEntries(names.map((name, at) => [name, texts[at]]));
}

const block = (text) => `data ${Buffer.byteLength(text)}\n${text}\n`;

function changeLine([path, text]) {
  return text === null ? `D ${path}\n` : `M 100644 inline ${path}\n${block(text)}`;
}

/** @returns what the commit changes, path → text or null */
function filesOf({ app: whole, look, files }, app) {
  const changed = look && { 'look.json': `${JSON.stringify({ ...JSON.parse(app['look.json']), ...look }, null, 2)}\n` };
  return { ...(whole && app), ...changed, ...files };
}

/** @see https://git-scm.com/docs/git-fast-import#_input_format */
function commitText({ branch, onto, message, tag }, files, number) {
  const who = `${AUTHOR} ${FIRST_COMMIT_AT + number * BETWEEN_COMMITS_S} +0000`;
  const from = onto ? `from refs/heads/${onto}\n` : '';
  const changes = Object.entries(files).map(changeLine).join('');
  const tagged = tag ? `tag ${tag}\nfrom refs/heads/${branch}\ntagger ${who}\n${block(`Release ${tag}`)}` : '';
  return `commit refs/heads/${branch}\nauthor ${who}\ncommitter ${who}\n${block(message)}${from}${changes}\n${tagged}`;
}

/** Builds it aside and moves it into place, so that what is there is always complete. */
async function createRepository(folder, commits) {
  await mkdir(dirname(folder), { recursive: true });
  const aside = await mkdtemp(join(dirname(folder), `.${basename(folder)}-`));
  try {
    const app = await readApp();
    const stream = commits.map((commit, number) => commitText(commit, filesOf(commit, app), number)).join('');
    await git(aside, ['-c', `init.defaultBranch=${commits[0].branch}`, 'init', '--quiet', '--template=']);
    await git(aside, ['fast-import', '--quiet'], stream);
    await git(aside, ['reset', '--hard', '--quiet', commits[0].branch]);
    await chmod(aside, 0o755);
    await rename(aside, folder);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    if (!isTaken(error)) throw error; // else another process was first, with the same contents
  }
}

const isTaken = (error) => ['ENOTEMPTY', 'EEXIST'].includes(error.code);

/** @returns name → commit, tags peeled */
async function listRefs(folder, namespace) {
  const format = '--format=%(objectname) %(*objectname) %(refname:lstrip=2)';
  const lines = (await git(folder, ['for-each-ref', format, namespace])).split('\n').filter((line) => line !== '');
  return Object.fromEntries(lines.map((line) => {
    const [, own, peeled, name] = /^(\S+) (\S*) (.*)$/.exec(line);
    return [name, peeled || own];
  }));
}

async function isEmpty(folder) {
  return !existsSync(folder) || (await readdir(folder)).length === 0;
}

async function main([folder, sample = 'shop']) {
  const commits = SAMPLES[sample];
  if (!folder || !commits) throw new Error('Say where: node docker/demo/sample-repository.mjs <dir> [shop|journal]');
  const path = resolve(folder);
  if (await isEmpty(path)) await createRepository(path, commits);
  else if (!existsSync(join(path, '.git'))) throw new Error(`${path} is something else. Name a folder that is empty or does not exist.`);
  const [branches, tags] = [await listRefs(path, 'refs/heads'), await listRefs(path, 'refs/tags')];
  const missing = commits.find(({ branch }) => !(branch in branches));
  if (missing) throw new Error(`${path} is a repository without the branch ${missing.branch}. Remove the folder to have it made again.`);
  console.log(JSON.stringify({ path, branches, tags }, null, 2));
}

if (isStarted(import.meta.url)) await runScript(main);
