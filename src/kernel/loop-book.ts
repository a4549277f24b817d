import type { ProjectName } from '../domain/ids.js';
import type { Clock } from './clock.js';

/** What is known of a step that repeats. Times are milliseconds since the epoch, durations milliseconds. */
export interface LoopRecord {
  readonly name: string;
  /** Null for what concerns all projects. */
  readonly project: ProjectName | null;
  /** The pause after each pass. */
  readonly periodMs: number;
  readonly passes: number;
  readonly failures: number;
  /** When the last pass began; null before the first. */
  readonly lastAt: number | null;
  /** How long the last whole pass took; null before its end. */
  readonly lastMs: number | null;
  readonly underWay: boolean;
  /** The last failure, also when passes after it went well. */
  readonly lastError: { readonly at: number; readonly message: string } | null;
}

/** A loop's own line in the book. */
export interface LoopEntry {
  began(): void;
  ended(): void;
  failed(error: unknown): void;
  /** The loop has stopped: its line goes. */
  left(): void;
}

/** All loops that run now, by name, so that a maintainer sees whether one of them stands still. */
export interface LoopBook {
  enter(loop: Pick<LoopRecord, 'name' | 'project' | 'periodMs'>): LoopEntry;
  /** In the order of their names and projects. */
  list(): readonly LoopRecord[];
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export function createLoopBook({ clock }: { clock: Clock }): LoopBook {
  const lines = new Set<Mutable<LoopRecord>>();
  return {
    enter: (loop) => {
      const line: Mutable<LoopRecord> = { ...loop, passes: 0, failures: 0, lastAt: null, lastMs: null, underWay: false, lastError: null };
      let startedAt = 0;
      lines.add(line);
      const end = () => {
        line.underWay = false;
        line.passes += 1;
        line.lastMs = clock.monotonic() - startedAt;
      };
      return {
        began: () => { line.underWay = true; line.lastAt = clock.now(); startedAt = clock.monotonic(); },
        ended: end,
        failed: (error) => {
          end();
          line.failures += 1;
          line.lastError = { at: clock.now(), message: error instanceof Error ? error.message : String(error) };
        },
        left: () => { lines.delete(line); },
      };
    },
    list: () => [...lines].map((line) => ({ ...line })).sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1)),
  };
}

const orderOf = ({ name, project }: LoopRecord): string => `${name} ${project ?? ''}`;
