import type { PreviewState, statusWord } from '../domain/state.js';
import type { LogLevel } from '../kernel/log.js';
import type { PageLink } from '../serve/waiting-models.js';
import type { Moment } from './format.js';
import type { ChoiceView, NamedValue, PageFrame, Pagination, SearchView } from './page-parts.js';

export interface ApplicationLogPage {
  readonly frame: PageFrame;
  /** Newest first. */
  readonly records: readonly LogRecordView[];
  /** The same for programs. */
  readonly jsonUrl: string;
  readonly search: SearchView;
  /** The levels to choose from; the chosen one shows itself and what is more severe. */
  readonly levels: readonly ChoiceView[];
  readonly pagination: Pagination;
}

export interface LogRecordView {
  readonly at: Moment;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: readonly NamedValue[];
}

export interface StatusPage {
  readonly frame: PageFrame;
  readonly previews: readonly PreviewStatusRow[];
  readonly search: SearchView;
  /** The states to choose from. */
  readonly states: readonly ChoiceView[];
  readonly pagination: Pagination;
  /** Set when not all previews were looked at: how many were. */
  readonly lookedAt: number | null;
  readonly jsonUrl: string;
}

export interface PreviewStatusRow {
  /** Null where all rows are of one project. */
  readonly project: string | null;
  readonly label: string;
  /** What people know it by: a branch, a short commit, an image. */
  readonly name: string;
  readonly url: string;
  readonly pageUrl: string;
  readonly isStage: boolean;
  readonly word: ReturnType<typeof statusWord>;
  readonly state: PreviewState;
  /** A branch that stands at its commit now, where the name is a commit. */
  readonly branch: string | null;
  readonly shortHash: string | null;
  readonly release: string | null;
  readonly environment: string | null;
  /** Since when it is in its state; null when nobody knows. */
  readonly since: Moment | null;
  readonly lastError: string | null;
}

export interface LocalImagesPage {
  readonly frame: PageFrame;
  readonly images: readonly ImageRow[];
  readonly search: SearchView;
  readonly pagination: Pagination;
  /** Of all that match, such as `1.5 GiB`; layers that images share count for each. */
  readonly size: string;
  readonly jsonUrl: string;
}

export interface ImageRow {
  /** `sha256:` and 64 digits. */
  readonly id: string;
  /** Its first 12 digits. */
  readonly shortId: string;
  /** Null where all rows are of one project. */
  readonly project: string | null;
  readonly tags: readonly string[];
  /** Each opens its preview. */
  readonly commits: ListView;
  readonly branches: ListView;
  /** The routes whose current release has it. */
  readonly uses: ListView;
  /** Such as `v3`. */
  readonly running: readonly string[];
  readonly releases: number;
  readonly shortKey: string;
  readonly size: string;
  readonly createdAt: Moment;
  readonly lastUsedAt: Moment | null;
  /** The confirmation page; null when it may not be deleted. */
  readonly deleteUrl: string | null;
  /** Why it may not be deleted. */
  readonly kept: string | null;
}

/** The first few of a list, and how many there are besides. */
export interface ListView {
  readonly shown: readonly PageLink[];
  readonly more: number;
}

export interface DebugPage {
  readonly frame: PageFrame;
  readonly at: Moment;
  readonly jsonUrl: string;
  readonly machine: readonly NamedValue[];
  readonly process: readonly NamedValue[];
  readonly engine: { readonly facts: readonly NamedValue[]; readonly warnings: readonly string[]; readonly error: string | null };
  readonly protections: readonly { readonly name: string; readonly holds: 'holds' | 'missing' | 'unclear'; readonly detail: string }[];
  readonly queue: { readonly facts: readonly NamedValue[]; readonly builds: readonly QueuedBuildView[] };
  readonly bounds: readonly { readonly name: string; readonly now: string; readonly most: string }[];
  readonly failures: { readonly count: number; readonly last: readonly { readonly at: Moment; readonly origin: string; readonly message: string }[] };
  readonly loops: readonly LoopView[];
  readonly mirrors: readonly MirrorView[];
}

export interface QueuedBuildView {
  readonly project: string;
  readonly id: string;
  readonly url: string;
  /** The commit's first digits, or what is pulled. */
  readonly source: string;
  readonly state: 'queued' | 'building';
  /** 1 is next; null while it is built. */
  readonly position: number | null;
}

export interface LoopView {
  readonly name: string;
  readonly period: string;
  readonly lastAt: Moment | null;
  /** How long the last pass took; null before its end. */
  readonly took: string | null;
  readonly passes: number;
  readonly failures: number;
  readonly lastError: { readonly at: Moment; readonly message: string } | null;
}

export interface MirrorView {
  readonly project: string;
  readonly repository: string;
  readonly refreshedAt: Moment | null;
  readonly branches: number;
  readonly tags: number;
  readonly fault: { readonly message: string; readonly since: Moment } | null;
}
