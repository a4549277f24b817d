/**
 * Every failure a caller can meet: code → HTTP status → what it means and what to do next.
 * The sentence of an `AppError` is about the one case; the one here holds for all of its code.
 */
export const ERRORS = {
  invalid_branch: { status: 400, title: 'Not a branch name', remedy: 'Check the name: git itself would refuse it.' },
  invalid_hash: { status: 400, title: 'Not a commit', remedy: 'Give 4 to 40 hexadecimal digits of a commit.' },
  invalid_image: { status: 400, title: 'Not an image', remedy: 'Give an image as registry/name:tag.' },
  invalid_name: { status: 400, title: 'Not a usable name', remedy: 'Use lower-case letters, digits and inner hyphens.' },
  invalid_request: { status: 400, title: 'Malformed request', remedy: 'Correct the request and send it again.' },
  bad_path: { status: 400, title: 'Malformed path', remedy: 'Correct the percent-encoding of the URL.' },
  not_a_commit: { status: 400, title: 'Not a commit', remedy: 'This object is a file or a folder: give a commit.' },
  missing_token: { status: 401, title: 'A token is needed', remedy: 'Send Authorization: Bearer with the token from the state directory.' },
  cross_site: { status: 403, title: 'Refused', remedy: 'Open the page on this server and press the button there.' },
  from_preview_network: { status: 403, title: 'Refused', remedy: 'A preview may not use the control plane.' },
  image_not_allowed: { status: 403, title: 'This image may not run here', remedy: 'Use an image from a registry and with the labels that the project’s configuration names under images.' },
  unknown_ref: { status: 404, title: 'No such branch or tag', remedy: 'Check the spelling, or push the branch and try again.' },
  commit_not_found: { status: 404, title: 'No such commit', remedy: 'Push the commit on a branch or a tag and try again.' },
  unknown_environment: { status: 404, title: 'No such environment', remedy: 'Leave env away, or name one that is configured.' },
  image_not_found: { status: 404, title: 'No such image', remedy: 'Check the name and the tag, push the image to its registry and try again.' },
  unknown_project: { status: 404, title: 'No such project', remedy: 'Name one that there is (slipway ls lists them), use its host, or add project=NAME.' },
  unknown_build: { status: 404, title: 'No such build', remedy: 'Go to the project page for the builds there are.' },
  unknown_preview: { status: 404, title: 'No such preview', remedy: 'Go to the project page for the previews there are.' },
  unknown_release: { status: 404, title: 'No such release', remedy: 'List the releases there are: slipway releases.' },
  unknown_stage: { status: 404, title: 'No such stage', remedy: 'Name one of the stages that are configured.' },
  nothing_released: { status: 404, title: 'Nothing is released here', remedy: 'Publish a commit to the first stage (slipway publish), or promote what the stage before serves (slipway promote, or the page of releases).' },
  nothing_earlier: { status: 404, title: 'Nothing earlier', remedy: 'List the releases there are: slipway releases.' },
  unknown_image: { status: 404, title: 'No such image', remedy: 'Go to the list of images for those there are.' },
  nothing_to_compare: { status: 404, title: 'Nothing to compare with', remedy: 'Build it again without cache: the two builds can be compared then.' },
  preview_not_chosen: { status: 404, title: 'No preview chosen', remedy: 'Open /__slipway/ in a browser, or any path with ?branch=NAME.' },
  not_found: { status: 404, title: 'Nothing here', remedy: 'Go to the project page.' },
  method_not_allowed: { status: 405, title: 'Method not allowed', remedy: 'Use a method named in Allow.' },
  request_timeout: { status: 408, title: 'The request took too long', remedy: 'Send it again.' },
  ambiguous_hash: { status: 409, title: 'More than one commit', remedy: 'Give more digits.' },
  image_in_use: { status: 409, title: 'The image is in use', remedy: 'Delete it when nothing needs it any more.' },
  ambiguous_project: { status: 409, title: 'More than one project', remedy: 'Use the host of the project that is meant, or add project=NAME.' },
  route_busy: { status: 409, title: 'It is being changed already', remedy: 'Wait until the other change is through, look what it did, and try again.' },
  route_moved: { status: 409, title: 'It has changed meanwhile', remedy: 'Look at what it serves now, and decide again.' },
  already_served: { status: 409, title: 'It serves already', remedy: 'Nothing needs to be done.' },
  wrong_stage: { status: 409, title: 'Not from there', remedy: 'Promote through the stages in their order, or force it.' },
  build_not_active: { status: 409, title: 'Nothing to cancel', remedy: 'Only a queued or running build can be cancelled.' },
  image_gone: { status: 410, title: 'The image is gone', remedy: 'Make a new release of it: roll back to it with rebuild, publish its commit again, or open the preview of that commit or image.' },
  build_image_gone: { status: 410, title: 'The image is gone', remedy: 'Build again without cache and compare that build.' },
  too_large: { status: 413, title: 'Too large', remedy: 'Send less.' },
  unknown_host: { status: 421, title: 'Unknown host', remedy: 'Use the URL this server is configured with.' },
  build_failed: { status: 424, title: 'The build failed', remedy: 'Read the log, correct the branch and push, or build again.' },
  build_timeout: { status: 424, title: 'The build timed out', remedy: 'Make the build faster, or raise its timeout.' },
  build_cancelled: { status: 424, title: 'The build was cancelled', remedy: 'Build again from the build page.' },
  build_interrupted: { status: 424, title: 'The build was interrupted', remedy: 'The server stopped while it ran. Build again from the build page.' },
  no_dockerfile: { status: 424, title: 'No Dockerfile', remedy: 'Add a Dockerfile, or configure where it is.' },
  unsafe_dockerfile: { status: 424, title: 'Unusable Dockerfile', remedy: 'Make it a file inside the build context.' },
  tree_too_large: { status: 424, title: 'Too many files', remedy: 'Exclude files in .dockerignore or split the repository.' },
  unsupported_path: { status: 424, title: 'Unusable file name', remedy: 'Rename the file so that its name is UTF-8.' },
  registry_refused: { status: 424, title: 'The registry does not let us in', remedy: 'Put the username and the password file of this registry right, under registries in the configuration, and try again.' },
  pull_failed: { status: 424, title: 'The image could not be pulled', remedy: 'Read the log, put the image in its registry right, or pull it again.' },
  too_many_requests: { status: 429, title: 'Too many requests', remedy: 'Wait as long as Retry-After says.' },
  header_too_large: { status: 431, title: 'The request header is too large', remedy: 'Send fewer or smaller header lines. In a browser, delete the cookies of this site (the icon left of the address, then “Cookies and site data”) and load the page again.' },
  internal: { status: 500, title: 'Something went wrong', remedy: 'Try again; the application log names the request id.' },
  crashed: { status: 502, title: 'The application stopped', remedy: 'Read its last lines, correct the branch, or start it again.' },
  start_failed: { status: 502, title: 'The application could not be started', remedy: 'Correct the image’s command, or start it again.' },
  unhealthy: { status: 502, title: 'The application is not healthy', remedy: 'Read its last lines, correct what its health line asks for, or start it again.' },
  bad_upstream: { status: 502, title: 'The application did not answer properly', remedy: 'Read the application’s log.' },
  preview_unavailable: { status: 503, title: 'Not running', remedy: 'Open it in a browser to start it.' },
  preview_pending: { status: 503, title: 'Not ready yet', remedy: 'Try again after Retry-After seconds.' },
  queue_full: { status: 503, title: 'The build queue is full', remedy: 'Try again after Retry-After seconds.' },
  too_busy: { status: 503, title: 'Too busy', remedy: 'Try again after Retry-After seconds.' },
  disk_low: { status: 503, title: 'The disk is nearly full', remedy: 'Remove images that are no longer needed.' },
  disk_full: { status: 507, title: 'The disk is full', remedy: 'Make room on it and try again.' },
  git_unreachable: { status: 503, title: 'The repository cannot be reached', remedy: 'Check the address, the network and the credentials.' },
  registry_unreachable: { status: 503, title: 'The registry cannot be reached', remedy: 'Check its address and the network, and try again after Retry-After seconds.' },
  project_removed: { status: 503, title: 'The project is not configured any more', remedy: 'Open the preview again once the project is in the configuration file.' },
  build_replaced: { status: 503, title: 'The build was replaced', remedy: 'Wait for the one that took its place.' },
  engine_unavailable: { status: 503, title: 'The container engine does not answer', remedy: 'Start Docker, or set DOCKER_HOST.' },
  engine_timeout: { status: 503, title: 'The container engine takes too long', remedy: 'Try again; restart Docker if it stays so.' },
  shutting_down: { status: 503, title: 'The server is stopping', remedy: 'Try again in a moment.' },
  start_timeout: { status: 504, title: 'The application never got ready', remedy: 'Let it listen on the configured port on all addresses, and answer in time as it must.' },
  command_timeout: { status: 504, title: 'The command took too long', remedy: 'Split its work into commands that take less.' },
  upstream_timeout: { status: 504, title: 'The application took too long to answer', remedy: 'Try again, or read the application’s log.' },
} as const satisfies Record<string, { status: number; title: string; remedy: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** Whether a failure lies in the surroundings and may be over in a moment: it says nothing about what was asked for. */
export const isPassing = (code: ErrorCode): boolean => ERRORS[code].status === 503 || code === 'internal' || code === 'disk_full';

/** What more is known about a failure; shown to people and programs alike, so never a secret. */
export interface ErrorDetails {
  /** Names close to the one asked for, nearest first. */
  readonly nearest?: readonly string[];
  /** Commits that an ambiguous hash could mean. */
  readonly candidates?: readonly string[];
  /** Names of the projects that could be meant. */
  readonly projects?: readonly string[];
  /** The last lines of the build or of the application. */
  readonly lastLines?: readonly string[];
  /** Seconds after which trying again makes sense. */
  readonly retryAfterSeconds?: number;
}

/** The one error class: a code from the table and a sentence about this case. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: ErrorOptions & { details?: ErrorDetails } = {}) {
    super(message, options);
    this.name = 'AppError';
    this.code = code;
    this.details = options.details ?? {};
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** What happened and what to do next, in whole sentences. */
export const withRemedy = ({ code, message }: AppError): string => `${message}${/[.!?…]$/.test(message) ? '' : '.'} ${ERRORS[code].remedy}`;

/** How the system and SQLite say that there is no room; SQLite has a code of its own for its shared memory. */
const NO_ROOM = /^(?:ENOSPC|EDQUOT|SQLITE_FULL|SQLITE_IOERR_SHMSIZE)$/;
const isNoRoom = (thrown: unknown): boolean => typeof thrown === 'object' && thrown !== null && 'code' in thrown && NO_ROOM.test(String(thrown.code));

/** What the log says of a failure: of one of ours its sentence, of any other all that is known of it. */
export const failureFields = (thrown: unknown): { readonly code: ErrorCode; readonly reason: string } | { readonly error: unknown } =>
  (thrown instanceof AppError ? { code: thrown.code, reason: thrown.message } : { error: thrown });

/** Turns whatever was thrown into an `AppError`; what is not ours becomes `internal` without its text. */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  if (isNoRoom(thrown)) return new AppError('disk_full', 'The disk of the state directory is full: nothing more can be recorded.', { cause: thrown });
  return new AppError('internal', 'An unexpected error was logged.', { cause: thrown });
}
