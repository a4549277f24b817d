import { createHash } from 'node:crypto';
import { AppError } from './errors.js';
import type { BuildKey, EnvironmentName } from './ids.js';

/** A prebuilt image as its registry knows it. */
export interface ImageReference {
  /** `host` or `host:port`, lower case. */
  readonly registry: string;
  /** The path in the registry, such as `team/app`. */
  readonly repository: string;
  /** A tag, or a digest as `sha256:` and 64 hex digits. */
  readonly version: string;
  /** All of it in the one form that records and people see: `registry/name:tag` or `registry/name@sha256:…`. */
  readonly text: string;
}

const LONGEST = 512;
const LONGEST_NAME = 255;
const HOST = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*(?::\d{1,5})?$/;
const PATH = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** What is left of a DNS label of 63 for words after `container-` and before `-` and six digits. */
const SLUG_MAX = 40;
/** Enough that nobody finds a second reference with the same name: whoever opens one keeps its host. */
const SUFFIX_LENGTH = 12;

/**
 * Reads an image as a person types it: the registry's host, with its port if it has one, the name, and a tag or a digest.
 *
 * @throws AppError `invalid_image` with what is wrong
 * @see https://github.com/distribution/reference
 */
export function parseImageReference(text: string): ImageReference {
  const refuse = (why: string) => new AppError('invalid_image', `“${text.slice(0, LONGEST)}” is not an image: ${why}.`);
  if (text.length > LONGEST) throw refuse(`it is longer than ${LONGEST} characters`);
  const slash = text.indexOf('/');
  const registry = text.slice(0, Math.max(0, slash)).toLowerCase();
  if (!isHost(registry)) throw refuse('it begins with the host of its registry, such as registry.example.com/ or localhost:5000/');
  const { name, mark, version } = split(text.slice(slash + 1));
  if (mark === '') throw refuse('it ends with a tag, such as :latest, or with a digest');
  if (name.includes('@') || name.includes(':')) throw refuse('it has either one tag or one digest');
  if (!PATH.test(name)) throw refuse('a name has lower-case letters and digits, parted by single . _ - or /');
  if (registry.length + 1 + name.length > LONGEST_NAME) throw refuse(`a name has ${LONGEST_NAME} characters at most`);
  if (mark === '@' && !DIGEST.test(version)) throw refuse('a digest is sha256: and 64 hexadecimal digits');
  if (mark === ':' && !TAG.test(version)) throw refuse('a tag has letters, digits and . _ - only, 128 at most, and begins with a letter, a digit or _');
  return { registry, repository: name, version, text: `${registry}/${name}${mark}${version}` };
}

/** Docker takes a first part without dot, colon or `localhost` for a name on its own hub. */
function isHost(registry: string): boolean {
  const port = Number(/:(\d+)$/.exec(registry)?.[1] ?? 1);
  return HOST.test(registry) && /[.:]|^localhost$/.test(registry) && port >= 1 && port <= 65_535;
}

function split(rest: string): { readonly name: string; readonly mark: ':' | '@' | ''; readonly version: string } {
  const at = rest.indexOf('@');
  const end = at >= 0 ? at : rest.lastIndexOf(':');
  return end < 0 ? { name: rest, mark: '', version: '' } : { name: rest.slice(0, end), mark: at >= 0 ? '@' : ':', version: rest.slice(end + 1) };
}

/** The key under which the image of a reference is found again, as a build key finds a built one. */
export const keyOfReference = ({ text }: ImageReference): BuildKey => digestOf(`image\n${text}`) as BuildKey;

/**
 * What stands behind `container-` in the host of an image's preview: readable words and twelve hexadecimal digits of the
 * SHA-256 of reference and environment. The routes table leads back.
 */
export function nameOfReference({ repository, version, text }: ImageReference, environment: EnvironmentName | null): string {
  const readable = `${repository}-${version.replace(/^sha256:(.{12}).*$/, '$1')}`.toLowerCase()
    .replace(/[^a-z0-9]+/g, '-').slice(0, SLUG_MAX).replace(/^-+|-+$/g, '');
  return `${readable}-${digestOf(environment === null ? text : `${text}\n${environment}`).slice(0, SUFFIX_LENGTH)}`;
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');
