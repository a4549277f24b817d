import { simpleGit, type SimpleGit } from 'simple-git';
import type { Clock } from '../kernel/clock.js';
import { gitEnvironment, type GitPlace } from './git-settings.js';
import { gitFailure, lastSentence, spawnGit, type GitChild } from './git-stream.js';

/** Git at one place. No text of a user may be an argument: names are looked up, only hexadecimal digits are passed. */
export interface Git {
  /** Runs a command whose output is text. @throws AppError `internal` with git's own sentence */
  text(args: readonly string[]): Promise<string>;
  /** Starts a command whose output is bytes. */
  open(args: readonly string[]): GitChild;
  /** When the oldest command that still runs was started, in milliseconds since the epoch; `now` when none runs. */
  oldestStart(now: number): number;
  /** Ends all running commands; later ones fail. */
  close(): void;
}

export interface GitDeps {
  readonly place: GitPlace;
  readonly clock: Pick<Clock, 'now'>;
}

/** How long a command may say nothing, in milliseconds. */
const SILENCE_MS = 120_000;
const AT_ONCE = 4;

export function createGit({ place, clock }: GitDeps): Git {
  const closing = new AbortController();
  const live = new Set<{ readonly since: number; readonly end: () => void }>();
  let ready: SimpleGit | null = null;

  // Made late: simple-git wants its folder to exist.
  const commands = (): SimpleGit => ready ??= simpleCommands(place, closing.signal);

  async function text(args: readonly string[]): Promise<string> {
    const entry = { since: clock.now(), end: () => undefined };
    live.add(entry);
    try {
      return await commands().raw([...args]);
    } catch (cause) {
      const said = cause instanceof Error ? cause.message : '';
      throw gitFailure(place.repository.redact(lastSentence(said) ?? `git ${args[0] ?? ''} failed`), cause);
    } finally {
      live.delete(entry);
    }
  }

  function open(args: readonly string[]): GitChild {
    if (closing.signal.aborted) throw gitFailure('git is closed');
    const child = spawnGit(place, args);
    const entry = { since: clock.now(), end: () => { child.end(); } };
    live.add(entry);
    void child.finished.catch(() => undefined).finally(() => live.delete(entry));
    return child;
  }

  return {
    text, open,
    oldestStart: (time) => Math.min(time, ...[...live].map(({ since }) => since)),
    close: () => {
      closing.abort();
      for (const { end } of live) end();
    },
  };
}

/** The environment is ours alone; naming its variables here is what lets simple-git pass them on. */
function simpleCommands(place: GitPlace, abort: AbortSignal): SimpleGit {
  const environment = gitEnvironment(place);
  return simpleGit({
    baseDir: place.home,
    abort,
    maxConcurrentProcesses: AT_ONCE,
    timeout: { block: SILENCE_MS },
    allowEnvironment: Object.keys(environment),
    unsafe: { allowUnsafeConfigPaths: true, allowUnsafeSshCommand: true },
  }).env(environment);
}
