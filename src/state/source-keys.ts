import type { BuildKey, CommitHash, ProjectName } from '../domain/ids.js';
import type { Db } from './database.js';

/** Build keys already computed, so that a known commit needs no git at all. */
export interface SourceKeyStore {
  find(of: KeyOf): Promise<BuildKey | undefined>;
  put(of: KeyOf, key: BuildKey): Promise<void>;
}

export interface KeyOf {
  readonly project: ProjectName;
  readonly commit: CommitHash;
  /** SHA-256 of the recipe in canonical JSON. */
  readonly recipeHash: string;
}

export function createSourceKeyStore({ db }: { db: Db }): SourceKeyStore {
  return {
    find: async ({ project, commit, recipeHash }) => {
      const row = await db.selectFrom('source_keys').select('key').where('project', '=', project)
        .where('commit_hash', '=', commit).where('recipe_hash', '=', recipeHash).executeTakeFirst();
      return row?.key as BuildKey | undefined;
    },
    put: async ({ project, commit, recipeHash }, key) => {
      await db.insertInto('source_keys').values({ project, commit_hash: commit, recipe_hash: recipeHash, key })
        .onConflict((conflict) => conflict.doNothing()).execute();
    },
  };
}
