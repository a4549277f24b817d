import type { Command } from 'commander';
import { readProjects } from '../arguments.js';
import type { Answer } from '../asking.js';
import type { Client } from '../client.js';
import { listText, show, withServer, type CommandContext, type ShowOptions } from '../context.js';
import { counted } from '../output.js';

/** `restart` and `stop`: what runs of whole projects. The API counts previews, stages among those that are restarted. */
export function addAppCommands(program: Command, context: CommandContext): void {
  const add = (name: 'restart' | 'stop', { done, description }: { done: string; description: string }) => {
    withServer(program.command(name))
      .description(description)
      .argument('<project...>', 'their names', readProjects)
      .action(async (projects: readonly string[], options: ShowOptions) => {
        const answers = await each(context.connect(options), projects, name);
        const count = answers.reduce((sum, { value }) => sum + value.count, 0);
        show(context, options, { text: listText(answers), people: () => `${done} ${counted(projects.length, 'app')}, ${counted(count, 'preview')}\n` });
      });
  };
  add('restart', { done: 'Restarted', description: 'Start what runs of projects anew, from the same releases' });
  add('stop', { done: 'Stopped', description: 'Stop what runs of projects but for their stages; the next visit starts it again' });
}

/** One after the other, so that what was done before a failure is certain. */
async function each(client: Client, projects: readonly string[], verb: 'restart' | 'stop'): Promise<readonly Answer<{ readonly count: number }>[]> {
  const answers: Answer<{ readonly count: number }>[] = [];
  for (const project of projects) answers.push(await client[verb](project));
  return answers;
}
