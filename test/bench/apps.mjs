// The two applications that are measured, as commits of a repository: each commit has content of its own.
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const DOCKERFILE = 'FROM slipway-demo/node\nWORKDIR /app\nCOPY . .\nEXPOSE 3000\nCMD ["node", "server.js"]\n';
const TRIVIAL = "require('node:http').createServer((req, res) => res.end('ok')).listen(3000);\n";

/** A server with some hundred modules and a build step, as a small real application has. */
function nodeApplication() {
  const modules = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`lib/part-${index}.js`, `exports.value = ${index};\n${`// ${'-'.repeat(70)}\n`.repeat(20)}`]));
  const server = `const parts = Array.from({ length: 300 }, (_, i) => require('./lib/part-' + i + '.js').value);
require('node:http').createServer((req, res) => res.end(JSON.stringify({ sum: parts.reduce((a, b) => a + b) }))).listen(3000);\n`;
  return { ...modules, 'server.js': server, 'Dockerfile': DOCKERFILE.replace('EXPOSE', 'RUN node -e "require(\'fs\').writeFileSync(\'built.txt\', \'yes\')"\nEXPOSE') };
}

export const APPS = { trivial: { 'Dockerfile': DOCKERFILE, 'server.js': TRIVIAL }, node: nodeApplication() };

const identity = { GIT_AUTHOR_NAME: 'Bench', GIT_AUTHOR_EMAIL: 'bench@example.com', GIT_COMMITTER_NAME: 'Bench', GIT_COMMITTER_EMAIL: 'bench@example.com' };

/** Makes a repository of the application. */
export async function createRepository(folder, files) {
  const git = async (...args) => (await run('git', args, { cwd: folder, env: { ...process.env, ...identity, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' } })).stdout.trim();
  await mkdir(join(folder, 'lib'), { recursive: true });
  await git('init', '-q', '-b', 'main');
  const write = (name, content) => writeFile(join(folder, name), content);
  for (const [name, content] of Object.entries(files)) await write(name, content);
  return {
    folder,
    /** Commits content that nobody has built. */
    commit: async (text) => {
      await write('content.txt', text);
      await git('add', '-A');
      await git('commit', '-q', '--allow-empty', '-m', text);
      return git('rev-parse', 'HEAD');
    },
  };
}
