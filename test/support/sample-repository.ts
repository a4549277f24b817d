import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ensureBaseImage } from './real-docker.js';

const run = promisify(execFile);

/** The demo's repository in a folder of its own, whose name – the project's – no other test shares. */
export interface SampleRepository extends AsyncDisposable {
  readonly path: string;
  readonly project: string;
  /** Branch → commit, as the sample has it. */
  readonly branches: Readonly<Record<string, string>>;
  /** Commits files (null removes one) on a branch, made from main when it is new. @returns the commit */
  commit(branch: string, files: Readonly<Record<string, string | null>>): Promise<string>;
  git(...args: string[]): Promise<string>;
}

const GIT_ENV = {
  PATH: process.env.PATH, HOME: '/nonexistent', LC_ALL: 'C', GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Ada', GIT_AUTHOR_EMAIL: 'ada@example.com', GIT_COMMITTER_NAME: 'Ada', GIT_COMMITTER_EMAIL: 'ada@example.com',
};

export async function createSampleRepository(): Promise<SampleRepository> {
  await ensureBaseImage();
  const folder = await mkdtemp(join(tmpdir(), 'slipway-sample-'));
  const project = `t${randomBytes(4).toString('hex')}`;
  const path = join(folder, project);
  const { stdout } = await run(process.execPath, ['docker/demo/sample-repository.mjs', path]);
  const { branches } = JSON.parse(stdout) as { branches: Record<string, string> };
  const git = async (...args: string[]) => (await run('git', args, { cwd: path, env: GIT_ENV })).stdout.trim();
  return {
    path, project, branches, git,
    commit: async (branch, files) => {
      const known = await git('for-each-ref', `refs/heads/${branch}`);
      await git('checkout', '--quiet', ...(known === '' ? ['-b', branch, 'main'] : [branch]));
      for (const [name, text] of Object.entries(files)) await put(join(path, name), text);
      await git('add', '--all', '--force', '.');
      await git('commit', '--quiet', '-m', `Change ${branch}`);
      return git('rev-parse', 'HEAD');
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 3 }),
  };
}

async function put(path: string, text: string | null): Promise<void> {
  if (text === null) { await rm(path, { force: true }); return; }
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

/** A file that makes a commit's image one that nobody has built before, whatever layers the engine remembers. */
export const unbuilt = (): Record<string, string> => ({ 'unbuilt.txt': randomBytes(16).toString('hex') });

/** A Dockerfile on the base image whose one step takes `seconds` and says so twice a second. */
export const slowDockerfile = (seconds: number): string => [
  'FROM slipway-demo/node', 'WORKDIR /app', 'COPY . .',
  `RUN for step in $(seq 1 ${seconds * 2}); do echo "Step $step of ${seconds * 2}: polishing the brass"; sleep 0.5; done`,
  'EXPOSE 3000', 'CMD ["node", "server.mjs"]', '',
].join('\n');

/** A Dockerfile on the base image that starts a script of the repository. */
export const scriptDockerfile = (script: string): string => `FROM slipway-demo/node\nWORKDIR /app\nCOPY . .\nEXPOSE 3000\nCMD ["node", "${script}"]\n`;
