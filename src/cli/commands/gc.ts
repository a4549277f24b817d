import type { Command } from 'commander';
import type { GcAnswer } from '../answers.js';
import { show, withServer, type CommandContext, type ShowOptions } from '../context.js';
import { counted, momentOf, renderTable, shortOf } from '../output.js';

interface GcOptions extends ShowOptions { readonly dryRun?: boolean }

/** `gc`: removes what is over its limits, or tells what sleeps, stops and goes next, and why. */
export function addGcCommand(program: Command, context: CommandContext): void {
  withServer(program.command('gc'))
    .description('Remove what is over its limits and nobody used for longest; with --dry-run, tell what would go and why')
    .option('--dry-run', 'change nothing')
    .action(async ({ dryRun = false, ...options }: GcOptions) => {
      const client = context.connect(options);
      const { text, value } = await (dryRun ? client.explainGc() : client.gc());
      show(context, options, { text, people: () => `${renderMarks(value)}\n${renderPreviews(value)}${renderImages(value, dryRun)}` });
    });
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;

function renderMarks({ marks }: GcAnswer): string {
  const shown = (name: string, amount: number) => (name === 'memory' || name === 'disk' ? percent(amount) : String(amount));
  return renderTable(['LIMIT OF', 'NOW', 'MOST', 'STATE'], marks.map(({ name, now, most, over }) => [name, now === null ? null : shown(name, now), shown(name, most), over ? 'over' : 'ok']));
}

const NEXT = { sleep: 'sleeps', stop: 'stops' } as const;

function renderPreviews({ previews }: GcAnswer): string {
  if (previews.length === 0) return '';
  const rows = previews.map(({ project, label, release, status, idleSeconds, next, inSeconds, why, turn }) =>
    [project, label, release, status, idleSeconds === null ? 'in use' : lasting(idleSeconds), next === null ? why : `${NEXT[next]} in ${lasting(inSeconds ?? 0)}`, turn]);
  return `${renderTable(['PROJECT', 'PREVIEW', 'RELEASE', 'STATUS', 'IDLE', 'NEXT', 'TURN'], rows)}\n`;
}

function renderImages({ images, kept }: GcAnswer, isDry: boolean): string {
  const stay = kept.length === 1 ? 'stays' : 'stay';
  if (images.length === 0) return `No image ${isDry ? 'is to go' : 'went'}; ${counted(kept.length, 'image')} ${stay}.\n${renderKept(kept)}`;
  const rows = images.map(({ project, image, bytes, lastUsedAt, why }) => [project, shortOf(image), `${Math.round(bytes / 1024 ** 2)} MiB`, lastUsedAt === null ? null : momentOf(lastUsedAt), why]);
  return `${counted(images.length, 'image')} ${isDry ? 'would go' : 'went'}, ${kept.length} ${stay}.\n${renderTable(['PROJECT', 'IMAGE', 'SIZE', 'LAST USED', 'WHY'], rows)}${renderKept(kept)}`;
}

/** How many stay for which reason, the most frequent first; each of them is in `--json`. */
function renderKept(kept: GcAnswer['kept']): string {
  if (kept.length === 0) return '';
  const times = new Map<string, number>();
  for (const { why } of kept) times.set(why, (times.get(why) ?? 0) + 1);
  return `\n${renderTable(['STAY', 'WHY'], [...times].sort(([, one], [, other]) => other - one).map(([why, count]) => [count, why]))}`;
}

/** `75 s`, `12 min`, `3 h`. */
function lasting(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}
