import { appendFile, mkdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerId, ProjectName, ReleaseNumber } from '../domain/ids.js';
import { cleanLine, type LogLine } from '../domain/log-line.js';
import type { ContainerEngine, OutputLine, OutputOptions } from '../engine/port.js';
import { linesOf } from '../kernel/file-lines.js';
import type { Logger } from '../kernel/log.js';

export interface ReleaseName {
  readonly project: ProjectName;
  readonly number: ReleaseNumber;
}

/** A process of a release; `web` where none is named. */
export interface ProcessName extends ReleaseName { readonly process?: string | null }

/** What applications printed, kept after their containers are gone: `<project>-v<N>[.<process>].log`, 5 MiB and one older part. */
export interface RunLogs {
  /** Keeps what a container printed, before it is removed; a failure loses the log, never the stop. */
  keep(of: ProcessName, container: ContainerId): Promise<void>;
  /** Kept lines, then what the running container printed so far. */
  read(of: ProcessName, container: ContainerId | undefined): AsyncIterable<LogLine>;
  /** The same, and then live until the signal aborts or the container ends. */
  follow(of: ProcessName, container: ContainerId | undefined, signal: AbortSignal): AsyncIterable<LogLine>;
  /** The container's last lines, for a page that says what happened. */
  last(container: ContainerId): Promise<readonly string[]>;
}

const LONGEST_BYTES = 5 * 1024 * 1024;
const KEPT_LINES = 20_000;
const SHOWN_LINES = 100;

export function createRunLogs({ folder, engine, log }: { folder: string; engine: Pick<ContainerEngine, 'output'>; log: Logger }): RunLogs {
  const pathOf = (of: ProcessName) => join(folder, `${of.project}-v${of.number}${of.process ? `.${of.process}` : ''}.log`);

  const collect = async (container: ContainerId, tail: number): Promise<OutputLine[]> => {
    const lines: OutputLine[] = [];
    for await (const line of engine.output(container, { tail, follow: false })) lines.push(line);
    return lines;
  };

  async function* all(of: ProcessName, container: ContainerId | undefined, options: OutputOptions): AsyncGenerator<LogLine> {
    let n = 0;
    for await (const raw of keptLines(pathOf(of))) {
      const space = raw.indexOf(' ');
      yield { n: ++n, at: raw.slice(0, space), text: raw.slice(space + 1) };
    }
    if (!container) return;
    for await (const { at, text } of engine.output(container, options)) yield { n: ++n, at, text: cleanLine(text) };
  }

  return {
    keep: async (of, container) => {
      try {
        const lines = await collect(container, KEPT_LINES);
        if (lines.length === 0) return;
        await mkdir(folder, { recursive: true });
        await makeRoom(pathOf(of));
        await appendFile(pathOf(of), lines.map(({ at, text }) => `${at} ${cleanLine(text)}\n`).join(''));
      } catch (error) {
        log.warn('application log not kept', { project: of.project, number: of.number, ...(of.process ? { process: of.process } : {}), error });
      }
    },
    last: async (container) => {
      try {
        return (await collect(container, SHOWN_LINES)).map(({ text }) => cleanLine(text));
      } catch (error) {
        log.warn('application output not read', { container, error });
        return [];
      }
    },
    read: (of, container) => all(of, container, { tail: KEPT_LINES, follow: false }),
    follow: (of, container, signal) => all(of, container, { tail: KEPT_LINES, follow: true, signal }),
  };
}

async function makeRoom(path: string): Promise<void> {
  const size = await stat(path).then((found) => found.size, () => 0);
  if (size > LONGEST_BYTES) await rename(path, `${path}.1`);
}

async function* keptLines(path: string): AsyncGenerator<string> {
  for (const part of [`${path}.1`, path]) yield* linesOf(part);
}
