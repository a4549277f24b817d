import type { PageLink } from '../serve/waiting-models.js';
import type { Moment } from './format.js';

/** What surrounds every page of the control plane. */
export interface PageFrame {
  /** Null on pages that belong to no project. */
  readonly project: string | null;
  readonly homeUrl: string;
  /** The navigation; the current page's own entry has its URL in `currentUrl`. */
  readonly links: readonly PageLink[];
  readonly currentUrl: string | null;
  /** Where styles and scripts are. */
  readonly assetsUrl: string;
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

/** Pages count from 1. */
export interface Pagination {
  readonly page: number;
  readonly pages: number;
  /** How many rows there are on all pages. */
  readonly total: number;
  readonly previousUrl: string | null;
  readonly nextUrl: string | null;
}

/** A box that sends `q` with GET to `url`. */
export interface SearchView {
  /** What was searched for; empty for all. */
  readonly query: string;
  readonly url: string;
}

/** One of several values for a select box. */
export interface ChoiceView {
  readonly value: string;
  readonly text: string;
  readonly chosen: boolean;
}

export interface NamedValue {
  readonly name: string;
  readonly value: string;
}
