import { Option, type Command } from 'commander';
import type { HealthAnswer, PreviewAnswer, StageAnswer } from '../answers.js';
import { readProject } from '../arguments.js';
import { listText, show, withServer, type CommandContext, type ShowOptions } from '../context.js';
import { wrongUsage } from '../failure.js';
import { renderFields, renderTable, shortOf, type Cell } from '../output.js';

interface StatusOptions extends ShowOptions { readonly branch?: string; readonly hash?: string; readonly env?: string }

/** `status` and `ls`: what there is and what runs. */
export function addStatusCommands(program: Command, context: CommandContext): void {
  withServer(program.command('status'))
    .description('Show stages and running previews, or one preview')
    .argument('[project]', 'all projects where it is left away', readProject)
    .addOption(new Option('--branch <name>', 'the preview of a branch or tag').conflicts('hash'))
    .option('--hash <commit>', 'the preview of a commit, 4 to 40 digits')
    .option('--env <name>', 'the environment it is opened in')
    .action(async (project: string | undefined, options: StatusOptions) => {
      if (options.branch !== undefined || options.hash !== undefined) await showOne(context, project, options);
      else if (options.env !== undefined) throw wrongUsage('--env needs a --branch or a --hash.');
      else await showAll(context, project, options);
    });
  withServer(program.command('ls'))
    .description('List projects with their stages')
    .action(async (options: ShowOptions) => {
      const { text, value } = await context.connect(options).projects();
      const rows = value.flatMap(({ name, url, stages }) => (stages.length === 0
        ? [[name, null, null, null, url]]
        : stages.map((stage) => [name, stage.stage, stage.status, stage.release, stage.url])));
      show(context, options, { text, people: () => (rows.length === 0 ? 'No projects.\n' : renderTable(['PROJECT', 'STAGE', 'STATUS', 'RELEASE', 'URL'], rows)) });
    });
}

async function showOne(context: CommandContext, project: string | undefined, { branch, hash, env, ...options }: StatusOptions): Promise<void> {
  const { text, value } = await context.connect(options).preview({ project, branch, hash, env });
  show(context, options, { text, people: () => renderFields(fieldsOf(value)) });
}

function fieldsOf({ project, status, url, commit, reference, environment, release, restarts, build, lastError }: PreviewAnswer): [string, string | null][] {
  return [
    ['project', project], ['status', status], ['url', url],
    ...(reference === null ? [['commit', commit] as [string, string | null]] : [['image', reference] as [string, string]]),
    ['environment', environment], ['release', release], ['build', build ? `${build.id} ${build.status}` : null],
    ...(restarts === null ? [] : [['restarts', String(restarts)] as [string, string]]), ['last error', lastError?.message ?? null],
  ];
}

async function showAll(context: CommandContext, project: string | undefined, options: StatusOptions): Promise<void> {
  const client = context.connect(options);
  if (project !== undefined) {
    const { text, value } = await client.health(project);
    show(context, options, { text, people: () => renderHealth([value], false) });
    return;
  }
  const { value: projects } = await client.projects();
  const all = await Promise.all(projects.map(({ name }) => client.health(name)));
  show(context, options, { text: listText(all), people: () => renderHealth(all.map(({ value }) => value), true) });
}

/** Stages, then previews, with the project in front where there are several. */
function renderHealth(projects: readonly HealthAnswer[], all: boolean): string {
  const stages = projects.flatMap((project) => project.stages.map((stage) => ({ ...stage, in: project.name, what: stage.stage })));
  const previews = projects.flatMap((project) => project.previews.map((preview) => ({ ...preview, in: project.name, what: shortened(preview.label) })));
  const tables = [
    renderRows(['STAGE', 'STATUS', 'RELEASE', 'COMMIT', 'PREVIOUS', 'RESTARTS', 'URL'], stages, { all, cells: ({ status, release, commit, previous, restarts, url }) => [status, release, shortOf(commit), previous, restarts, url] }),
    renderRows(['PREVIEW', 'STATUS', 'RELEASE', 'RESTARTS', 'URL'], previews, { all, cells: ({ status, release, restarts, url }) => [status, release, restarts, url] }),
  ];
  return tables.filter((table) => table !== '').join('\n') || 'Nothing runs, and there are no stages.\n';
}

/** A commit's label is longer than a table is wide. */
const shortened = (label: string): string => label.replace(/[0-9a-f]{40}/, (hash) => hash.slice(0, 12));

interface Row { readonly in: string; readonly what: string; readonly lastError: StageAnswer['lastError'] }

function renderRows<Each extends Row>(head: readonly string[], rows: readonly Each[], { all, cells }: { all: boolean; cells: (row: Each) => readonly Cell[] }): string {
  if (rows.length === 0) return '';
  const table = renderTable([...(all ? ['PROJECT'] : []), ...head], rows.map((row) => [...(all ? [row.in] : []), row.what, ...cells(row)]));
  const errors = rows.flatMap((row): [string, string][] => (row.lastError ? [[`${all ? `${row.in} ` : ''}${row.what}:`, row.lastError.message]] : []));
  return errors.length === 0 ? table : table + renderFields(errors);
}
