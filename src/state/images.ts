import type { BuildId, BuildKey, CommitHash, EnvironmentName, ImageId, ProjectName, ReleaseNumber, RouteId } from '../domain/ids.js';
import type { Route, RouteKind } from '../domain/release.js';
import type { Clock } from '../kernel/clock.js';
import type { Db } from './database.js';

/** An image as last seen in the engine, by build key. */
export interface ImageRecord {
  readonly id: ImageId;
  readonly project: ProjectName;
  readonly key: BuildKey;
  readonly build: BuildId | null;
}

/** When an image was first seen and last taken, in milliseconds since the epoch. */
export interface DatedImage extends ImageRecord {
  readonly createdAt: number;
  readonly lastUsedAt: number;
}

/** A route whose current release has an image. */
export interface ImageUse {
  readonly image: ImageId;
  readonly release: ReleaseNumber;
  readonly route: Pick<Route, 'id' | 'kind' | 'label' | 'subject' | 'environment' | 'lastAccessAt'>;
}

export interface ImageStore {
  /** The newest image of the key. */
  ofKey(project: ProjectName, key: BuildKey): Promise<ImageRecord | undefined>;
  put(image: ImageRecord): Promise<void>;
  used(id: ImageId): Promise<void>;
  forget(id: ImageId): Promise<void>;
  list(project: ProjectName): Promise<readonly DatedImage[]>;
  /** The routes whose current release has one of the images, most recently used first. */
  usesOf(project: ProjectName, ids: readonly ImageId[]): Promise<readonly ImageUse[]>;
  /** The commits that were built as one of the images, or reused it. */
  commitsOf(project: ProjectName, ids: readonly ImageId[]): Promise<readonly { readonly image: ImageId; readonly commit: CommitHash }[]>;
  /** How many releases there ever were of each of the images. */
  releasesOf(project: ProjectName, ids: readonly ImageId[]): Promise<ReadonlyMap<ImageId, number>>;
}

export function createImageStore({ db, clock }: { db: Db; clock: Clock }): ImageStore {
  return {
    ofKey: async (project, key) => {
      const row = await db.selectFrom('images').selectAll().where('project', '=', project).where('key', '=', key)
        .orderBy('created_at', 'desc').limit(1).executeTakeFirst();
      return row && { id: row.id as ImageId, project, key, build: row.build as BuildId | null };
    },
    put: async ({ id, project, key, build }) => {
      const now = clock.now();
      await db.insertInto('images').values({ id, project, key, build, created_at: now, last_used_at: now })
        .onConflict((conflict) => conflict.column('id').doUpdateSet({ project, key, build, created_at: now, last_used_at: now })).execute();
    },
    used: async (id) => { await db.updateTable('images').set({ last_used_at: clock.now() }).where('id', '=', id).execute(); },
    forget: async (id) => { await db.deleteFrom('images').where('id', '=', id).execute(); },
    list: async (project) => {
      const rows = await db.selectFrom('images').selectAll().where('project', '=', project).execute();
      return rows.map((row) => ({
        id: row.id as ImageId, project, key: row.key as BuildKey, build: row.build as BuildId | null, createdAt: row.created_at, lastUsedAt: row.last_used_at,
      }));
    },
    usesOf: async (project, ids) => {
      const rows = await db.selectFrom('routes')
        .innerJoin('releases', (join) => join.onRef('releases.project', '=', 'routes.project').onRef('releases.number', '=', 'routes.current_release'))
        .select(['releases.image', 'releases.number', 'routes.id', 'routes.kind', 'routes.label', 'routes.subject', 'routes.environment', 'routes.last_access_at'])
        .where('routes.project', '=', project).where('releases.image', 'in', ids).orderBy('routes.last_access_at', 'desc').orderBy('routes.id', 'desc').execute();
      return rows.map(({ image, number, id, kind, label, subject, environment, last_access_at }) => ({
        image: image as ImageId, release: number as ReleaseNumber,
        route: { id: id as RouteId, kind: kind as RouteKind, label, subject, environment: environment as EnvironmentName | null, lastAccessAt: last_access_at },
      }));
    },
    commitsOf: async (project, ids) => {
      const rows = await db.selectFrom('builds').select(['image', 'commit_hash']).distinct()
        .where('project', '=', project).where('image', 'in', ids).where('commit_hash', 'is not', null).execute();
      return rows.map(({ image, commit_hash }) => ({ image: image as ImageId, commit: commit_hash as CommitHash }));
    },
    releasesOf: async (project, ids) => {
      const rows = await db.selectFrom('releases').select(['image', (build) => build.fn.countAll<number>().as('count')])
        .where('project', '=', project).where('image', 'in', ids).groupBy('image').execute();
      return new Map(rows.map(({ image, count }) => [image as ImageId, count]));
    },
  };
}
