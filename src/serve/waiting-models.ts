import type { LogLine } from '../domain/log-line.js';
import type { PreviewState } from '../domain/state.js';

/** The pages of preview hosts. They carry style and script inline, allowed by the `nonce` of their content security policy. */
export interface PreviewPages {
  readonly waiting: WaitingPage;
  readonly 'preview-error': PreviewErrorPage;
}

/** A link: what it says and where it goes. Absolute where it leaves the preview host. */
export interface PageLink {
  readonly text: string;
  readonly url: string;
}

/** What the preview shows: the words over both pages of a preview host. */
export interface PreviewSubject {
  readonly project: string;
  /** Null when it was opened by commit. */
  readonly branch: string | null;
  /** 40 hex digits; null while unknown, and for an image. */
  readonly commit: string | null;
  /** The reference of an image that is pulled; null for what is built. */
  readonly image: string | null;
  /** The commit's first line; null when unknown. */
  readonly subject: string | null;
  readonly environment: string | null;
}

/** What the `state` event of the waiting page carries as JSON, and the page shows at first. Times in seconds. */
export interface WaitingState {
  readonly state: PreviewState;
  /** 1 for the next to be built; null unless it waits. */
  readonly queuePosition: number | null;
  /** Until it is ready, as far as earlier builds tell; null when unknown. */
  readonly etaSeconds: number | null;
  /** The build's page on the control plane; null before there is a build. */
  readonly buildUrl: string | null;
  /** The build's log as plain text; null before there is a build. */
  readonly logUrl: string | null;
}

/** The page a person sees until the preview answers; it reloads itself when the state is `running` or `error`. */
export interface WaitingPage extends PreviewSubject, WaitingState {
  /** Base64, new for every response, the same as in its Content-Security-Policy. */
  readonly nonce: string;
  /** Since the work began, in seconds. */
  readonly elapsedSeconds: number;
  /** What the log has so far, 500 at most; the events may repeat them. */
  readonly lines: readonly LogLine[];
  /** On this host: `/__slipway/events`. */
  readonly eventsUrl: string;
  /** The release that still serves while a new one is made: `text` is its number, such as `v7`. */
  readonly previous: PageLink | null;
}

/** The page a person sees when the preview cannot be shown. Its links go to the control plane. */
export interface PreviewErrorPage extends PreviewSubject {
  readonly nonce: string;
  readonly status: number;
  readonly title: string;
  readonly message: string;
  readonly remedy: string;
  readonly requestId: string;
  /** What is known beyond the message, such as `Exit code` and `137`. */
  readonly facts: readonly { readonly name: string; readonly value: string }[];
  /** The last lines of the build or of the application, oldest first. */
  readonly lastLines: readonly string[];
  /** The first is the one to press. */
  readonly links: readonly PageLink[];
}
