import type { AppError } from '../domain/errors.js';
import type { BuildId } from '../domain/ids.js';
import type { LogLine } from '../domain/log-line.js';
import type { Project } from '../domain/project.js';
import type { PreviewName } from '../domain/preview-name.js';
import type { PageLink, PreviewSubject, WaitingState } from './waiting-models.js';

/** A preview named without its project. */
export type Elsewhere = PreviewName & { readonly kind: 'commit' | 'branch' };

/** What the data plane asks for when a host has nothing running; the flows give it. */
export interface Visits {
  /** Resolves the host. @throws AppError of the source stage */
  find(project: Project, name: PreviewName): Promise<Visit>;
  /** The hosts of the projects that have what a host below the server host names; one at least. @throws AppError of the source stage */
  homes(name: Elsewhere): Promise<readonly string[]>;
}

/** One preview that somebody looks at. */
export interface Visit {
  /** The canonical label; another one than asked for is redirected to. */
  readonly label: string;
  /** Lets it run, joined by all who want that meanwhile. @throws AppError why it cannot */
  open(): Promise<void>;
  view(): Promise<VisitView>;
  /** The view now and after each change, until the signal aborts. */
  watch(signal: AbortSignal): AsyncIterable<VisitView>;
  /** The build's log from after the line, live. */
  lines(build: BuildId, after: number, signal: AbortSignal): AsyncIterable<LogLine>;
}

export interface VisitView {
  readonly subject: PreviewSubject;
  readonly waiting: WaitingState;
  readonly build: BuildId | null;
  /** Whether letting it run is of use to those who only watch. */
  readonly isWorthOpening: boolean;
  /** Such as `v7`; null before the first. */
  readonly release: string | null;
  readonly elapsedSeconds: number;
  readonly previous: PageLink | null;
  /** Where a person goes from an error page; the first is the one to press. */
  links(error: AppError): readonly PageLink[];
}
