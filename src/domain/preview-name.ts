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
