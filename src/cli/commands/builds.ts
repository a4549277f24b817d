import { Option, type Command } from 'commander';
import type { BuildAnswer, DiffAnswer, UpdateAnswer } from '../answers.js';
import { readBuild, readProject, readProjects } from '../arguments.js';
import type { Answer } from '../asking.js';
import { listText, show, withServer, type CommandContext, type ShowOptions } from '../context.js';
import { CommandFailure, EXIT } from '../failure.js';
import { assertBuilt, followBuild } from '../follow-build.js';
import { counted, momentOf, renderFields, shortOf } from '../output.js';

interface UpdateOptions extends ShowOptions { readonly branch?: string; readonly force?: boolean; readonly wait?: boolean }
interface BuildOptions extends UpdateOptions { readonly commit?: string }
interface ViewOptions extends ShowOptions { readonly diff?: boolean }

/** `update`, `build`, `rebuild` and `view`: how images are made. */
export function addBuildCommands(program: Command, context: CommandContext): void {
  withServer(program.command('update'))
    .description('Fetch, and build what is new')
    .argument('<project>', 'its name', readProject)
    .option('--branch <name>', 'its tip (default: the branch that the project publishes)')
    .option('--force', 'build without cache, also where nothing is new')
    .option('--wait', 'show the log, and end with the build')
    .action(async (project: string, options: UpdateOptions) => { await update(context, project, options); });
  withServer(program.command('build'))
    .description('Build a commit, if nobody has yet')
    .argument('<project>', 'its name', readProject)
    .addOption(new Option('--commit <commit>', 'this one').conflicts('branch'))
    .option('--branch <name>', 'its tip')
    .option('--force', 'without cache, also where there is an image')
    .option('--wait', 'show the log, and end with the build')
    .action(async (project: string, { commit, branch, force = false, wait, ...options }: BuildOptions, command: Command) => {
      if (commit === undefined && branch === undefined) command.error('error: give --commit or --branch');
      const client = context.connect(options);
      const asked = await client.build(project, { commit, branch, force });
      const build = wait === true ? await followBuild(client, asked.value.id, context) : asked;
      show(context, options, { text: build.text, people: () => sentenceOf(build.value) });
      if (wait === true) assertBuilt(build.value);
    });
  withServer(program.command('rebuild'))
    .description('Fetch, build without cache, and wait')
    .argument('<project...>', 'their names', readProjects)
    .action(async (projects: readonly string[], options: ShowOptions) => { await rebuild(context, projects, options); });
  addView(program, context);
}

async function update(context: CommandContext, project: string, { branch, force = false, wait, ...options }: UpdateOptions): Promise<void> {
  const client = context.connect(options);
  const asked = await client.update(project, { branch, force });
  const { build } = asked.value;
  if (wait !== true || !build) {
    show(context, options, { text: asked.text, people: () => describeUpdate(project, asked.value) });
    return;
  }
  context.stderr.write(describeUpdate(project, asked.value));
  const ended = await followBuild(client, build.id, context);
  show(context, options, { text: ended.text, people: () => sentenceOf(ended.value) });
  assertBuilt(ended.value);
}

/** All wait in the queue at once; one that fails keeps no other from being built. */
async function rebuild(context: CommandContext, projects: readonly string[], options: ShowOptions): Promise<void> {
  const client = context.connect(options);
  const built: Answer<BuildAnswer>[] = [];
  const failures: CommandFailure[] = [];
  const asked = projects.map(async (project) => client.update(project, { branch: undefined, force: true }));
  await Promise.allSettled(asked);
  for (const [at, project] of projects.entries()) {
    try {
      const build = (await asked[at])?.value.build;
      if (!build) throw new CommandFailure(EXIT.failed, `The server built nothing for ${project}.`);
      const ended = await followBuild(client, build.id, context);
      assertBuilt(ended.value);
      built.push(ended);
    } catch (error) {
      if (!(error instanceof CommandFailure)) throw error;
      failures.push(projects.length === 1 ? error : new CommandFailure(error.exitCode, `${project}: ${error.message}`, { lines: error.lines, cause: error }));
    }
  }
  if (built.length > 0 || failures.length === 0) show(context, options, { text: listText(built), people: () => `Rebuilt ${counted(built.length, 'app')}\n` });
  throwAll(failures);
}

/** The first one's exit code, the sentences of all. */
function throwAll([first, ...others]: readonly CommandFailure[]): void {
  if (!first) return;
  throw new CommandFailure(first.exitCode, [first, ...others].map(({ message }) => message).join('\nslipway: '), { lines: [first, ...others].flatMap(({ lines }) => lines), cause: first });
}

function addView(program: Command, context: CommandContext): void {
  withServer(program.command('view'))
    .description('Show a build, or which files its image changed')
    .argument('<build>', 'its id', readBuild)
    .option('--diff', 'files of its image that differ from the build of the same key before it')
    .action(async (id: string, { diff, ...options }: ViewOptions) => {
      const client = context.connect(options);
      if (diff === true) {
        const { text, value } = await client.diff(id);
        show(context, options, { text, people: () => renderDiff(value) });
        return;
      }
      const { text, value } = await client.findBuild(id);
      show(context, options, { text, people: () => renderFields(fieldsOf(value)) });
    });
}

function sentenceOf({ id, project, status, reusedFrom, commit }: BuildAnswer): string {
  const of = commit === null ? '' : ` (commit ${shortOf(commit) ?? ''})`;
  return `${project}: build ${id}${of} ${status}${reusedFrom === null ? '' : `, the image is that of ${reusedFrom}`}.\n`;
}

function describeUpdate(project: string, { from, to, build }: UpdateAnswer): string {
  const tip = (each: UpdateAnswer['to']) => [each?.branch, shortOf(each?.hash)].filter((text) => typeof text === 'string').join(' ');
  if (!build) return `${project} is up to date: ${tip(to ?? from)}.\n`;
  return `${project}: ${tip(from) || 'nothing'} → ${tip(to)}, build ${build.id} ${build.status}.\n`;
}

function fieldsOf(build: BuildAnswer): [string, string | null][] {
  const moment = (iso: string | null): string | null => (iso === null ? null : momentOf(iso));
  return [
    ['build', build.id], ['project', build.project], ['status', build.status], ...(build.reference === null ? [['commit', build.commit] as [string, string | null]] : [['image', build.reference] as [string, string]]),
    ['key', build.key], ['image id', build.image], ['reused from', build.reusedFrom], ['without cache', build.noCache ? 'yes' : 'no'],
    ['queued', moment(build.queuedAt)], ['started', moment(build.startedAt)], ['finished', moment(build.finishedAt)], ['error', build.error?.message ?? null],
  ];
}

/** One line for each file, sorted by what happened to it. */
function renderDiff({ against, added, removed, changed }: DiffAnswer): string {
  const lines = [...changed.map((path) => ['changed', path]), ...added.map((path) => ['added', path]), ...removed.map((path) => ['removed', path])];
  if (lines.length === 0) return `The same files as ${against}.\n`;
  return `Against ${against}:\n${renderFields(lines.map(([what = '', path]) => [what, path]))}`;
}
