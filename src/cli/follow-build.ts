import { isActive } from '../domain/build.js';
import type { BuildAnswer } from './answers.js';
import type { Answer } from './asking.js';
import type { Client } from './client.js';
import { renderLines, type CommandContext } from './context.js';
import { CommandFailure, EXIT } from './failure.js';

const RECONNECT_MS = 1_000;
const TRIES = 10;

/** A server that was killed takes builds up again as soon as it is back. */
const SUCCESSOR_TRIES = 5;

export type BuildSource = Pick<Client, 'buildEvents' | 'builds'>;

/**
 * Prints a build's log on stderr while it grows, and ends with it. A connection that breaks off is made again; the log
 * goes on where it was, and on with the next attempt at a build that a server's end interrupted.
 *
 * @returns the build as it ended, whether it succeeded or not
 * @throws CommandFailure when the server cannot be reached any more
 */
export async function followBuild(client: BuildSource, id: string, context: Pick<CommandContext, 'stderr' | 'clock'>): Promise<Answer<BuildAnswer>> {
  for (let current = id; ;) {
    const ended = await followOne(client, current, context);
    const next = ended.value.status === 'interrupted' ? await successorOf(client, ended.value, context) : undefined;
    if (next === undefined) return ended;
    context.stderr.write(`slipway: The server ended during build ${current}; ${next} takes it up again.\n`);
    current = next;
  }
}

/** The build that was begun in place of an interrupted one: of the same content, and newer, as ids go by time. */
async function successorOf(client: BuildSource, { id, project, key }: BuildAnswer, { clock }: Pick<CommandContext, 'clock'>): Promise<string | undefined> {
  for (let tries = 1; tries <= SUCCESSOR_TRIES; tries += 1) {
    const builds = await client.builds(project).then(({ value }) => value, (error: unknown) => {
      if (!isUnreachable(error)) throw error;
      return [];
    });
    const next = builds.filter((build) => build.key === key && build.id > id).at(-1);
    if (next) return next.id;
    await clock.sleep(RECONNECT_MS);
  }
  return undefined;
}

async function followOne(client: BuildSource, id: string, { stderr, clock }: Pick<CommandContext, 'stderr' | 'clock'>): Promise<Answer<BuildAnswer>> {
  let after = 0;
  let tries = 0;
  const untilItEnds = async (): Promise<Answer<BuildAnswer> | undefined> => {
    for await (const event of client.buildEvents(id, after)) {
      tries = 0;
      if (event.kind === 'state') {
        if (!isActive(event.build.value)) return event.build;
      } else {
        after = event.line.n;
        stderr.write(renderLines([event.line.text]));
      }
    }
    return undefined;
  };
  for (;;) {
    const ended = await untilItEnds().catch((error: unknown) => {
      if (!isUnreachable(error) || tries >= TRIES) throw error;
      return undefined;
    });
    if (ended) return ended;
    // A server that stops ends its streams as well.
    if (tries >= TRIES) throw new CommandFailure(EXIT.unreachable, `The server ends the events of ${id} before the build has ended; see slipway view ${id}.`);
    tries += 1;
    await clock.sleep(RECONNECT_MS);
  }
}

const isUnreachable = (error: unknown): boolean => error instanceof CommandFailure && error.exitCode === EXIT.unreachable;

/** @throws CommandFailure unless the build has an image */
export function assertBuilt({ id, project, status, error }: BuildAnswer): void {
  if (status === 'succeeded' || status === 'reused') return;
  if (status === 'interrupted') throw new CommandFailure(EXIT.interrupted, `The build ${id} of ${project} was interrupted as the server ended, and is not taken up again. Nothing is known to be wrong with it: build it again.`);
  throw new CommandFailure(EXIT.buildFailed, `The build ${id} of ${project} ${ENDS[status] ?? `is ${status}`}${error ? `: ${error.message}` : '.'}`);
}

const LAST_LINES = 20;

/**
 * Adds the last lines of a build to its failure where the server left them out, as it does for calls that build on the way.
 *
 * @throws CommandFailure that `change` throws
 */
export async function withLastLines<Value>(client: Pick<Client, 'builds' | 'buildLog'>, project: string, change: Promise<Value>): Promise<Value> {
  try {
    return await change;
  } catch (error) {
    if (!(error instanceof CommandFailure) || error.exitCode !== EXIT.buildFailed || error.lines.length > 0) throw error;
    const lines = await lastLinesOf(client, project, error.message).catch(() => []);
    throw new CommandFailure(error.exitCode, error.message, { lines, cause: error });
  }
}

async function lastLinesOf(client: Pick<Client, 'builds' | 'buildLog'>, project: string, message: string): Promise<readonly string[]> {
  const failed = (await client.builds(project)).value.find(({ error }) => error !== null && message.startsWith(error.message));
  if (!failed) return [];
  const lines: string[] = [];
  for await (const line of client.buildLog(failed.id)) {
    lines.push(line.replace(/^\S+Z /, ''));
    if (lines.length > LAST_LINES) lines.shift();
  }
  return lines;
}

const ENDS: Readonly<Partial<Record<BuildAnswer['status'], string>>> = { failed: 'failed', cancelled: 'was cancelled' };
