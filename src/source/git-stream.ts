import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { kill } from 'node:process';
import type { Readable, Writable } from 'node:stream';
import { AppError } from '../domain/errors.js';
import { gitEnvironment, type GitPlace } from './git-settings.js';

/** A running git whose input and output are bytes. */
export interface GitChild {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Ends when git has. @throws AppError `internal` with git's own sentence when it failed or was killed. */
  readonly finished: Promise<void>;
  /** What git said on stderr, at most its last 16 KiB, without credentials. */
  said(): string;
  /** Kills git and all it started; nothing happens when it ended. */
  end(): void;
}

const SAID_MAX = 16 * 1024;

/** Starts git as the leader of a process group, so that its own helpers (ssh, remote-https) end with it. */
export function spawnGit(place: GitPlace, args: readonly string[]): GitChild {
  const child = spawn('git', args, { cwd: place.home, env: gitEnvironment(place), detached: true, stdio: 'pipe' });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => { said = (said + text).slice(-SAID_MAX); });
  // A git that ends early closes its input; its exit code says why, not the broken pipe.
  child.stdin.on('error', () => undefined);
  const finished = new Promise<void>((resolve, reject) => {
    child.once('error', (cause) => { reject(gitFailure(`git could not be run: ${cause.message}`, cause)); });
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(gitFailure(place.repository.redact(lastSentence(said) ?? `git ${args[0] ?? ''} was ended`)));
    });
  });
  finished.catch(() => undefined);
  return {
    stdin: child.stdin, stdout: child.stdout, finished,
    said: () => place.repository.redact(said),
    end: () => { endGroup(child); },
  };
}

function endGroup(child: ChildProcessWithoutNullStreams): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    kill(-child.pid, 'SIGKILL');
  } catch {
    // The group is gone already.
  }
}

/** A git command that failed for a reason of its own. */
export const gitFailure = (message: string, cause?: unknown): AppError => new AppError('internal', message, { cause });

/** What follows the reason: git's advice on every failed connection, or the places in a stack. */
const GENERAL = /^(?:at .+:\d+:\d+\)?|fatal: Could not read from remote repository\.|Please make sure you have the correct access rights|and the repository exists\.)$/;

/** Git's own last word: its last `fatal:` line if there is one, since advice may follow it. */
export function lastSentence(said: string): string | undefined {
  const lines = said.split('\n').map((line) => line.trim()).filter((line) => line !== '' && !GENERAL.test(line));
  return lines.findLast((line) => line.startsWith('fatal: ')) ?? lines.at(-1);
}
