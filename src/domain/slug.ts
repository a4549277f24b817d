import { createHash } from 'node:crypto';
import type { RefName } from './ids.js';

/** Leaves room for `<17-character environment>-branch-` within one DNS label of 63. */
const SLUG_MAX = 38;
const SUFFIX_LENGTH = 6;

/**
 * The DNS-safe name of a branch: the name itself where that is possible, else a readable start and six
 * hexadecimal digits of the name's SHA-256, so that two branches practically never meet.
 */
export function slugOf(name: RefName): string {
  const plain = /^[a-z0-9-]+$/.test(name) && !name.endsWith('-') && name.length <= SLUG_MAX && !/-[0-9a-f]{6}$/.test(name);
  if (plain) return name;
  const readable = name.toLowerCase().replace(/[^a-z0-9]+/g, '-').slice(0, SLUG_MAX - SUFFIX_LENGTH - 1).replace(/^-+|-+$/g, '');
  const digits = createHash('sha256').update(name).digest('hex').slice(0, SUFFIX_LENGTH);
  return `${readable === '' ? 'b' : readable}-${digits}`;
}
