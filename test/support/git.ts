import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseCommitHash, type CommitHash } from '../../src/domain/ids.js';

/** A file as a commit shall have it: text, bytes, an executable, a symbolic link, or null for none. */
export type TestFile = string | Buffer | { readonly executable: string } | { readonly link: string } | null;
export type TestFiles = Readonly<Record<string, TestFile>>;

export interface CommitOptions {
  /** The branch to commit to; made when missing. Default `main`. */
  readonly branch?: string;
  readonly message?: string;
  readonly author?: string;
}

/** A repository in a folder of its own that nobody's git settings touch and whose dates are fixed. */
export interface TestRepository {
  readonly path: string;
  /** Runs git in the repository. @returns what it printed, trimmed */
  git(...args: string[]): string;
  /** Runs git with something to read. */
  gitWithInput(input: string | Buffer, ...args: string[]): string;
  /** Writes the files and commits them, a second after the previous commit. */
  commit(files: TestFiles, options?: CommitOptions): CommitHash;
  /** Points a ref at a commit, whatever its name. */
  setRef(ref: string, commit: string): void;
  /** Points many refs at a commit, in one file. */
  packRefs(refs: readonly string[], commit: string): void;
  head(ref?: string): CommitHash;
  [Symbol.dispose](): void;
}

/** The time of the first commit, in milliseconds since the epoch. */
export const FIRST_COMMIT_AT = Date.UTC(2024, 0, 1);

export function createTestFolder(): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), 'slipway-test-'));
  return { path, [Symbol.dispose]: () => { rmSync(path, { recursive: true, force: true, maxRetries: 3 }); } };
}

export function createTestRepository(files?: TestFiles): TestRepository {
  const folder = createTestFolder();
  const path = join(folder.path, 'repository');
  mkdirSync(path);
  let commits = 0;

  const run = (args: readonly string[], input?: string | Buffer): string => {
    const seconds = FIRST_COMMIT_AT / 1_000 + commits;
    const env = { ...hermetic(), GIT_AUTHOR_DATE: `${seconds} +0000`, GIT_COMMITTER_DATE: `${seconds} +0000` };
    return execFileSync('git', args, { cwd: path, env, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'], maxBuffer: 64 * 1024 ** 2 }).trimEnd();
  };

  // Git's own files: to ask git takes a process each time.
  const read = (file: string): string => readFileSync(join(path, '.git', file), 'utf8').trim();

  const commit = (changed: TestFiles, { branch = 'main', message = 'a commit', author = 'Ada' }: CommitOptions = {}): CommitHash => {
    if (read('HEAD') !== `ref: refs/heads/${branch}`) run(['checkout', '--quiet', ...(run(['for-each-ref', `refs/heads/${branch}`]) === '' ? ['-b'] : []), branch]);
    for (const [name, file] of Object.entries(changed)) write(join(path, name), file);
    run(['add', '--all', '--force', '.']);
    run(['-c', 'maintenance.auto=false', '-c', `user.name=${author}`, '-c', 'user.email=ada@example.com', 'commit', '--quiet', '--allow-empty', '-m', message]);
    commits += 1;
    return parseCommitHash(read(`refs/heads/${branch}`));
  };

  run(['init', '--quiet', '--initial-branch=main', '--template=']);
  if (files) commit(files);
  return {
    path, commit,
    git: (...args) => run(args),
    gitWithInput: (input, ...args) => run(args, input),
    setRef: (ref, target) => { run(['update-ref', ref, target]); },
    packRefs: (refs, target) => { writeFileSync(join(path, '.git', 'packed-refs'), [...refs].sort().map((ref) => `${target} ${ref}\n`).join('')); },
    head: (ref = 'HEAD') => parseCommitHash(run(['rev-parse', ref])),
    [Symbol.dispose]: () => { folder[Symbol.dispose](); },
  };
}

const hermetic = (): Record<string, string> => ({
  PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: '/nonexistent', LC_ALL: 'C',
  GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null', GIT_TERMINAL_PROMPT: '0',
});

function write(path: string, file: TestFile): void {
  rmSync(path, { recursive: true, force: true });
  if (file === null) return;
  mkdirSync(dirname(path), { recursive: true });
  if (typeof file === 'string' || Buffer.isBuffer(file)) writeFileSync(path, file);
  else if ('link' in file) symlinkSync(file.link, path);
  else {
    writeFileSync(path, file.executable);
    chmodSync(path, 0o755);
  }
}
