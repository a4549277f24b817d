import type { Command } from 'commander';
import { cleanLine } from '../../domain/log-line.js';
import { readProject, readRelease } from '../arguments.js';
import { withConnection, type ConnectionOptions } from '../connection.js';
import type { CommandContext } from '../context.js';
import { CommandFailure, EXIT, exitCodeOfError, withWait } from '../failure.js';

/** `run-once`: a command in a container of its own, made from a release. */
export function addRunOnceCommand(program: Command, context: CommandContext): void {
  withConnection(program.command('run-once'))
    .description('Run a command with the image and the settings of a release; ends with its exit code')
    .argument('<project>', 'its name', readProject)
    .argument('<command...>', 'after --, so that its own options stay its own')
    .requiredOption('--release <release>', 'the release, such as v7', readRelease)
    .action(async (project: string, command: readonly string[], { release, ...options }: ConnectionOptions & { readonly release: string }) => {
      for await (const answer of context.connect(options).runOnce(project, { release, command })) {
        if ('stream' in answer) context[answer.stream].write(answer.text);
        else if ('exit' in answer) {
          if (answer.message !== null) context.stderr.write(`slipway: ${cleanLine(answer.message)}\n`);
          context.endWith(answer.exit);
          return;
        }
        else throw new CommandFailure(exitCodeOfError(answer.error), cleanLine(withWait(answer.message)));
      }
      throw new CommandFailure(EXIT.unreachable, 'The server ended before the command did; whether that goes on, the server’s log says.');
    });
}
