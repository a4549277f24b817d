import type { Recipe } from './build.js';
import type { EnvironmentName, ProjectName } from './ids.js';
import { parseLabel, type LabelNames } from './preview-name.js';
import type { Route, RunConfig } from './release.js';

/** A repository with settings, as configured. */
export interface Project {
  readonly name: ProjectName;
  /** A URL, an scp-like address, or an absolute path. */
  readonly repository: string;
  /** Its own host, lower case; null for `<name>.<server host>`. */
  readonly host: string | null;
  readonly recipe: Recipe;
  /** False builds without any cache, each time. */
  readonly cache: boolean;
  readonly run: RunConfig;
  /** What an environment changes, by its name. */
  readonly environments: ReadonlyMap<EnvironmentName, EnvironmentSettings>;
  /** What a stage changes, by its name; releases are promoted in this order. */
  readonly stages: ReadonlyMap<string, EnvironmentSettings>;
  /** The branch whose new commits are published to the first stage; null for none. */
  readonly publish: string | null;
  /** Images that each branch keeps for rollback, its current one among them. */
  readonly keepBuilds: number;
  readonly idle: IdleTimes;
  /** Patterns of the branches that are kept built and running, such as `release/*`. */
  readonly keep: readonly string[];
  /** Which prebuilt images may run; none unless a registry is named. */
  readonly images: AllowedImages;
  readonly git: GitCredentials;
}

/** How many milliseconds nothing may be in flight before an instance sleeps, and before it stops; null for never. */
export interface IdleTimes {
  readonly sleepMs: number | null;
  readonly stopMs: number | null;
}

export type EnvironmentSettings = Pick<RunConfig, 'env'> & Partial<Pick<RunConfig, 'memoryBytes' | 'cpus'>>;

/** Absolute paths of files that let git in; null where there is none. */
export interface GitCredentials {
  readonly tokenFile: string | null;
  readonly sshKey: string | null;
  readonly knownHosts: string | null;
}

/** An image may run when its registry is listed and it carries every label. */
export interface AllowedImages {
  /** `host` or `host:port`, lower case. */
  readonly registries: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** The names the labels of a project's hosts are read against. */
export const labelNames = ({ environments, stages }: Project): LabelNames => ({ environments: [...environments.keys()], stages: [...stages.keys()] });

/** Whether the configuration of today still gives the route its host: its environment may have been taken out, or its stage. */
export function hasHost(project: Project, { kind, label, environment }: Pick<Route, 'kind' | 'label' | 'environment'>): boolean {
  return parseLabel(label, labelNames(project))?.kind === kind && (environment === null || project.environments.has(environment));
}

/** Where settings hold: in the whole project, in one of its environments, or in one of its stages. */
export type Scope =
  | { readonly kind: 'project' }
  | { readonly kind: 'environment'; readonly name: EnvironmentName }
  | { readonly kind: 'stage'; readonly name: string };

/** The scope a route runs in. */
export const scopeOf = ({ kind, environment, subject }: Pick<Route, 'kind' | 'environment' | 'subject'>): Scope =>
  (kind === 'stage' ? { kind, name: subject } : environment === null ? { kind: 'project' } : { kind: 'environment', name: environment });

/** The settings of the file for a scope: the project's own, then those of its environment or stage. */
export function fileConfigFor(project: Project, scope: Scope): RunConfig {
  const named = scope.kind === 'project' ? undefined : scope.kind === 'stage' ? project.stages.get(scope.name) : project.environments.get(scope.name);
  return named === undefined ? project.run : { ...project.run, ...named, env: { ...project.run.env, ...named.env } };
}
