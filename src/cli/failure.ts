import { ERRORS, type ErrorCode } from '../domain/errors.js';

/** What the process ends with; `run-once` ends with its command's own code once that has run. */
export const EXIT = { done: 0, failed: 1, usage: 2, unreachable: 3, refused: 4, buildFailed: 5, interrupted: 6 } as const;

/** What each of them means, for `--help` and the README. */
export const EXIT_MEANINGS: ReadonlyMap<number, string> = new Map([
  [EXIT.done, 'done'],
  [EXIT.failed, 'the server said no; what and why is on stderr'],
  [EXIT.usage, 'wrong usage'],
  [EXIT.unreachable, 'the server cannot be reached, or the connection broke off'],
  [EXIT.refused, 'not allowed: the token is missing or not the right one'],
  [EXIT.buildFailed, 'the build failed; its last lines are on stderr'],
  [EXIT.interrupted, 'the build was interrupted as the server ended, and nothing took it up again'],
]);

/** Why a command did not do what it was asked for: the process's exit code and a sentence for stderr, with lines to print before it. */
export class CommandFailure extends Error {
  readonly exitCode: number;
  readonly lines: readonly string[];

  constructor(exitCode: number, message: string, { lines = [], ...options }: ErrorOptions & { lines?: readonly string[] } = {}) {
    super(message, options);
    this.name = 'CommandFailure';
    this.exitCode = exitCode;
    this.lines = lines;
  }
}

/** For what can be seen to be wrong without asking the server. */
export const wrongUsage = (message: string): CommandFailure => new CommandFailure(EXIT.usage, message);

/** The exit code for a status of the API. */
export function exitCodeOf(status: number): number {
  if (status === 401 || status === 403) return EXIT.refused;
  return status === 424 ? EXIT.buildFailed : EXIT.failed;
}

/** The exit code for an error's code where no status came with it. */
export const exitCodeOfError = (code: string): number => (isErrorCode(code) ? exitCodeOf(ERRORS[code].status) : EXIT.failed);

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERRORS, code);

/** The server's words, with the seconds for the header that programs have them in. */
export function withWait(message: string, retryAfter?: string): string {
  const wait = /^\d+$/.test(retryAfter ?? '') ? `${retryAfter ?? ''} seconds` : undefined;
  return message.replace('after Retry-After seconds', wait === undefined ? 'in a moment' : `after ${wait}`).replace('Wait as long as Retry-After says', `Wait ${wait ?? 'a moment'}`);
}
