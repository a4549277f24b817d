import { AppError } from '../domain/errors.js';
import { parseCommitHash, parseHashPrefix, type ProjectName } from '../domain/ids.js';
import { formatLabel, type PreviewName } from '../domain/preview-name.js';
import { parseRefName } from '../domain/ref-name.js';
import type { Project } from '../domain/project.js';
import type { Clock } from '../kernel/clock.js';
import { createLimit } from '../kernel/limit.js';
import type { Source } from '../source/source.js';
import type { RouteStore } from '../state/routes.js';

/** What to look for in every project: a commit, a branch or tag, or what a branch's host is called. */
export type Sought = ({ readonly hash: string } | { readonly branch: string } | { readonly slug: string }) & { readonly environment?: string | undefined };

/** Which project has a commit or a branch, so that a URL without a project goes on to it. */
export interface FindProject {
  /**
   * The projects that have it, in the order of the configuration; one at least.
   *
   * What was fetched already is looked at first. Only what nobody has causes a fetch of all, shared by everybody who
   * asks within a few seconds.
   *
   * @throws AppError `commit_not_found`, `unknown_ref`, and `git_unreachable` when it could not be looked for everywhere
   */
  findAll(sought: Sought): Promise<readonly Project[]>;
  /** The only one. @throws AppError the same, and `ambiguous_project` */
  find(sought: Sought): Promise<Project>;
  /** Those of a host below the server host. */
  findNamed(name: PreviewName & { readonly kind: 'commit' | 'branch' }): Promise<readonly Project[]>;
}

export interface FindProjectDeps {
  readonly projects: readonly Project[];
  readonly sources: ReadonlyMap<ProjectName, Source>;
  readonly routes: Pick<RouteStore, 'findLabel'>;
  readonly clock: Clock;
}

/** Each may start git, and strangers can ask for any hash. */
const LOOKS_AT_ONCE = 4;
/** How long whoever asks for what nobody has waits for the fetches, and for how long they count; milliseconds. */
const FETCH_WAIT_MS = 5_000;
const FETCH_PAUSE_MS = 10_000;
const FULL_LENGTH = 40;

export function createFindProject({ projects, sources, routes, clock }: FindProjectDeps): FindProject {
  const limit = createLimit(LOOKS_AT_ONCE);
  let fetched: { readonly at: number; readonly done: Promise<unknown>; readonly pending: Set<ProjectName> } | undefined;

  /** One fetch of every project for all who ask; a remote that is silent holds nobody for longer than the wait. */
  const fetchAll = async () => {
    if (!fetched || clock.monotonic() - fetched.at > FETCH_PAUSE_MS) {
      const pending = new Set(sources.keys());
      const each = [...sources].map(([name, source]) => source.refresh().finally(() => { pending.delete(name); }));
      fetched = { at: clock.monotonic(), done: Promise.allSettled(each), pending };
    }
    const over = new AbortController();
    await Promise.race([fetched.done, clock.sleep(FETCH_WAIT_MS, over.signal)]);
    over.abort();
  };

  /** What is in memory already: no git for what thousands ask for. */
  const knows = (sought: Sought) => ({ name }: Project): boolean => {
    const table = sources.get(name)?.refs();
    if ('hash' in sought) return sought.hash.length === FULL_LENGTH && table?.hasTip(parseCommitHash(sought.hash)) === true;
    return ('slug' in sought ? table?.bySlug(sought.slug) : table?.find(parseRefName(sought.branch))) !== undefined;
  };

  /** A hash may be that of any commit of a mirror, and abbreviated. */
  const looks = async (sought: Sought, among: readonly Project[]): Promise<Project[]> => {
    if (!('hash' in sought)) return among.filter(knows(sought));
    const found = await Promise.all(among.map((project) => limit(async () => {
      const commit = await sources.get(project.name)?.findCommitHere(sought.hash);
      return commit === undefined ? undefined : project;
    })));
    return found.filter((project) => project !== undefined);
  };

  const findAll: FindProject['findAll'] = async (asked) => {
    const sought = 'hash' in asked ? { ...asked, hash: parseHashPrefix(asked.hash) } : asked;
    const among = projects.filter(({ environments }) => sought.environment === undefined || [...environments.keys()].some((name) => name === sought.environment));
    const known = among.filter(knows(sought));
    if (known.length > 0) return known;
    const here = await looks(sought, among);
    if (here.length > 0) return here;
    await fetchAll();
    const pushed = await looks(sought, among);
    if (pushed.length > 0) return pushed;
    throw notFound(sought);
  };

  const notFound = (sought: Sought): AppError => {
    const unreached = projects.filter(({ name }) => fetched?.pending.has(name) === true || sources.get(name)?.fault()).map(({ name }) => name);
    const asked = 'hash' in sought ? sought.hash : 'slug' in sought ? sought.slug : sought.branch;
    if (unreached.length > 0) return new AppError('git_unreachable', `“${asked}” is in no project that can be reached; ${unreached.slice(0, 5).join(', ')} cannot.`);
    return 'hash' in sought ? new AppError('commit_not_found', `No project has a commit “${asked}”.`) : new AppError('unknown_ref', `No project has a branch or tag “${asked}”.`);
  };

  const find: FindProject['find'] = async (sought) => {
    const [only, ...more] = await findAll(sought);
    if (only && more.length === 0) return only;
    throw ambiguousProject(only ? [only, ...more] : []);
  };

  return {
    find, findAll,
    findNamed: async (name) => {
      const environment = name.environment ?? undefined;
      if (name.kind === 'branch') return findAll({ slug: name.slug, environment });
      const known = await Promise.all(projects.map(async (project) => (await routes.findLabel(project.name, formatLabel(name)) ? project : undefined)));
      const having = known.filter((project) => project !== undefined);
      return having.length === 1 ? having : findAll({ hash: name.hash, environment });
    },
  };
}

/** The names are told, so that pages can link to each. */
export const ambiguousProject = (having: readonly Project[]): AppError =>
  new AppError('ambiguous_project', `${having.length} projects have it.`, { details: { projects: having.map(({ name }) => name) } });
