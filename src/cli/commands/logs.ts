import { Option, type Command } from 'commander';
import { readLabel, readProject, readRelease } from '../arguments.js';
import type { Client } from '../client.js';
import { withConnection, type ConnectionOptions } from '../connection.js';
import { renderLines, type CommandContext } from '../context.js';
import { CommandFailure, EXIT, wrongUsage } from '../failure.js';
import { firstStage } from './releases.js';

interface LogOptions extends ConnectionOptions { readonly follow?: boolean; readonly release?: string; readonly stage?: string; readonly preview?: string; readonly process?: string }

/** `logs` and `tail`: what applications print. */
export function addLogCommands(program: Command, context: CommandContext): void {
  withPlace(program.command('logs'))
    .description('Show what an application printed, also after its container is gone')
    .option('-f, --follow', 'and go on while it runs')
    .action(async (project: string, options: LogOptions) => { await printLog(context, project, options); });
  withPlace(program.command('tail'))
    .description('The same as logs --follow')
    .action(async (project: string, options: LogOptions) => { await printLog(context, project, { ...options, follow: true }); });
}

const withPlace = (command: Command): Command => withConnection(command)
  .allowExcessArguments(false)
  .argument('<project>', 'its name', readProject)
  .addOption(new Option('--release <release>', 'of this release').argParser(readRelease).conflicts(['stage', 'preview']))
  .addOption(new Option('--stage <name>', 'of what a stage serves (default: the first stage)').argParser(readLabel).conflicts('preview'))
  .option('--preview <label>', 'of what a preview serves, such as branch-x', readLabel)
  .option('--process <name>', 'of one process of its set (default: web)', readLabel);

async function printLog(context: CommandContext, project: string, options: LogOptions): Promise<void> {
  const { follow = false, preview, release, stage } = options;
  const processName = options.process;
  if (follow && preview !== undefined && processName !== undefined) throw wrongUsage('What a preview serves can be followed for its process web only: name the --release, or leave --process away.');
  const client = context.connect(options);
  const reading = { follow, processName };
  const lines = preview === undefined
    ? client.releaseLog(project, release ?? await servedBy(client, project, stage), reading)
    : client.previewLog(project, preview, reading);
  for await (const line of lines) context.stdout.write(renderLines([line]));
}

async function servedBy(client: Client, project: string, stage: string | undefined): Promise<string> {
  const name = stage ?? await firstStage(client, project);
  const { release } = (await client.stage(project, name)).value;
  if (release === null) throw new CommandFailure(EXIT.failed, `Nothing is released to ${name} of ${project} yet: slipway publish ${project}.`);
  return release;
}
