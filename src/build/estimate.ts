import { isPull, type Build } from '../domain/build.js';
import type { ProjectName } from '../domain/ids.js';
import type { Clock } from '../kernel/clock.js';

/** Where a build stands. */
export interface QueuePlace {
  /** 1 is next; 0 is running. */
  readonly position: number;
  /** Seconds until it is done, from the median of the last ten; null while nothing was built, and for a pull. */
  readonly etaSeconds: number | null;
}

/** Predicts from what builds of the project took so far. */
export interface Estimate {
  /** Notes how long a successful build took, in milliseconds. */
  took(project: ProjectName, ms: number): void;
  /** Whether anything is known of the project. */
  knows(project: ProjectName): boolean;
  place(build: Build, position: number): QueuePlace;
}

const REMEMBERED = 10;

export function createEstimate({ clock, concurrency }: { clock: Clock; concurrency: number }): Estimate {
  const durations = new Map<ProjectName, number[]>();
  return {
    took: (project, ms) => { durations.set(project, [ms, ...(durations.get(project) ?? [])].slice(0, REMEMBERED)); },
    knows: (project) => durations.has(project),
    place: ({ project, startedAt, recipe }, position) => {
      const typical = isPull(recipe) ? null : median(durations.get(project) ?? []);
      if (typical === null) return { position, etaSeconds: null };
      const elapsed = startedAt === null ? 0 : Math.max(0, clock.now() - startedAt);
      const left = Math.max(1_000, typical * (1 + Math.ceil(position / concurrency)) - elapsed);
      return { position, etaSeconds: Math.ceil(left / 1_000) };
    },
  };
}

function median(values: readonly number[]): number | null {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? null;
}
