import type { BuildStatus } from '../domain/build.js';
import type { LogLine } from '../domain/log-line.js';
import type { PreviewState, statusWord } from '../domain/state.js';
import type { LogLevel } from '../kernel/log.js';
import type { PageLink } from '../serve/waiting-models.js';
import type { Moment } from './format.js';

/** The pages of the control plane by template name. Every URL is made by the server, none in a template. */
export interface ControlPages {
  readonly project: ProjectPage;
  readonly build: BuildPage;
  readonly preview: PreviewPage;
  readonly 'application-log': ApplicationLogPage;
  readonly status: StatusPage;
  readonly error: ErrorPage;
  readonly confirm: ConfirmPage;
}

/** What surrounds every page of the control plane. */
export interface PageFrame {
  /** Null on pages that belong to no project. */
  readonly project: string | null;
  readonly homeUrl: string;
  /** The navigation; the current page's own entry has its URL in `currentUrl`. */
  readonly links: readonly PageLink[];
  readonly currentUrl: string | null;
}

/** A commit as people see it. */
export interface CommitView {
  /** 40 hex digits. */
  readonly hash: string;
  readonly shortHash: string;
  /** Null when only the hash is known. */
  readonly subject: string | null;
  readonly author: string | null;
  readonly at: Moment | null;
}

export interface ProjectPage {
  readonly frame: PageFrame;
  readonly project: string;
  /** Where the repository is, without credentials; `url` is null unless a browser can open it. */
  readonly repository: { readonly text: string; readonly url: string | null };
  /** Set while the remote cannot be reached: its own words, and since when. */
  readonly staleRefs: { readonly message: string; readonly since: Moment } | null;
  readonly queue: { readonly building: number; readonly waiting: number };
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
  readonly commit: CommitView;
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

/** Pages count from 1. */
export interface Pagination {
  readonly page: number;
  readonly pages: number;
  /** How many rows there are on all pages. */
  readonly total: number;
  readonly previousUrl: string | null;
  readonly nextUrl: string | null;
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
  readonly commit: CommitView;
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
  /** Null before there is a release. */
  readonly commit: CommitView | null;
  readonly release: string | null;
  readonly environment: string | null;
  readonly since: Moment | null;
  readonly lastError: (ErrorView & { readonly at: Moment }) | null;
  readonly log: LogView;
  readonly buildUrl: string | null;
  /** The confirmation page; null when there is nothing to restart. */
  readonly restartUrl: string | null;
}

export interface ApplicationLogPage {
  readonly frame: PageFrame;
  /** Newest first. */
  readonly records: readonly LogRecordView[];
  /** The same for programs. */
  readonly jsonUrl: string;
}

export interface LogRecordView {
  readonly at: Moment;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: readonly NamedValue[];
}

export interface NamedValue {
  readonly name: string;
  readonly value: string;
}

export interface StatusPage {
  readonly frame: PageFrame;
  readonly previews: readonly PreviewStatusRow[];
}

export interface PreviewStatusRow {
  readonly label: string;
  readonly url: string;
  readonly pageUrl: string;
  readonly word: ReturnType<typeof statusWord>;
  readonly state: PreviewState;
  readonly branch: string | null;
  readonly shortHash: string | null;
  readonly release: string | null;
  readonly environment: string | null;
  readonly lastError: string | null;
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
