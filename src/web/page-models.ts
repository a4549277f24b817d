import type { BuildStatus } from '../domain/build.js';
import type { LogLine } from '../domain/log-line.js';
import type { PreviewState } from '../domain/state.js';
import type { PageLink } from '../serve/waiting-models.js';
import type { Moment } from './format.js';
import type { ApplicationLogPage, DebugPage, LocalImagesPage, StatusPage } from './maintainer-models.js';
import type { CommitView, NamedValue, PageFrame, Pagination } from './page-parts.js';
import type { ReleasesPage, StageView } from './release-models.js';

export type { CommitView, NamedValue, PageFrame, Pagination } from './page-parts.js';

/** The pages of the control plane by template name. Every URL is made by the server, none in a template. */
export interface ControlPages {
  readonly projects: ProjectsPage;
  readonly project: ProjectPage;
  readonly build: BuildPage;
  readonly preview: PreviewPage;
  readonly 'application-log': ApplicationLogPage;
  readonly status: StatusPage;
  readonly releases: ReleasesPage;
  readonly 'local-images': LocalImagesPage;
  readonly debug: DebugPage;
  readonly error: ErrorPage;
  readonly confirm: ConfirmPage;
}

export interface ProjectsPage {
  readonly frame: PageFrame;
  readonly queue: { readonly building: number; readonly waiting: number };
  readonly search: { readonly query: string; readonly url: string };
  /** How many there are, matching or not. */
  readonly total: number;
  readonly projects: readonly ProjectRow[];
}

export interface ProjectRow {
  readonly name: string;
  /** Its own host. */
  readonly url: string;
  readonly repository: { readonly text: string; readonly url: string | null };
  readonly branches: number;
  readonly running: number;
  /** The branch that moved last; null when there is none. */
  readonly newest: { readonly name: string; readonly subject: string; readonly at: Moment } | null;
  /** Why the repository cannot be reached; null when it can. */
  readonly fault: string | null;
}

export interface ProjectPage {
  readonly frame: PageFrame;
  readonly project: string;
  /** Where the repository is, without credentials; `url` is null unless a browser can open it. */
  readonly repository: { readonly text: string; readonly url: string | null };
  /** Set while the remote cannot be reached: its own words, and since when. */
  readonly staleRefs: { readonly message: string; readonly since: Moment } | null;
  readonly queue: { readonly building: number; readonly waiting: number };
  /** In their order; empty when none are configured. */
  readonly stages: readonly StageView[];
  readonly releasesUrl: string;
  /** Stages are not among them. */
  readonly running: readonly RunningPreview[];
  /** What the list was searched for; empty for all. The box sends `q` with GET to `url`. */
  readonly search: { readonly query: string; readonly url: string };
  readonly branches: readonly BranchRow[];
  readonly pagination: Pagination;
}

/** One row of what runs now. */
export interface RunningPreview {
  readonly label: string;
  readonly url: string;
  /** The page with its output. */
  readonly pageUrl: string;
  readonly branch: string | null;
  /** The reference of an image that was pulled. */
  readonly image: string | null;
  /** Null for an image. */
  readonly commit: CommitView | null;
  /** Such as `v7`. */
  readonly release: string;
  readonly environment: string | null;
  readonly state: PreviewState;
  readonly since: Moment;
}

export interface BranchRow {
  readonly name: string;
  readonly commit: CommitView;
  readonly state: PreviewState;
  /** The branch URL that opens its commit. */
  readonly openUrl: string;
  /** The newest build of its commit; null when there was none. */
  readonly buildUrl: string | null;
}

/** A log with its live continuation. */
export interface LogView {
  readonly lines: readonly OutputView[];
  /** Server-sent events `line` (data: a line as JSON, id: its `n`) and `state`; null when nothing more comes. */
  readonly eventsUrl: string | null;
  /** The whole log as plain text; null when there is none. */
  readonly textUrl: string | null;
}

