import { Command, CommanderError } from 'commander';
import { addAppCommands } from './commands/apps.js';
import { addBuildCommands } from './commands/builds.js';
import { addConfigCommands } from './commands/config.js';
import { addGcCommand } from './commands/gc.js';
import { addLogCommands } from './commands/logs.js';
import { addReleaseCommands } from './commands/releases.js';
import { addRunOnceCommand } from './commands/run-once.js';
import { addStatusCommands } from './commands/status.js';
import { createClient, type Client, type ClientOptions } from './client.js';
import { readConnection, type ConnectionSettings } from './connection.js';
import { renderLines, type CommandContext } from './context.js';
import { CommandFailure, EXIT, EXIT_MEANINGS } from './failure.js';

export interface ProgramDeps extends Pick<CommandContext, 'stdout' | 'stderr' | 'stdin' | 'clock'> {
  readonly settings: ConnectionSettings;
  /** The login name of who runs it; undefined where it has none. */
  readonly user: string | undefined;
  readonly connect?: (options: ClientOptions) => Client;
}

export interface Program {
  /** All commands of the client; the server's own are added to it. */
  readonly command: Command;
  /** `slipway config`, below which `set`, `unset` and `list` are; what it does by itself is added to it. */
  readonly config: Command;
  /**
   * Runs what the arguments say, the names of node and of the script left away.
   *
   * @returns the exit code; what went wrong was said on stderr
   * @throws what a command that was added throws
   */
  run(args: readonly string[]): Promise<number>;
}

const LONGEST_NAME = 64;

export function createProgram({ settings, user, connect = createClient, ...streams }: ProgramDeps): Program {
  const { stdout, stderr } = streams;
  let exitCode: number = EXIT.done;
  const by = nameOf(user);
  const context: CommandContext = {
    ...streams,
    connect: (options) => connect({ ...readConnection(options, settings), by }),
    endWith: (code) => { exitCode = code; },
  };

  const command = new Command('slipway')
    .description('Every commit of a Docker-based web application, one URL away')
    .exitOverride()
    // An option belongs to the command that it stands behind: `config` has some that `config set` has as well.
    .enablePositionalOptions()
    .configureOutput({
      writeOut: (text) => { stdout.write(text); },
      writeErr: (text) => { stderr.write(text); },
      outputError: (text, write) => { write(text.replace(/^error: /, 'slipway: ')); },
    })
    .addHelpText('after', `\nExit codes:\n${[...EXIT_MEANINGS].map(([code, meaning]) => `  ${code}  ${meaning}\n`).join('')}     run-once: the command’s own`);
  const config = command.command('config').description('Check the configuration file, or set what applications run with');
  for (const add of [addStatusCommands, addReleaseCommands, addBuildCommands, addAppCommands, addGcCommand, addLogCommands, addRunOnceCommand]) add(command, context);
  addConfigCommands(config, context);

  return {
    command, config,
    run: async (args) => {
      exitCode = EXIT.done;
      try {
        await command.parseAsync(args, { from: 'user' });
        return exitCode;
      } catch (error) {
        if (error instanceof CommanderError) {
          if (error.code === 'commander.unknownOption') stderr.write(placeOfOptions(args));
          return error.exitCode === 0 ? EXIT.done : EXIT.usage;
        }
        if (!(error instanceof CommandFailure)) throw error;
        stderr.write(`${renderLines(error.lines)}slipway: ${error.message}\n`);
        return error.exitCode;
      }
    },
  };
}

/** For who wrote an option where it is another's: before any command, or as part of the command to run. */
function placeOfOptions([first = '', ...others]: readonly string[]): string {
  if (first.startsWith('-')) return '(Options stand behind the command: slipway ls --state-dir DIR)\n';
  return first === 'run-once' && !others.includes('--') ? '(Write -- before the command to run: slipway run-once PROJECT --release v7 -- sh -c "exit 3")\n' : '';
}

/** What the API takes as a name. */
function nameOf(user: string | undefined): string | undefined {
  const name = Array.from((user ?? '').replace(/\p{C}/gu, '')).slice(0, LONGEST_NAME).join('');
  return name === '' ? undefined : name;
}
