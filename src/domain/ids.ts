import { AppError } from './errors.js';

declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** A project's name: one DNS label, `[a-z0-9-]`, at most 40 characters. */
export type ProjectName = Brand<string, 'ProjectName'>;
/** A full git object name of a commit: 40 lower-case hex digits. */
export type CommitHash = Brand<string, 'CommitHash'>;
/** A branch or tag name without `refs/heads/`, exactly as git has it. */
export type RefName = Brand<string, 'RefName'>;
/** SHA-256 in 64 lower-case hex digits over what Docker would receive plus the recipe. */
export type BuildKey = Brand<string, 'BuildKey'>;
/** `b_` and a ULID: sorts by the time the build was asked for. */
export type BuildId = Brand<string, 'BuildId'>;
/** `r_` and a ULID: a route, for ever. */
export type RouteId = Brand<string, 'RouteId'>;
/** `sha256:` and 64 hex digits, as the engine names an image. */
export type ImageId = Brand<string, 'ImageId'>;
/** The engine's own 64-digit container id. */
export type ContainerId = Brand<string, 'ContainerId'>;
/** Counts 1, 2, 3 … within a project, without gaps re-used; people see `v1`. */
export type ReleaseNumber = Brand<number, 'ReleaseNumber'>;
/** The name of a set of settings a preview may be opened in: `[a-z0-9-]`, at most 17 characters. */
export type EnvironmentName = Brand<string, 'EnvironmentName'>;
/** This server's id, kept in its state directory: 8 lower-case hex digits. */
export type InstanceId = Brand<string, 'InstanceId'>;

/** Reads a full object name. @throws AppError `invalid_hash` */
export function parseCommitHash(text: string): CommitHash {
  if (!/^[0-9a-f]{40}$/.test(text)) {
    throw new AppError('invalid_hash', `“${text}” is not a full commit: 40 hexadecimal digits.`);
  }
  return text as CommitHash;
}

/** Reads a full or abbreviated object name as a person types it, in any case. @throws AppError `invalid_hash` */
export function parseHashPrefix(text: string): string {
  if (!/^[0-9a-fA-F]{4,40}$/.test(text)) {
    throw new AppError('invalid_hash', `“${text}” is not a commit: give 4 to 40 hexadecimal digits.`);
  }
  return text.toLowerCase();
}

/** Reads an image id as the engine reports it. @throws AppError `invalid_image` */
export function parseImageId(text: string): ImageId {
  if (!/^sha256:[0-9a-f]{64}$/.test(text)) throw new AppError('invalid_image', `“${text}” is not an image id.`);
  return text as ImageId;
}

/** Reads a build id from a URL. @throws AppError `unknown_build` */
export function parseBuildId(text: string): BuildId {
  if (!/^b_[0-9A-HJKMNP-TV-Z]{26}$/.test(text)) throw new AppError('unknown_build', `There is no build “${text}”.`);
  return text as BuildId;
}

/** Reads a project's name. @throws AppError `invalid_name` */
export function parseProjectName(text: string): ProjectName {
  if (!/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/.test(text)) {
    throw new AppError('invalid_name', `“${text}” is not a project name: use a-z, 0-9 and inner hyphens, 40 at most.`);
  }
  return text as ProjectName;
}

/** Reads an environment's name. @throws AppError `invalid_name` */
export function parseEnvironmentName(text: string): EnvironmentName {
  if (!/^[a-z0-9](?:[a-z0-9-]{0,15}[a-z0-9])?$/.test(text)) {
    throw new AppError('invalid_name', `“${text}” is not an environment name: use a-z, 0-9 and inner hyphens, 17 at most.`);
  }
  return text as EnvironmentName;
}

/** Reads a release as people write it: `v7`, or `7`. @throws AppError `unknown_release` */
export function parseReleaseNumber(text: string): ReleaseNumber {
  const digits = /^v?([1-9]\d{0,8})$/.exec(text)?.[1];
  if (digits === undefined) throw new AppError('unknown_release', `“${text}” is not a release: give one such as v7.`);
  return Number(digits) as ReleaseNumber;
}

/** The form people see: `v7`. */
export const formatRelease = (number: ReleaseNumber): string => `v${number}`;
