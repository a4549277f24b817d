import { Option, type Command } from 'commander';
import { isVariableName } from '../../domain/setting.js';
import type { ChangedAnswer, SettingsAnswer } from '../answers.js';
import { assertVariables, readAssignments, readLabel, readProject } from '../arguments.js';
import { show, withServer, type CommandContext, type ShowOptions } from '../context.js';
import { CommandFailure, EXIT, wrongUsage } from '../failure.js';
import { momentOf, renderTable, shortOf } from '../output.js';
import { readSecretFiles, readSecrets } from '../secrets.js';

interface PlaceOptions extends ShowOptions { readonly stage?: string; readonly env?: string }
interface SetOptions extends PlaceOptions { readonly secret?: readonly string[]; readonly secretFile?: readonly string[] }

/** `config set`, `config unset` and `config list`: variables of the application, beside those of the configuration file. */
export function addConfigCommands(config: Command, context: CommandContext): void {
  addSet(config, context);
  withPlace(config.command('unset'))
    .description('Take settings away; what the configuration file says counts again')
    .argument('<project>', 'its name', readProject)
    .argument('<name...>', 'variables and secrets')
    .action(async (project: string, unset: readonly string[], { stage, env, ...options }: PlaceOptions) => {
      assertVariables(unset);
      changed(context, options, await context.connect(options).changeSettings(project, { stage, env }, { set: {}, secrets: {}, unset }));
    });
  withPlace(config.command('list'))
    .description('List what was set; of a secret only a digest')
    .argument('<project>', 'its name', readProject)
    .action(async (project: string, { stage, env, ...options }: PlaceOptions) => {
      const { text, value } = await context.connect(options).settings(project, { stage, env });
      show(context, options, { text, people: () => renderSettings(value) });
    });
}

function addSet(config: Command, context: CommandContext): void {
  withPlace(config.command('set'))
    .description('Set variables; what runs takes them up as a new release of the same image')
    .argument('<project>', 'its name', readProject)
    .argument('[NAME=value...]', 'variables')
    .option('--secret <name>', 'a secret, its value a line of stdin or typed unseen; may be repeated', collect)
    .option('--secret-file <name=path>', 'a secret, its value what is in a file, without the last line end; may be repeated', collect)
    .action(async (project: string, assignments: readonly string[], { stage, env, secret = [], secretFile = [], ...options }: SetOptions) => {
      const set = readAssignments(assignments);
      const inArguments = secret.find((name) => name.includes('='));
      if (inArguments !== undefined) throw wrongUsage(`Give --secret ${nameIn(inArguments)} only: the value is read from stdin, as others can read arguments.`);
      const files = readAssignments(secretFile, '--secret-file NAME=FILE');
      const names = [...set.map(([name]) => name), ...secret, ...files.map(([name]) => name)];
      assertVariables(names);
      if (names.length === 0) throw wrongUsage('Nothing to set: write NAME=value, --secret NAME or --secret-file NAME=FILE.');
      const client = context.connect(options);
      const secrets = [...readSecretFiles(files), ...await readSecrets(secret, context)];
      changed(context, options, await client.changeSettings(project, { stage, env }, { set: Object.fromEntries(set), secrets: Object.fromEntries(secrets), unset: [] }));
    });
}

const withPlace = (command: Command): Command => withServer(command)
  .addOption(new Option('--stage <name>', 'for one stage').argParser(readLabel).conflicts('env'))
  .option('--env <name>', 'for one environment', readLabel);

/** What stands before “=” only where it can be nothing but a name. */
function nameIn(assignment: string): string {
  const name = assignment.slice(0, assignment.indexOf('='));
  return isVariableName(name) ? `the name ${name}` : 'a name';
}

const collect = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

/** @throws CommandFailure where a route could not take the change up: it is recorded, and the route serves on as it did */
function changed(context: CommandContext, options: ShowOptions, { text, value }: { text: string; value: ChangedAnswer }): void {
  show(context, options, { text, people: () => renderChange(value) });
  const failed = value.releases.filter(({ error }) => error !== null);
  if (failed.length === 0) return;
  const sentences = failed.map(({ route, error }) => `${route}: ${error?.message ?? ''}`);
  const lines = failed.flatMap(({ route, error }) => (error?.lastLines ?? []).map((line) => (failed.length === 1 ? line : `${route}: ${line}`)));
  throw new CommandFailure(EXIT.failed, `Recorded, but ${failed.length === value.releases.length ? 'taken up nowhere' : 'not taken up everywhere'}. ${sentences.join(' ')}`, { lines });
}

function renderChange({ changed: isChanged, release, releases }: ChangedAnswer): string {
  if (!isChanged) return `Nothing changed${release === null ? '' : `: ${release} has it already`}.\n`;
  const taken = releases.filter(({ error }) => error === null);
  if (releases.length === 0) return 'Recorded; the next release has it.\n';
  return taken.map(({ route, release: made }) => `${route} serves ${made ?? 'on as it is'}.\n`).join('');
}

function renderSettings({ scope, settings }: SettingsAnswer): string {
  if (settings.length === 0) return `Nothing is set (${scope}).\n`;
  return renderTable(['NAME', 'VALUE', 'SET', 'BY'], settings.map(({ name, value, digest, at, by }) =>
    [name, digest === null ? value : `secret, digest ${shortOf(digest) ?? ''}`, momentOf(at), by]));
}
