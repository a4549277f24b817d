import { appendFile, mkdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { AppError } from '../domain/errors.js';
import { formatRelease, type ContainerId, type ProjectName, type ReleaseNumber } from '../domain/ids.js';
import { cleanLine, type LogLine } from '../domain/log-line.js';
import { createMask, type Mask } from '../domain/mask.js';
import type { ContainerEngine, OutputLine, OutputOptions } from '../engine/port.js';
import { linesOf } from '../kernel/file-lines.js';
import type { Logger } from '../kernel/log.js';
import type { ReleaseStore } from '../state/releases.js';

export interface ReleaseName {
  readonly project: ProjectName;
  readonly number: ReleaseNumber;
}

/** A process of a release; `web` where none is named. */
export interface ProcessName extends ReleaseName { readonly process?: string | null }

export interface RunLogsDeps {
  readonly folder: string;
  readonly engine: Pick<ContainerEngine, 'output'>;
  readonly releases: Pick<ReleaseStore, 'find' | 'secretsOf'>;
  readonly log: Logger;
}

/**
 * What applications printed, kept after their containers are gone: `<project>-v<N>[.<process>].log`, 5 MiB and one older part.
 * It has `***` for the secrets of the release; where they cannot be read, nobody is shown anything.
 */
export interface RunLogs {
  /** Keeps what a container printed, before it is removed; a failure loses the log, never the stop. */
  keep(of: ProcessName, container: ContainerId): Promise<void>;
  /** Kept lines, then what the running container printed so far. @throws AppError `unknown_release`, `internal` when its secrets cannot be read */
  read(of: ProcessName, container: ContainerId | undefined): AsyncIterable<LogLine>;
  /** The same, and then live until the signal aborts or the container ends. */
  follow(of: ProcessName, container: ContainerId | undefined, signal: AbortSignal): AsyncIterable<LogLine>;
  /** The last lines of a container of the release, for a page that says what happened. */
  last(of: ReleaseName, container: ContainerId): Promise<readonly string[]>;
}

const LONGEST_BYTES = 5 * 1024 * 1024;
const KEPT_LINES = 20_000;
const SHOWN_LINES = 100;
/** So much is prepared before everybody else has their turn, in characters. */
const BETWEEN_OTHERS = 64 * 1024;

/** Ends of lines that lost their rest on the way, of lines kept by earlier versions, too. */
const CUT = /\u{FFFD}?(?: … \d*[ a-z]*)? … \d+ (?:bytes omitted|characters omitted …)$/u;

export function createRunLogs({ folder, engine, releases, log }: RunLogsDeps): RunLogs {
  const pathOf = (of: ProcessName) => join(folder, `${of.project}-v${of.number}${of.process ? `.${of.process}` : ''}.log`);

  const maskOf = async ({ project, number }: ReleaseName): Promise<Mask> => {
    const release = await releases.find(project, number);
    if (!release) throw new AppError('unknown_release', `There is no release ${formatRelease(number)} of ${project}.`);
    return createMask(Object.values(await releases.secretsOf(release)));
  };

  const collect = async (container: ContainerId, tail: number): Promise<OutputLine[]> => {
    const lines: OutputLine[] = [];
    for await (const line of engine.output(container, { tail, follow: false })) lines.push(line);
    return lines;
  };

  async function* all(of: ProcessName, container: ContainerId | undefined, options: OutputOptions): AsyncGenerator<LogLine> {
    const mask = await maskOf(of);
    let n = 0;
    for await (const raw of keptLines(pathOf(of))) {
      const space = raw.indexOf(' ');
      yield { n: ++n, at: raw.slice(0, space), text: maskLine(raw.slice(space + 1), mask) };
    }
    if (!container) return;
    for await (const { at, text } of engine.output(container, options)) yield { n: ++n, at, text: shownLine(text, mask) };
  }

  return {
    keep: async (of, container) => {
      try {
        const mask = await maskOf(of);
        const lines = await collect(container, KEPT_LINES);
        if (lines.length === 0) return;
        await mkdir(folder, { recursive: true });
        await makeRoom(pathOf(of));
        await appendFile(pathOf(of), await keptText(lines, mask));
      } catch (error) {
        log.warn('application log not kept', { project: of.project, number: of.number, ...(of.process ? { process: of.process } : {}), error });
      }
    },
    last: async (of, container) => {
      try {
        const mask = await maskOf(of);
        return (await collect(container, SHOWN_LINES)).map(({ text }) => shownLine(text, mask));
      } catch (error) {
        log.warn('application output not read', { container, error });
        return [];
      }
    },
    read: (of, container) => all(of, container, { tail: KEPT_LINES, follow: false }),
    follow: (of, container, signal) => all(of, container, { tail: KEPT_LINES, follow: true, signal }),
  };
}

async function keptText(lines: readonly OutputLine[], mask: Mask): Promise<string> {
  let text = '';
  let others = 0;
  for (const line of lines) {
    text += `${line.at} ${shownLine(line.text, mask)}\n`;
    if (text.length - others < BETWEEN_OTHERS) continue;
    others = text.length;
    await setImmediate();
  }
  return text;
}

/** A secret may hold what is cleaned away, and may be seen only once something is. */
const shownLine = (text: string, mask: Mask): string => maskLine(cleanLine(maskLine(text, mask)), mask);

function maskLine(text: string, mask: Mask): string {
  const cut = text.search(CUT);
  return cut < 0 ? mask.text(text) : mask.text(text.slice(0, cut), true) + text.slice(cut);
}

async function makeRoom(path: string): Promise<void> {
  const size = await stat(path).then((found) => found.size, () => 0);
  if (size > LONGEST_BYTES) await rename(path, `${path}.1`);
}

async function* keptLines(path: string): AsyncGenerator<string> {
  for (const part of [`${path}.1`, path]) yield* linesOf(part);
}
