import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { AppError } from '../domain/errors.js';
import type { Clock } from '../kernel/clock.js';
import { withDeadline } from '../kernel/deadline.js';
import { createLimit } from '../kernel/limit.js';

/** Applies the rules of a `.dockerignore` beside the main thread, for all projects: a hostile pattern can take for ever. */
export interface IgnoreRules {
  /** @returns for each path whether Docker would receive it. @throws AppError `unsafe_dockerfile` when the rules cannot be applied */
  keep(rules: string, paths: readonly string[]): Promise<readonly boolean[]>;
  /** Starts the worker before it is needed, so that the first visitor does not wait for it. */
  warm(): void;
  close(): Promise<void>;
}

const TIMEOUT_MS = 5_000;
const MEMORY_MIB = 256;

/** Runs in the worker, as a script of its own because a worker cannot load this file before it is compiled. */
const SCRIPT = `
const { parentPort, workerData } = require('node:worker_threads');
const ignore = require(workerData.library);
parentPort.on('message', ({ number, rules, paths }) => {
  try {
    const keeps = ignore({ ignorecase: false }).add(rules).createFilter();
    parentPort.postMessage({ number, kept: Uint8Array.from(paths.split('\\0'), (path) => (keeps(path) ? 1 : 0)) });
  } catch (error) {
    parentPort.postMessage({ number, fault: String(error.message) });
  }
});`;

interface Answer {
  readonly number: number;
  readonly kept?: Uint8Array;
  readonly fault?: string;
}

export function createIgnoreRules(clock: Clock): IgnoreRules {
  const turn = createLimit(1);
  const waiting = new Map<number, (answer: Answer) => void>();
  let worker: Worker | null = null;
  let count = 0;

  function start(): Worker {
    const library = createRequire(import.meta.url).resolve('@balena/dockerignore');
    const started = new Worker(SCRIPT, {
      eval: true, workerData: { library }, env: {}, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: MEMORY_MIB },
    });
    started.unref();
    started.on('message', (answer: Answer) => {
      waiting.get(answer.number)?.(answer);
      waiting.delete(answer.number);
    });
    started.on('error', (error) => { failAll(error.message); });
    return started;
  }

  function failAll(fault: string): void {
    worker = null;
    for (const [number, answer] of waiting) answer({ number, fault });
    waiting.clear();
  }

  async function abandon(): Promise<void> {
    const old = worker;
    failAll('it was ended');
    await old?.terminate();
  }

  function ask(rules: string, paths: readonly string[]): Promise<Answer> {
    const number = count += 1;
    worker ??= start();
    const answer = new Promise<Answer>((resolve) => { waiting.set(number, resolve); });
    worker.postMessage({ number, rules, paths: paths.join('\0') });
    return answer;
  }

  return {
    keep: async (rules, paths) => {
      if (paths.length === 0) return [];
      const late = () => unusable(`it takes longer than ${TIMEOUT_MS / 1_000} s`);
      // One after the other, so that a pattern which takes too long ends nobody else's work.
      const answer = await turn(() => withDeadline(() => ask(normaliseRules(rules), paths), { ms: TIMEOUT_MS, clock, error: late })
        .catch(async (error: unknown) => { await abandon(); throw error; }));
      if (!answer.kept) throw unusable(answer.fault ?? 'no answer');
      return Array.from(answer.kept, (kept) => kept === 1);
    },
    warm: () => { worker ??= start(); },
    close: abandon,
  };
}

const unusable = (why: string): AppError => new AppError('unsafe_dockerfile', `The .dockerignore cannot be applied: ${why}.`);

/**
 * Makes patterns safe for the library, which builds regular expressions from them: characters that mean
 * something only there are escaped, and repeated `**` are joined, which changes no meaning.
 */
export function normaliseRules(text: string): string {
  return text.replace(/^\ufeff/, '').split(/\r?\n/).map((line) => (line.startsWith('#') ? '' : escapeLine(line))).join('\n');
}

function escapeLine(line: string): string {
  const joined = line.replace(/(?:\*\*\/)+/g, '**/').replace(/\*{3,}/g, '**');
  return joined.replace(/\\.|\[\^|[(){}+|^]/g, (found) => (found.length > 1 ? found : `\\${found}`));
}
