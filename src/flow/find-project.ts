import { AppError } from '../domain/errors.js';
import type { ProjectName } from '../domain/ids.js';
import { formatLabel, type PreviewName } from '../domain/preview-name.js';
import { parseRefName } from '../domain/ref-name.js';
import type { Project } from '../domain/project.js';
import { createLimit } from '../kernel/limit.js';
import type { Source } from '../source/source.js';
import type { RouteStore } from '../state/routes.js';

/** What to look for in every project: a commit, a branch or tag, or what a branch's host is called. */
export type Sought = { readonly hash: string } | { readonly branch: string } | { readonly slug: string };

/** Which project has a commit or a branch, so that a URL without a project goes on to it. */
export interface FindProject {
  /**
   * What was fetched already is looked at first; only what nobody has causes a fetch.
   *
   * @throws AppError `ambiguous_project`, `commit_not_found`, `unknown_ref`, and why it could not be looked for
   */
  find(sought: Sought): Promise<Project>;
  /** The same for a host below the server host. */
  findName(name: PreviewName & { readonly kind: 'commit' | 'branch' }): Promise<Project>;
}

export interface FindProjectDeps {
  readonly projects: readonly Project[];
  readonly sources: ReadonlyMap<ProjectName, Source>;
  readonly routes: Pick<RouteStore, 'findLabel'>;
}

/** Each may start git, and strangers can ask for any hash. */
const SEARCHES_AT_ONCE = 4;

export function createFindProject({ projects, sources, routes }: FindProjectDeps): FindProject {
  const limit = createLimit(SEARCHES_AT_ONCE);

  const search = async (isThere: (source: Source) => Promise<boolean>): Promise<{ having: Project[]; failures: AppError[] }> => {
    const failures: AppError[] = [];
    const having = await Promise.all(projects.map((project) => limit(async () => {
      const source = sources.get(project.name);
      const there = source && await isThere(source).catch((error: unknown) => {
        if (!(error instanceof AppError)) throw error;
        failures.push(error);
        return false;
      });
      return there ? project : undefined;
    })));
    return { having: having.filter((project) => project !== undefined), failures };
  };

  const here = (sought: Sought) => async (source: Source): Promise<boolean> => {
    if ('hash' in sought) return await source.findCommitHere(sought.hash) !== undefined;
    return ('slug' in sought ? source.refs().bySlug(sought.slug) : source.refs().find(parseRefName(sought.branch))) !== undefined;
  };
  const anywhere = (sought: Sought) => async (source: Source): Promise<boolean> => {
    await ('hash' in sought ? source.findCommit(sought.hash) : 'slug' in sought ? source.findSlug(sought.slug) : source.findRef(sought.branch));
    return true;
  };

  const find = async (sought: Sought): Promise<Project> => {
    const fetched = await search(here(sought));
    const { having, failures } = fetched.having.length > 0 || fetched.failures.length > 0 ? fetched : await search(anywhere(sought));
    const [only, ...more] = having;
    if (only && more.length === 0) return only;
    const what = 'hash' in sought ? `commit “${sought.hash}”` : `branch or tag “${'slug' in sought ? sought.slug : sought.branch}”`;
    if (only) throw new AppError('ambiguous_project', `${having.length} projects have the ${what}.`, { details: { projects: having.map(({ name }) => name) } });
    throw mostTelling(failures) ?? new AppError('commit_not_found', `No project has the ${what}.`);
  };

  return {
    find,
    findName: async (name) => {
      if (name.kind === 'branch') return find({ slug: name.slug });
      const known = await Promise.all(projects.map(async (project) => (await routes.findLabel(project.name, formatLabel(name)) ? project : undefined)));
      const [only, ...more] = known.filter((project) => project !== undefined);
      return only && more.length === 0 ? only : find({ hash: name.hash });
    },
  };
}

/** That a repository cannot be reached says more than that another one has no such commit. */
const mostTelling = (failures: readonly AppError[]): AppError | undefined => failures.find(({ status }) => status !== 404) ?? failures[0];
