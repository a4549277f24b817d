import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Recipe } from '../../src/domain/build.js';
import { AppError, type ErrorCode } from '../../src/domain/errors.js';
import { parseProjectName } from '../../src/domain/ids.js';
import type { GitCredentials } from '../../src/domain/project.js';
import { systemClock, type Clock } from '../../src/kernel/clock.js';
import { createLog, type ApplicationLog } from '../../src/kernel/log.js';
import { createIgnoreRules } from '../../src/source/ignore-rules.js';
import { createSource, type Source } from '../../src/source/source.js';
import { createTestFolder } from '../support/git.js';

export const PROJECT = parseProjectName('shop');
export const GIT_PATH = process.env.PATH ?? '/usr/bin:/bin';

export interface StartedSource {
  readonly source: Source;
  /** Where the mirror is. */
  readonly folder: string;
  readonly mirror: string;
  readonly log: ApplicationLog;
  /** The arguments and environments of every git that ran, one line each, oldest first; without the tidying, which nobody asks for. */
  calls(): string[];
  /** How often git was offered to tidy up. */
  tidyings(): number;
  /** How many fetches ran. */
  fetches(): number;
  /** Ends this source and starts another on the same folder. */
  restart(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface SourceOptions {
  readonly clock?: Clock;
  readonly fetchTimeoutMs?: number;
  readonly recorded?: boolean;
  readonly credentials?: GitCredentials;
}

/** A started source of the repository, with a git in front of the real one that writes down what it is asked. */
export async function startSource(repository: string, { clock = systemClock, fetchTimeoutMs = 20_000, recorded = false, credentials }: SourceOptions = {}): Promise<StartedSource> {
  const temporary = createTestFolder();
  const folder = join(temporary.path, 'sources');
  const bin = join(temporary.path, 'bin');
  const record = join(temporary.path, 'calls');
  if (recorded) writeRecorder(bin, record);
  const path = recorded ? `${bin}:${GIT_PATH}` : GIT_PATH;
  const log = createLog({ level: 'debug', file: null, console: false });
  const ignore = createIgnoreRules(clock);
  const create = () => createSource({ project: PROJECT, repository, ...(credentials ? { credentials } : {}), folder, path, clock, log, fetchTimeoutMs, ignore });
  let source = create();
  await source.start();
  const all = () => (existsSync(record) ? readFileSync(record, 'utf8').split('\n').filter((line) => line !== '') : []);
  const calls = () => all().filter((line) => !line.includes(' gc --auto '));
  return {
    get source() { return source; },
    folder, log, calls,
    tidyings: () => all().filter((line) => line.includes(' gc --auto ')).length,
    mirror: join(folder, `${PROJECT}.git`),
    fetches: () => calls().filter((line) => line.startsWith('fetch ')).length,
    restart: async () => {
      await source.stop();
      source = create();
      await source.start();
    },
    [Symbol.asyncDispose]: async () => {
      await source.stop();
      await ignore.close();
      temporary[Symbol.dispose]();
    },
  };
}

/** A `git` that appends its arguments and environment to a file and then becomes the real one. */
function writeRecorder(folder: string, record: string): void {
  const real = GIT_PATH.split(':').map((part) => join(part, 'git')).find((file) => existsSync(file)) ?? '/usr/bin/git';
  mkdirSync(folder);
  const file = join(folder, 'git');
  writeFileSync(file, `#!/bin/sh\nprintf '%s\\n' "$* :: $(env | sort | tr '\\n' ' ')" >> '${record}'\nexec '${real}' "$@"\n`);
  chmodSync(file, 0o755);
}

export const RECIPE: Recipe = { context: '.', dockerfile: 'Dockerfile', target: null, args: {}, platform: null, dependencies: {} };

/** What a promise fails with, as an `AppError`. */
export async function failureOf(work: Promise<unknown>): Promise<AppError> {
  const thrown: unknown = await work.then(() => undefined, (error: unknown) => error);
  if (!(thrown instanceof AppError)) throw new Error(`expected a failure, got ${String(thrown)}`);
  return thrown;
}

export const codeOf = async (work: Promise<unknown>): Promise<ErrorCode> => (await failureOf(work)).code;

/** A clock that stands until it is moved; sleeps end when their time has come. */
export interface HeldClock extends Clock {
  advance(ms: number): void;
  /** Ends once somebody sleeps for just that long. */
  untilSleeping(ms: number): Promise<void>;
}

export function createHeldClock(): HeldClock {
  let time = 1_700_000_000_000;
  const sleepers = new Set<{ readonly at: number; readonly ms: number; readonly wake: () => void }>();
  const watchers = new Set<() => void>();
  return {
    now: () => time,
    monotonic: () => time,
    sleep: (ms, signal) => new Promise((resolve) => {
      if (signal?.aborted === true) { resolve(); return; }
      const sleeper = { at: time + ms, ms, wake: () => { sleepers.delete(sleeper); resolve(); } };
      sleepers.add(sleeper);
      signal?.addEventListener('abort', sleeper.wake, { once: true });
      for (const watcher of [...watchers]) watcher();
    }),
    untilSleeping: (ms) => new Promise((resolve) => {
      const look = () => {
        if (![...sleepers].some((sleeper) => sleeper.ms === ms)) return;
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
      look();
    }),
    advance: (ms) => {
      time += ms;
      for (const sleeper of [...sleepers]) if (sleeper.at <= time) sleeper.wake();
    },
  };
}
