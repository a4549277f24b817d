import { AppError } from '../domain/errors.js';
import type { CommitHash, EnvironmentName, ProjectName, RefName } from '../domain/ids.js';
import { formatLabel, type PreviewName } from '../domain/preview-name.js';
import type { Project } from '../domain/project.js';
import type { Source } from '../source/source.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';
import { assertOwnRoute, findImagePreview, imagePreviewOf } from './find-image-preview.js';
import type { CommitPreview, FoundPreview, PreviewRef } from './preview.js';

export interface FindPreviewDeps {
  readonly sources: ReadonlyMap<ProjectName, Source>;
  readonly routes: RouteStore;
  readonly releases: ReleaseStore;
}

/** host → commit or image. */
export interface FindPreview {
  /** @throws AppError of the source stage: `unknown_ref`, `commit_not_found`, `ambiguous_hash`, `git_unreachable` …, `image_not_allowed` */
  find(ref: PreviewRef): Promise<FoundPreview>;
  /** Reads `?branch=`, `?hash=` or `?image=`, with `&env=`. @throws the same, `unknown_environment`, `invalid_image` */
  findQuery(project: Project, query: PreviewQuery): Promise<FoundPreview>;
  /** Lets the preview be found by its host: an image's name does not lead back to it by itself. @throws AppError `invalid_image` */
  remember(preview: FoundPreview): Promise<void>;
}

export interface PreviewQuery {
  readonly branch?: string | undefined;
  readonly hash?: string | undefined;
  readonly image?: string | undefined;
  readonly env?: string | undefined;
}

export function createFindPreview({ sources, routes, releases }: FindPreviewDeps): FindPreview {
  const sourceOf = ({ name }: Project): Source => {
    const source = sources.get(name);
    if (!source) throw new AppError('not_found', `There is no project ${name}.`);
    return source;
  };

  const branchOf = (project: Project, commit: CommitHash): RefName | null =>
    sourceOf(project).refs().refs.find((ref) => ref.commit === commit && ref.kind === 'branch')?.name ?? null;

  const commitPreview = (project: Project, commit: CommitHash, environment: EnvironmentName | null): CommitPreview => ({
    project, kind: 'commit', environment, subject: commit, commit, branch: branchOf(project, commit),
    label: formatLabel({ kind: 'commit', hash: commit, environment }),
  });

  const findCommit = async (project: Project, { hash, environment }: PreviewName & { kind: 'commit' }) => {
    const label = formatLabel({ kind: 'commit', hash, environment });
    const known = hash.length === 40 ? await routes.findLabel(project.name, label) : undefined;
    // A commit that was released before is served without asking git.
    const commit = known && known.current !== null ? hash as CommitHash : await sourceOf(project).findCommit(hash);
    return commitPreview(project, commit, environment);
  };

  const findBranch = async (project: Project, { slug, environment }: PreviewName & { kind: 'branch' }): Promise<CommitPreview> => {
    const label = formatLabel({ kind: 'branch', slug, environment });
    const base = { project, kind: 'branch', label, environment } as const;
    try {
      const { name, commit } = await sourceOf(project).findSlug(slug);
      return { ...base, subject: name, commit, branch: name };
    } catch (error) {
      const served = error instanceof AppError && error.code === 'git_unreachable' ? await lastServed(project, label) : undefined;
      if (!served) throw error;
      return { ...base, subject: served.subject, commit: served.commit, branch: served.subject as RefName };
    }
  };

  /** A stage is what was released to it; git is not asked. */
  const findStage = async (project: Project, { name }: PreviewName & { kind: 'stage' }): Promise<CommitPreview> => {
    const served = await lastServed(project, name);
    if (!served) throw new AppError('nothing_released', `Nothing runs in ${name} of ${project.name}.`);
    return { project, kind: 'stage', label: name, environment: null, subject: name, commit: served.commit, branch: branchOf(project, served.commit) };
  };

  /** With the remote and the mirror gone, a branch is what it served last. */
  const lastServed = async (project: Project, label: string) => {
    const route = await routes.findLabel(project.name, label);
    const number = route?.current ?? null;
    const release = number === null ? undefined : await releases.find(project.name, number);
    return route && release && release.commit !== null ? { subject: route.subject, commit: release.commit } : undefined;
  };

  return {
    find: ({ project, name }) => {
      if (name.kind === 'commit') return findCommit(project, name);
      if (name.kind === 'branch') return findBranch(project, name);
      if (name.kind === 'image') return findImagePreview(project, name, routes);
      if (name.kind === 'stage') return findStage(project, name);
      return Promise.reject(new AppError('unknown_preview', `There is no preview ${formatLabel(name)}.`));
    },
    findQuery: async (project, { branch, hash, image, env }) => {
      const environment = readEnvironment(project, env);
      if (image !== undefined) return imagePreviewOf(project, { text: image, environment });
      const commit = branch === undefined ? await sourceOf(project).findCommit(hash ?? '') : (await sourceOf(project).findRef(branch)).commit;
      const found = commitPreview(project, commit, environment);
      return branch === undefined ? found : { ...found, branch: branch as RefName };
    },
    remember: async (preview) => {
      if (preview.kind !== 'image') return;
      const { project, kind, label, environment, subject } = preview;
      assertOwnRoute(preview, await routes.ensure({ project: project.name, kind, label, environment, subject }));
    },
  };
}

function readEnvironment(project: Project, env: string | undefined): EnvironmentName | null {
  if (env === undefined || env === '') return null;
  const known = [...project.environments.keys()].find((name) => name === env);
  if (known !== undefined) return known;
  const names = [...project.environments.keys()];
  throw new AppError('unknown_environment', `“${env}” is not an environment of ${project.name}${names.length > 0 ? `: there are ${names.join(', ')}` : ': it has none'}.`);
}
