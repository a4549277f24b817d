import { formatRelease, type CommitHash, type ReleaseNumber } from '../domain/ids.js';
import type { Project } from '../domain/project.js';
import type { ContainerEngine, EngineImage } from '../engine/port.js';
import type { Instances } from '../run/instances.js';
import type { RefTable, Source } from '../source/source.js';
import type { ImageStore, ImageUse } from '../state/images.js';

/** An image of ours that the engine has, and who needs it. Times are milliseconds since the epoch. */
export interface ListedImage extends Pick<EngineImage, 'id' | 'key' | 'build' | 'bytes' | 'createdAt'> {
  readonly project: Project;
  /** Its names, ours and those that people gave it. */
  readonly tags: readonly string[];
  readonly commits: readonly CommitHash[];
  /** The branches that stand at one of the commits now. */
  readonly branches: readonly string[];
  /** When it was last started or taken for a commit; null when nobody remembers. */
  readonly lastUsedAt: number | null;
  /** The routes whose current release has it. */
  readonly uses: readonly ImageUse[];
  /** The releases of it whose container is there now. */
  readonly running: readonly ReleaseNumber[];
  /** How many releases there ever were of it. */
  readonly releases: number;
  /** Why it may not be deleted; null when it may. */
  readonly kept: string | null;
}

export interface ListImagesDeps {
  readonly engine: Pick<ContainerEngine, 'images'>;
  readonly images: ImageStore;
  readonly instances: Pick<Instances, 'present'>;
  readonly sources: ReadonlyMap<Project['name'], Source>;
}

/** Lists the images of projects, most recently used first. @throws AppError of the engine */
export type ListImages = (projects: readonly Project[]) => Promise<readonly ListedImage[]>;

export function createListImages({ engine, images, instances, sources }: ListImagesDeps): ListImages {
  const ofProject = async (project: Project): Promise<ListedImage[]> => {
    const there = await engine.images(project.name);
    const ids = there.map(({ id }) => id);
    const [dated, uses, commits, releases] = await Promise.all([images.list(project.name), images.usesOf(project.name, ids), images.commitsOf(project.name, ids), images.releasesOf(project.name, ids)]);
    const usesBy = groupBy(uses, ({ image }) => image);
    const builtBy = groupBy(commits, ({ image }) => image);
    const datedBy = new Map(dated.map((each) => [each.id, each]));
    const refs = sources.get(project.name)?.refs();
    const branchesAt = groupBy(refs?.branches ?? [], ({ commit }) => commit);
    return there.map((image): ListedImage => {
      const { id, key, build, bytes, createdAt, tags } = image;
      const own = usesBy.get(id) ?? [];
      const of = commitsOf(image, builtBy.get(id) ?? []);
      return {
        id, key, build, bytes, createdAt, tags, project, commits: of, branches: of.flatMap((commit) => branchesAt.get(commit) ?? []).map(({ name }) => name),
        lastUsedAt: latest([datedBy.get(id)?.lastUsedAt, ...own.map(({ route }) => route.lastAccessAt)]),
        uses: own, running: instances.present().filter(({ image }) => image === id).map(({ number }) => number), releases: releases.get(id) ?? 0, kept: whyKept(own, refs),
      };
    });
  };
  return async (projects) => (await Promise.all(projects.map(ofProject))).flat().sort((a, b) => lastOf(b) - lastOf(a));
}

/** A commit is there for its URL, which builds it again; what follows a branch or was promoted is a promise, and keeps its image. */
export function whyKept(uses: readonly ImageUse[], refs: RefTable | undefined): string | null {
  for (const { route, release } of uses) {
    // A branch that was deleted promises nothing any more; one whose repository was never read may still be there.
    const gone = route.kind === 'branch' && refs !== undefined && refs.refs.length > 0 && refs.find(route.subject) === undefined;
    const what = WHAT[route.kind];
    if (what !== undefined && !gone) return `It is the current release of the ${what} “${route.subject}” (${route.label}, ${formatRelease(release)}).`;
  }
  return null;
}

const WHAT: Readonly<Partial<Record<ImageUse['route']['kind'], string>>> = { branch: 'branch', stage: 'stage', run: 'run' };

/** From the records, and from the names when the records were lost. */
function commitsOf({ tags }: EngineImage, recorded: readonly { readonly commit: CommitHash }[]): CommitHash[] {
  const named = tags.map((tag) => /^slipway\/[^:]+:([0-9a-f]{40})$/.exec(tag)?.[1]).filter((commit) => commit !== undefined);
  return [...new Set([...recorded.map(({ commit }) => commit), ...named as CommitHash[]])];
}

function groupBy<Key, Item>(items: readonly Item[], keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

const latest = (times: readonly (number | null | undefined)[]): number | null => times.reduce<number | null>((last, at) => (at === undefined || at === null ? last : Math.max(last ?? 0, at)), null);
const lastOf = ({ lastUsedAt, createdAt }: Pick<ListedImage, 'lastUsedAt' | 'createdAt'>): number => Math.max(lastUsedAt ?? 0, createdAt);
