import { Option, type Command } from 'commander';
import type { MovedAnswer } from '../answers.js';
import { readCount, readLabel, readProject, readProjectRelease, readRelease } from '../arguments.js';
import type { Client, RollbackPlace } from '../client.js';
import { show, withServer, type CommandContext, type ShowOptions } from '../context.js';
import { wrongUsage } from '../failure.js';
import { withLastLines } from '../follow-build.js';
import { momentOf, renderTable, shortOf } from '../output.js';

interface ListOptions extends ShowOptions { readonly stage?: string; readonly preview?: string; readonly limit?: number }
interface PublishOptions extends ShowOptions { readonly branch?: string; readonly commit?: string }
interface PromoteOptions extends ShowOptions { readonly stage: string; readonly force?: boolean }
interface RollbackOptions extends ShowOptions { readonly stage?: string; readonly preview?: string; readonly to?: string; readonly hops?: number; readonly rebuild?: boolean }

const LISTED = 20;

/** `releases`, `publish`, `promote` and `rollback`: what stages serve. */
export function addReleaseCommands(program: Command, context: CommandContext): void {
  addReleases(program, context);
  withServer(program.command('publish'))
    .description('Release a commit to the first stage, built if need be')
    .argument('<project>', 'its name', readProject)
    .addOption(new Option('--branch <name>', 'its tip (default: the branch that the project publishes)').conflicts('commit'))
    .option('--commit <commit>', 'this one')
    .action(async (project: string, { branch, commit, ...options }: PublishOptions) => {
      const client = context.connect(options);
      moved(context, options, await withLastLines(client, project, client.publish(project, { branch, commit })));
    });
  withServer(program.command('promote'))
    .description('Bring a release to a stage, with no build')
    .argument('<project[@release]>', 'the project, and the release if not what the stage before serves', readProjectRelease)
    .requiredOption('--stage <name>', 'the stage to bring it to', readLabel)
    .option('--force', 'from wherever it is')
    .action(async ({ project, release }: ReturnType<typeof readProjectRelease>, { stage, force = false, ...options }: PromoteOptions) => {
      moved(context, options, await context.connect(options).promote(project, { stage, release, force }));
    });
  addRollback(program, context);
}

function addReleases(program: Command, context: CommandContext): void {
  withServer(program.command('releases'))
    .description('List releases, newest first')
    .argument('<project>', 'its name', readProject)
    .addOption(new Option('--stage <name>', 'those of a stage').argParser(readLabel).conflicts('preview'))
    .option('--preview <label>', 'those of a preview, such as branch-x', readLabel)
    .option('--limit <count>', `so many at most (default ${LISTED})`, readCount)
    .action(async (project: string, { stage, preview, limit = LISTED, ...options }: ListOptions) => {
      const { text, value } = await context.connect(options).releases(project, { stage, preview, limit });
      const rows = value.map((release) => [release.id, release.route, release.reason, release.rollbackOf ?? release.parent, shortOf(release.commit), release.version, momentOf(release.createdAt), release.by]);
      show(context, options, { text, people: () => (rows.length === 0 ? 'No releases.\n' : renderTable(['RELEASE', 'ROUTE', 'REASON', 'FROM', 'COMMIT', 'VERSION', 'AT', 'BY'], rows)) });
    });
}

function addRollback(program: Command, context: CommandContext): void {
  withServer(program.command('rollback'))
    .description('Bring an earlier release back, with its settings')
    .argument('<project>', 'its name', readProject)
    .addOption(new Option('--stage <name>', 'of this stage (default: the first one)').argParser(readLabel).conflicts('preview'))
    .option('--preview <label>', 'of a preview that follows a branch, such as branch-x', readLabel)
    .addOption(new Option('--to <release>', 'this one').argParser(readRelease).conflicts('hops'))
    .option('--hops <count>', 'so many back (default 1)', readCount)
    .option('--rebuild', 'build it again where its image is gone')
    .action(async (project: string, { stage, preview, to, hops, rebuild = false, ...options }: RollbackOptions) => {
      const client = context.connect(options);
      const place: RollbackPlace = preview === undefined ? { stage: stage ?? await firstStage(client, project) } : { preview };
      moved(context, options, await withLastLines(client, project, client.rollback(project, place, { to, hops, rebuild })));
    });
}

/** The first stage of a project. @throws CommandFailure when there is none */
export async function firstStage(client: Pick<Client, 'stages'>, project: string): Promise<string> {
  const [first] = (await client.stages(project)).value;
  if (!first) throw wrongUsage(`${project} has no stages: name one of its previews with --preview.`);
  return first.stage;
}

function moved(context: CommandContext, options: ShowOptions, { text, value }: { text: string; value: MovedAnswer }): void {
  show(context, options, { text, people: () => sentenceOf(value) });
}

function sentenceOf({ project, route, release, url, ms }: MovedAnswer): string {
  const { id, commit, rollbackOf } = release;
  const details = [commit === null ? null : `commit ${shortOf(commit) ?? ''}`, rollbackOf === null ? null : `as ${rollbackOf} was`].filter((each) => each !== null);
  return `${project} ${route} serves ${id}${details.length === 0 ? '' : ` (${details.join(', ')})`} at ${url} after ${(ms / 1_000).toFixed(1)} s.\n`;
}
