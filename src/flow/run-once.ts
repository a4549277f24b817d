import { AppError, toAppError } from '../domain/errors.js';
import { formatRelease, type ReleaseNumber } from '../domain/ids.js';
import { createMask, type Mask } from '../domain/mask.js';
import type { Project } from '../domain/project.js';
import type { Release } from '../domain/release.js';
import type { Urls } from '../domain/urls.js';
import type { ContainerEngine, ContainerExit, OnceOptions, OnceOutput } from '../engine/port.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { portOf, specOf } from '../run/start.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';
import { imageGone } from './open-preview.js';
import { branchOfRelease, environmentOf, type BranchTips } from './release-environment.js';
import type { ServeRelease } from './serve-release.js';

export interface RunOnceDeps {
  readonly engine: Pick<ContainerEngine, 'image' | 'runOnce'>;
  readonly routes: Pick<RouteStore, 'find'>;
  readonly releases: Pick<ReleaseStore, 'find' | 'secretsOf'>;
  readonly sources: BranchTips;
  readonly serveRelease: Pick<ServeRelease, 'hostsOf'>;
  readonly urls: Urls;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A command and the release it is run with. */
export interface OnceWanted {
  readonly project: Project;
  readonly release: ReleaseNumber;
  readonly command: readonly string[];
  /** As the engine's: the command waits while the promise does. It is given `***` for the release's secrets. */
  readonly onOutput: OnceOptions['onOutput'];
  /** Aborts when nobody wants it any more. */
  readonly signal: AbortSignal;
}

/** Commands that are run once with a release's image, settings, secrets and limits, each in a container of its own. */
export interface RunOnce {
  /**
   * Ends with the command. What serves the release is not touched, and neither git nor the builder is asked.
   *
   * @throws AppError `invalid_request`, `unknown_release`, `image_gone`, `too_busy`, `command_timeout`, those of the engine; `signal.reason` after an abort
   */
  run(wanted: OnceWanted): Promise<ContainerExit>;
  /** Kills every one and waits until their containers are gone. */
  close(): Promise<void>;
}

/** Of all projects: each may use as much as a preview. */
const MOST = 4;
const LONGEST_MS = 60 * 60_000;

export function createRunOnce({ engine, routes, releases, sources, serveRelease, urls, clock, log }: RunOnceDeps): RunOnce {
  const running = new Set<Promise<unknown>>();
  const closing = new AbortController();

  const findRelease = async ({ project, release: number }: OnceWanted): Promise<Release> => {
    const release = await releases.find(project.name, number);
    if (!release) throw new AppError('unknown_release', `There is no release ${formatRelease(number)} of ${project.name}.`);
    if (await engine.image(release.image) === undefined) throw imageGone(release);
    return release;
  };

  const specFor = async ({ project }: OnceWanted, release: Release) => {
    const route = await routes.find(release.route);
    if (!route) throw new AppError('internal', `The route of ${formatRelease(release.number)} is not in the records.`);
    const [host = urls.serverHost] = serveRelease.hostsOf({ project, label: route.label });
    const env = await environmentOf({ route, release, branch: branchOfRelease(sources, { route, release }), host }, { releases, urls });
    return specOf(release, { port: await portOf(release, engine), placement: { env } });
  };

  const run = async (wanted: OnceWanted): Promise<ContainerExit> => {
    const { project, command, onOutput } = wanted;
    const over = new AbortController();
    const done = new AbortController();
    const signal = AbortSignal.any([wanted.signal, closing.signal, over.signal]);
    try {
      const release = await findRelease(wanted);
      const spec = await specFor(wanted, release);
      const startedAt = clock.monotonic();
      void clock.sleep(LONGEST_MS, done.signal).then(() => {
        if (!done.signal.aborted) over.abort(new AppError('command_timeout', `The command took longer than ${LONGEST_MS / 60_000} minutes, and was killed.`));
      });
      const masked = maskOutput(createMask(Object.values(await releases.secretsOf(release))), onOutput);
      const exit = await engine.runOnce(spec, { command, onOutput: masked.onOutput, signal }).finally(masked.end);
      // Not what it was: secrets are given to commands as arguments, too.
      log.info('command run once', { project: project.name, release: release.number, code: exit.code, ms: Math.round(clock.monotonic() - startedAt) });
      return exit;
    } catch (error) {
      log.info('command not run to its end', { project: project.name, release: wanted.release, code: toAppError(error).code });
      throw error;
    } finally {
      done.abort();
    }
  };

  return {
    run: async (wanted) => {
      assertCommand(wanted.command);
      closing.signal.throwIfAborted();
      if (running.size >= MOST) throw new AppError('too_busy', `${MOST} commands run already.`);
      const work = run(wanted);
      running.add(work);
      return work.finally(() => { running.delete(work); });
    },
    close: async () => {
      closing.abort(new AppError('shutting_down', 'The server stops; the command was killed.'));
      await Promise.allSettled(running);
    },
  };
}

/** Each stream has readers of its own. `end` gives out what waited for its rest. */
function maskOutput(mask: Mask, onOutput: OnceOptions['onOutput']): { readonly onOutput: OnceOptions['onOutput']; end(): Promise<void> } {
  const masks = { stdout: mask.pieces(), stderr: mask.pieces() };
  const give = async (stream: OnceOutput['stream'], text: string) => { if (text !== '') await onOutput({ stream, text }); };
  return {
    onOutput: ({ stream, text }) => give(stream, masks[stream].push(text)),
    end: async () => {
      await give('stdout', masks.stdout.end());
      await give('stderr', masks.stderr.end());
    },
  };
}

/** What the engine could not pass on, or would take for the image's own command. */
function assertCommand(command: readonly string[]): void {
  const [program = ''] = command;
  if (program === '') throw new AppError('invalid_request', 'Give the command as a list of texts, its program first.');
  if (command.some((word) => word.includes('\0'))) throw new AppError('invalid_request', 'A command cannot have NUL in it.');
}
