import type { PreviewState } from '../domain/state.js';
import type { Moment } from './format.js';
import type { ChoiceView, CommitView, NamedValue, PageFrame, Pagination, SearchView } from './page-parts.js';

export interface ReleasesPage {
  readonly frame: PageFrame;
  /** One entry for each project of the host. */
  readonly projects: readonly ProjectStages[];
  /** Newest first. */
  readonly releases: readonly ReleaseRow[];
  readonly search: SearchView;
  /** The routes to choose from: all stages, and the one that was asked for. */
  readonly routes: readonly ChoiceView[];
  readonly pagination: Pagination;
  /** The same for programs. */
  readonly jsonUrl: string;
}

export interface ProjectStages {
  readonly project: string;
  /** Null where the page is about this project only. */
  readonly heading: string | null;
  /** In their order; empty when none are configured. */
  readonly stages: readonly StageView[];
  /** The branch whose new commits come to the first stage by themselves. */
  readonly publish: string | null;
}

export interface StageView {
  readonly name: string;
  /** Its own host. */
  readonly url: string;
  /** The page with its output; null before its first release. */
  readonly pageUrl: string | null;
  readonly state: PreviewState;
  /** Such as `v7`; null before the first. */
  readonly release: string | null;
  /** Why the release was made, such as `rollback to v2`, and by whom. */
  readonly made: { readonly reason: string; readonly by: string } | null;
  /** Null for an image that was pulled. */
  readonly commit: CommitView | null;
  /** Since when the route serves the release. */
  readonly since: Moment | null;
  /** A release that is starting to take over, such as `v8`. */
  readonly coming: string | null;
  readonly problem: StageProblem | null;
  /** What a rollback brings back; `url` is its confirmation page. */
  readonly back: { readonly release: string; readonly commit: CommitView | null; readonly isSameImage: boolean; readonly url: string } | null;
  /** The stage that comes next; `url` is the confirmation page, null when it has the same image already. */
  readonly next: { readonly name: string; readonly url: string | null } | null;
}

/** Why the latest attempt is not what the stage serves. */
export interface StageProblem {
  readonly title: string;
  readonly message: string;
  /** Such as `v7 serves on.` */
  readonly outcome: string | null;
  readonly at: Moment;
  /** What the release printed that did not take over; null when it is not known which one that was. */
  readonly log: { readonly release: string; readonly url: string } | null;
}

/** A variable or secret, and how it differs from the release before. */
export interface ChangedName { readonly name: string; readonly change: 'new' | 'changed' | null }

export interface ReleaseRow {
  /** Such as `v7`. */
  readonly id: string;
  /** Null where all rows are of one project. */
  readonly project: string | null;
  readonly route: { readonly label: string; readonly name: string; readonly environment: string | null; readonly url: string };
  /** In words, such as `promotion` or `rollback to v2`. */
  readonly reason: string;
  readonly by: string;
  readonly at: Moment;
  readonly commit: CommitView | null;
  /** `sha256:` and 64 digits. */
  readonly image: string;
  readonly shortImage: string;
  /** Null for what was not built. */
  readonly buildUrl: string | null;
  /** What its application printed. */
  readonly logUrl: string;
  /** Whether its route serves it: `serves` when it runs as well. */
  readonly serving: 'serves' | 'current' | null;
  /** Variables by name: their values may be meant for few. */
  readonly env: readonly ChangedName[];
  /** Secrets by name, each with the first digits of its digest. */
  readonly secrets: readonly (NamedValue & ChangedName)[];
  /** Variables and secrets that the release before had. */
  readonly gone: readonly string[];
  /** The other settings, in words. */
  readonly settings: readonly NamedValue[];
}
