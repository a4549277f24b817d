import type { Command } from 'commander';
import { cleanLine } from '../domain/log-line.js';
import type { Clock } from '../kernel/clock.js';
import type { Answer } from './asking.js';
import type { Client } from './client.js';
import { withConnection, type ConnectionOptions } from './connection.js';
import type { Output } from './output.js';
import type { Input } from './secrets.js';

/** What commands work with. */
export interface CommandContext {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: Input;
  readonly clock: Clock;
  /** @throws CommandFailure */
  readonly connect: (options: ConnectionOptions) => Client;
  /** The code the process ends with, where it is another one than that of success or of what was thrown. */
  readonly endWith: (code: number) => void;
}

export interface ShowOptions extends ConnectionOptions { readonly json?: boolean }

/** Gives a command what all that ask the server for JSON have. */
export const withServer = (command: Command): Command =>
  withConnection(command).allowExcessArguments(false).option('--json', 'print the API’s JSON, one document, for programs');

/** Prints the API's own JSON for programs, or what people read. */
export function show({ stdout }: Pick<CommandContext, 'stdout'>, { json }: ShowOptions, { text, people }: { text: string; people: () => string }): void {
  stdout.write(json === true ? `${text}\n` : people());
}

/** Several answers as one document. */
export const listText = (answers: readonly Pick<Answer<unknown>, 'text'>[]): string => `[${answers.map(({ text }) => text).join(',')}]`;

/** Lines of a log, nothing in them that a terminal would obey. */
export const renderLines = (lines: readonly string[]): string => lines.map((line) => `${cleanLine(line)}\n`).join('');
