import type { BuildId, BuildKey, ImageId, ProjectName } from '../domain/ids.js';
import type { Clock } from '../kernel/clock.js';
import type { Db } from './database.js';

/** An image as last seen in the engine, by build key. */
export interface ImageRecord {
  readonly id: ImageId;
  readonly project: ProjectName;
  readonly key: BuildKey;
  readonly build: BuildId | null;
}

export interface ImageStore {
  /** The newest image of the key. */
  ofKey(project: ProjectName, key: BuildKey): Promise<ImageRecord | undefined>;
  put(image: ImageRecord): Promise<void>;
  used(id: ImageId): Promise<void>;
  forget(id: ImageId): Promise<void>;
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
  };
}
