import { AppError } from './errors.js';
import type { RefName } from './ids.js';

/** What no part of a ref name may contain: control characters, space, and git's own operators. */
// eslint-disable-next-line no-control-regex
const FORBIDDEN = /[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|\.lock\/|\/\./;

/**
 * Whether git accepts `refs/heads/<text>`. Names such as `-x` or `a;b` are valid: they are looked up, never run.
 *
 * @see https://git-scm.com/docs/git-check-ref-format
 */
export function isRefName(text: string): boolean {
  if (text === '' || Buffer.byteLength(text) > 1_000 || FORBIDDEN.test(text)) return false;
  return !/^[/.]|[/.]$|\.lock$/.test(text);
}

/** Reads a branch or tag name as a person types it. @throws AppError `invalid_branch` */
export function parseRefName(text: string): RefName {
  if (!isRefName(text)) throw new AppError('invalid_branch', `“${text}” cannot be the name of a branch or tag.`);
  return text as RefName;
}
