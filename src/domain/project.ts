import type { Recipe } from './build.js';
import type { EnvironmentName, ProjectName } from './ids.js';
import type { RunConfig } from './release.js';

/** A repository with settings, as configured. */
export interface Project {
  readonly name: ProjectName;
  /** A URL, an scp-like address, or an absolute path. */
  readonly repository: string;
  readonly recipe: Recipe;
  readonly run: RunConfig;
  /** What an environment changes, by its name. */
  readonly environments: ReadonlyMap<EnvironmentName, { readonly env: Readonly<Record<string, string>> }>;
  readonly stages: readonly string[];
}

/** The settings a preview runs with: the project's own, then those of the environment it is opened in. */
export function runConfigFor(project: Project, environment: EnvironmentName | null): RunConfig {
  const named = environment === null ? undefined : project.environments.get(environment);
  return named === undefined ? project.run : { ...project.run, env: { ...project.run.env, ...named.env } };
}
