import type { EnvironmentName } from './ids.js';

/** What one DNS label in front of a project host names. `hash` may be abbreviated; `slug` goes through the ref table. */
export type PreviewName =
  | { readonly kind: 'commit'; readonly hash: string; readonly environment: EnvironmentName | null }
  | { readonly kind: 'branch'; readonly slug: string; readonly environment: EnvironmentName | null }
  | { readonly kind: 'run'; readonly name: string }
  | { readonly kind: 'stage'; readonly name: string }
  | { readonly kind: 'image'; readonly name: string };

/** The names a label is read against: configured environments and stages of the project. */
export interface LabelNames {
  readonly environments: readonly EnvironmentName[];
  readonly stages: readonly string[];
}

const LABEL_MAX = 63;
const PREFIX = { commit: 'hash-', branch: 'branch-', run: 'run-', image: 'container-' } as const;
/** Environments, stages and projects may not begin like this, or a label would have two readings. */
export const RESERVED_PREFIXES: readonly string[] = Object.values(PREFIX);
/** The kinds that an environment can stand in front of. */
const INNER_KIND = /(?:^|-)(hash|branch)(?:-|$)/;
const ENVIRONMENT_MAX = 17;
const PROJECT_MAX = 40;

/** Writes the DNS label; the inverse of `parseLabel`. */
export function formatLabel(name: PreviewName): string {
  switch (name.kind) {
    case 'commit': return `${inEnvironment(name.environment)}${PREFIX.commit}${name.hash}`;
    case 'branch': return `${inEnvironment(name.environment)}${PREFIX.branch}${name.slug}`;
    case 'run': return `${PREFIX.run}${name.name}`;
    case 'image': return `${PREFIX.image}${name.name}`;
    case 'stage': return name.name;
  }
}

const inEnvironment = (environment: EnvironmentName | null): string => (environment === null ? '' : `${environment}-`);

/** Reads a DNS label in lower case; the inverse of `formatLabel`. @returns undefined when it names nothing. */
export function parseLabel(label: string, { environments, stages }: LabelNames): PreviewName | undefined {
  if (label.length > LABEL_MAX || !/^[a-z0-9-]+$/.test(label)) return undefined;
  if (stages.includes(label)) return { kind: 'stage', name: label };
  const plain = parseKind(label, null);
  if (plain) return plain;
  const longestFirst = [...environments].sort((a, b) => b.length - a.length);
  for (const environment of longestFirst) {
    if (!label.startsWith(`${environment}-`)) continue;
    const named = parseKind(label.slice(environment.length + 1), environment);
    if (named?.kind === 'commit' || named?.kind === 'branch') return named;
  }
  return undefined;
}

function parseKind(rest: string, environment: EnvironmentName | null): PreviewName | undefined {
  const hash = /^hash-([0-9a-f]{4,40})$/.exec(rest)?.[1];
  if (hash !== undefined) return { kind: 'commit', hash, environment };
  if (rest.startsWith(PREFIX.branch) && rest.length > PREFIX.branch.length) {
    return { kind: 'branch', slug: rest.slice(PREFIX.branch.length), environment };
  }
  if (environment !== null) return undefined;
  if (rest.startsWith(PREFIX.run) && rest.length > PREFIX.run.length) return { kind: 'run', name: rest.slice(PREFIX.run.length) };
  if (rest.startsWith(PREFIX.image) && rest.length > PREFIX.image.length) return { kind: 'image', name: rest.slice(PREFIX.image.length) };
  return undefined;
}

/**
 * Why an environment cannot have this name, as a sentence without its full stop; undefined when it can.
 *
 * Whatever this and `stageFault` admit, no label has two readings: with `a` and `a-branch-b` there would be two of
 * `a-branch-b-hash-abcd`.
 */
export function environmentFault(name: string, { stages }: Pick<LabelNames, 'stages'>): string | undefined {
  const fault = shapeFault(name, { what: 'an environment', most: ENVIRONMENT_MAX }) ?? innerKindFault(name);
  if (fault !== undefined) return fault;
  return stages.includes(name) ? `“${name}” is a stage, and previews cannot be opened in one; give the environment another name` : undefined;
}

/** Why a stage cannot have this name, in the same form. */
export function stageFault(name: string): string | undefined {
  return shapeFault(name, { what: 'a stage', most: LABEL_MAX }) ?? innerKindFault(name);
}

/**
 * Why a project cannot have this name, in the same form.
 *
 * @param names those of a project that is served on the server host itself: its previews and `<name>.<server host>` are neighbours
 */
export function projectNameFault(name: string, names: LabelNames = { environments: [], stages: [] }): string | undefined {
  const fault = shapeFault(name, { what: 'a project', most: PROJECT_MAX });
  if (fault !== undefined || parseLabel(name, names) === undefined) return fault;
  return `“${name}” is the host of a preview as well; give the project another name`;
}

function shapeFault(name: string, { what, most }: { readonly what: string; readonly most: number }): string | undefined {
  if (!/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(name)) return `“${name}” cannot be the name of ${what}: use a-z, 0-9 and inner hyphens`;
  if (name.length > most) return `“${name}” is too long for the name of ${what}: ${most} characters at most`;
  // Browsers take it for an encoded international name and refuse the host.
  if (name.startsWith('xn--')) return `“${name}” cannot be the name of ${what}: names that begin with xn-- are encoded ones`;
  const prefix = RESERVED_PREFIXES.find((each) => `${name}-`.startsWith(each));
  return prefix === undefined ? undefined : `“${name}” cannot be the name of ${what}: it begins like the hosts ${prefix}…`;
}

function innerKindFault(name: string): string | undefined {
  const kind = INNER_KIND.exec(name)?.[1];
  return kind === undefined ? undefined : `“${name}” has “${kind}” among its words, so that a host could be read in two ways; leave the word out`;
}