export interface OutputView extends LogLine {
  readonly stream?: 'stdout' | 'stderr';
}

/** What went wrong, why, and what to do next. */
export interface ErrorView {
  readonly title: string;
  readonly message: string;
  readonly remedy: string;
}

/** The page reloads itself when a `state` event carries another `status` than the one shown. */
export interface BuildPage {
  readonly frame: PageFrame;
  readonly id: string;
  readonly status: BuildStatus;
  /** The reference of what was pulled; null for a build. */
  readonly image: string | null;
  /** Null for a pull. */
  readonly commit: CommitView | null;
  readonly branches: readonly string[];
  /** The first 12 hex digits of the build key. */
  readonly shortKey: string;
  readonly noCache: boolean;
  /** 1 for the first try. */
  readonly attempt: number;
  readonly queuedAt: Moment;
  readonly startedAt: Moment | null;
  readonly finishedAt: Moment | null;
  /** How long it ran, or has been running; null before it began. */
  readonly duration: string | null;
  /** Set while it waits; `eta` such as `about 2 min`, null when unknown. */
  readonly queue: { readonly position: number; readonly eta: string | null } | null;
  readonly error: ErrorView | null;
  readonly reusedFrom: PageLink | null;
  readonly log: LogView;
  /** Null when there is nothing to open. */
  readonly openUrl: string | null;
  /** The confirmation page; null unless it waits or runs. */
  readonly cancelUrl: string | null;
  /** The confirmation page; null while it waits or runs. */
  readonly againUrl: string | null;
}

/** The page reloads itself when a `state` event carries another `state` than the one shown. */
export interface PreviewPage {
  readonly frame: PageFrame;
  readonly label: string;
  readonly url: string;
  readonly state: PreviewState;
  readonly branch: string | null;
  /** The reference of an image that was pulled. */
  readonly image: string | null;
  /** Null before there is a release, and for an image. */
  readonly commit: CommitView | null;
  readonly release: string | null;
  /** All releases of its route. */
  readonly releasesUrl: string;
  /** Of a stage its own name. */
  readonly environment: string | null;
  readonly since: Moment | null;
  readonly lastError: (ErrorView & { readonly at: Moment }) | null;
  readonly log: LogView;
  /** The output as plain text of what runs beside the application's own process, by its name. */
  readonly processLogs: readonly PageLink[];
  readonly buildUrl: string | null;
  /** The confirmation page; null when there is nothing to restart. */
  readonly restartUrl: string | null;
  /** The same for pulling an image again; null for all else. */
  readonly pullUrl: string | null;
  /** The same for deleting the preview of an image; null for all else. */
  readonly deleteUrl: string | null;
}

export interface ErrorPage extends ErrorView {
  readonly frame: PageFrame;
  readonly status: number;
  readonly code: string;
  readonly requestId: string;
  /** Names close to the one asked for; each opens it. */
  readonly nearest: readonly PageLink[];
  /** Commits that an ambiguous hash could mean; each opens it. */
  readonly candidates: readonly { readonly commit: CommitView; readonly url: string }[];
  readonly lastLines: readonly string[];
  /** Where to go next; the first is the one to press. */
  readonly links: readonly PageLink[];
}

/** A question before a change: one form that posts to `actionUrl`. */
export interface ConfirmPage {
  readonly frame: PageFrame;
  readonly question: string;
  /** Sentences about what will happen. */
  readonly consequences: readonly string[];
  readonly actionUrl: string;
  /** Hidden fields: ids and hashes only, since invisible characters in them would be shown instead of sent. */
  readonly fields: readonly NamedValue[];
  /** The forgery token, sent as `token`. */
  readonly token: string;
  /** What the button says, such as `Cancel the build`. */
  readonly submitText: string;
  /** Whether the button takes something away. */
  readonly destructive: boolean;
  readonly cancelUrl: string;
}
