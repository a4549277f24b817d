import type { Build } from '../domain/build.js';
import { AppError } from '../domain/errors.js';
import { parseHashPrefix, type CommitHash, type ProjectName, type RefName } from '../domain/ids.js';
import { nearestNames } from '../domain/nearest.js';
import type { Project } from '../domain/project.js';
import { parseRefName } from '../domain/ref-name.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import type { Part } from '../kernel/part.js';
import { noSuchCommit } from '../source/commits.js';
import type { Ref, RefTable, Source } from '../source/source.js';
import type { FindImage } from './find-image.js';
import type { RenewPreview } from './renew-preview.js';

export interface UpdateProjectDeps {
  readonly sources: ReadonlyMap<ProjectName, Pick<Source, 'refs' | 'refresh' | 'refreshedAt' | 'fault' | 'defaultBranch' | 'findCommitHere' | 'describe'>>;
  readonly findImage: Pick<FindImage, 'begin'>;
  readonly renewPreview: Pick<RenewPreview, 'rebuild'>;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface UpdateWanted {
  /** A branch or tag, also as `refs/heads/…`; default: the publish branch, else the repository's default branch, else `main` or `master`. */
  readonly ref?: string | undefined;
  /** This commit, 4 to 40 digits, instead of the one that the ref stands for. */
  readonly commit?: string | undefined;
  /** Build without cache, also when nothing changed. */
  readonly invalidate?: boolean | undefined;
  /** Who asks, for the log. */
  readonly by: string;
}

/** Where a branch stood; null is what is not known. */
export interface Position {
  readonly branch: RefName | null;
  readonly hash: CommitHash | null;
  readonly author: string | null;
  /** The first line of the commit's message. */
  readonly message: string | null;
}

export interface Updated {
  /** Where it stood at the last update, or when the server started: what was fetched meanwhile counts as news. */
  readonly from: Position;
  readonly to: Position;
  /** Null when nothing changed. */
  readonly build: Build | null;
}

/** What a push or a CI job asks for: fetch, see what is new, begin its build. Previews that run follow their branch by themselves. */
export interface UpdateProject extends Part {
  /**
   * Sees whatever was pushed before the call, and does not wait for the build.
   *
   * @throws AppError `git_unreachable` with git's own sentence, `unknown_ref`, `commit_not_found`, `invalid_branch`,
   * `invalid_hash`, and those of a build's begin
   */
  update(project: Project, wanted: UpdateWanted): Promise<Updated>;
}

/** A fetch that ended so many milliseconds ago and brought the commit makes another one needless. */
const FRESH_MS = 5_000;
const USUAL_NAMES = ['main', 'master'];
const FULL_LENGTH = 40;

export function createUpdateProject({ sources, findImage, renewPreview, clock, log }: UpdateProjectDeps): UpdateProject {
  const atStart = new Map<ProjectName, RefTable>();
  const updated = new Map<string, CommitHash>();

  const sourceOf = ({ name }: Project) => {
    const source = sources.get(name);
    if (!source) throw new AppError('not_found', `There is no project ${name}.`);
    return source;
  };

  /** Whoever names the commit that a ref stands for, as was seen a moment ago, has nothing newer to show us. */
  const isFresh = (project: Project, { ref, commit = '' }: UpdateWanted): boolean => {
    const source = sourceOf(project);
    const table = source.refs();
    const isTip = commit.length === FULL_LENGTH && table.hasTip(commit.toLowerCase() as CommitHash) && (ref === undefined || findRef(table, ref) !== undefined);
    return isTip && source.fault() === null && clock.now() - (source.refreshedAt() ?? -Infinity) < FRESH_MS;
  };

  const defaultRef = async (project: Project): Promise<Ref | undefined> => {
    const table = sourceOf(project).refs();
    if (project.publish !== null) return table.find(project.publish);
    const named = await sourceOf(project).defaultBranch();
    return named ?? USUAL_NAMES.map((name) => table.find(name)).find((found) => found !== undefined);
  };

  const noRef = (project: Project, asked: string | undefined): AppError => {
    const name = asked ?? project.publish;
    const nearest = name === null ? [] : nearestNames(name, sourceOf(project).refs().refs.map((each) => each.name));
    return new AppError('unknown_ref', name === null
      ? `${project.name} has no default branch, and none named ${USUAL_NAMES.join(' or ')}: give ref.`
      : `There is no branch or tag “${name}”.`, { details: { nearest } });
  };

  /** What the call is about, as it is after the fetch. */
  const locate = async (project: Project, { ref: asked, commit }: UpdateWanted): Promise<{ ref: Ref | undefined; commit: CommitHash }> => {
    const ref = asked === undefined ? await defaultRef(project) : findRef(sourceOf(project).refs(), asked);
    if (!ref && (asked !== undefined || commit === undefined)) throw noRef(project, asked);
    if (commit === undefined && ref) return { ref, commit: ref.commit };
    const found = await sourceOf(project).findCommitHere(commit ?? '');
    if (found === undefined) throw noSuchCommit(commit ?? '');
    return { ref, commit: found };
  };

  const nameOf = (project: Project, ref: Ref) => `${project.name} ${ref.kind} ${ref.name}`;
  const before = (project: Project, ref: Ref | undefined): CommitHash | undefined =>
    (ref === undefined ? undefined : updated.get(nameOf(project, ref)) ?? atStart.get(project.name)?.find(ref.name)?.commit);

  const positionOf = async (project: Project, ref: Ref | undefined, hash: CommitHash | undefined): Promise<Position> => {
    const described = hash === undefined ? undefined : await sourceOf(project).describe(hash).catch(() => undefined);
    return { branch: ref?.name ?? null, hash: hash ?? null, author: described?.author ?? null, message: described?.subject ?? null };
  };

  const begin = async (project: Project, commit: CommitHash, invalidate: boolean): Promise<Build> => {
    const source = { project, commit };
    return (await (invalidate ? renewPreview.rebuild(source) : findImage.begin(source, { trigger: 'api', retry: true }))).build;
  };

  return {
    start: () => {
      for (const [name, source] of sources) atStart.set(name, source.refs());
      return Promise.resolve();
    },
    stop: () => Promise.resolve(),
    update: async (project, wanted) => {
      assertReadable(wanted);
      if (!isFresh(project, wanted)) await sourceOf(project).refresh();
      const { ref, commit } = await locate(project, wanted);
      const stood = before(project, ref);
      const [from, to] = await Promise.all([positionOf(project, ref, stood), positionOf(project, ref, commit)]);
      const { invalidate = false, by } = wanted;
      const build = stood !== commit || invalidate ? await begin(project, commit, invalidate) : null;
      // One whose build could not even begin is news the next time too.
      if (ref) updated.set(nameOf(project, ref), commit);
      log.info('project updated', { project: project.name, branch: to.branch, from: from.hash, to: commit, build: build?.id ?? null, by });
      return { from, to, build };
    },
  };
}

/** Nonsense is refused before anything is fetched for it. */
function assertReadable({ ref, commit }: UpdateWanted): void {
  if (ref !== undefined) parseRefName(ref);
  if (commit !== undefined) parseHashPrefix(commit);
}

/** A name as people give it, or as git's own hooks do. */
function findRef(table: RefTable, text: string): Ref | undefined {
  const [, kind, name] = /^refs\/(heads|tags)\/(.+)$/.exec(text) ?? [];
  return table.find(text) ?? table.refs.find((ref) => ref.name === name && ref.kind === (kind === 'heads' ? 'branch' : 'tag'));
}
