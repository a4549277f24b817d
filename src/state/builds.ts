import type { Selectable } from 'kysely';
import { monotonicFactory } from 'ulid';
import type { Build, BuildError, BuildStatus, BuildTrigger, PullRecipe, Recipe } from '../domain/build.js';
import type { BuildId, BuildKey, CommitHash, ImageId, ProjectName } from '../domain/ids.js';
import type { Clock } from '../kernel/clock.js';
import type { Db } from './database.js';
import type { BuildRow } from './tables.js';

export type NewBuild = Pick<Build, 'project' | 'commit' | 'key' | 'recipe' | 'trigger' | 'noCache' | 'attempt'>
  & Partial<Pick<Build, 'status' | 'image' | 'reusedFrom'>>;
export type BuildChange = Partial<Pick<Build, 'status' | 'startedAt' | 'finishedAt' | 'image' | 'error'>>;

/** The build records; what happened, for ever. */
export interface BuildStore {
  add(build: NewBuild): Promise<Build>;
  change(id: BuildId, change: BuildChange): Promise<Build>;
  find(id: BuildId): Promise<Build | undefined>;
  /** The newest build of the key. */
  latestOfKey(project: ProjectName, key: BuildKey): Promise<Build | undefined>;
  /** Successful builds of the same key that were asked for before, newest first; those that only reused an image are not among them. */
  earlierOfKey(build: Pick<Build, 'id' | 'project' | 'key'>, limit: number): Promise<readonly Build[]>;
  /** The newest build of the commit, whatever its key. */
  latestOfCommit(project: ProjectName, commit: CommitHash): Promise<Build | undefined>;
  /** Queued and running ones, oldest first. */
  active(): Promise<readonly Build[]>;
  /** Newest first. */
  list(project: ProjectName, limit: number): Promise<readonly Build[]>;
  /** How long the last ten successful builds of the project took, pulls not counted, in milliseconds. */
  durations(project: ProjectName): Promise<readonly number[]>;
  /** How many builds of all projects began since then, in milliseconds since the epoch; those without an image to make not counted. */
  startedSince(at: number): Promise<number>;
}

export function createBuildStore({ db, clock }: { db: Db; clock: Clock }): BuildStore {
  // Ids of one millisecond must keep their order too: the queue and “the newest” go by them.
  const nextUlid = monotonicFactory();
  const find = async (id: BuildId) => {
    const row = await db.selectFrom('builds').selectAll().where('id', '=', id).executeTakeFirst();
    return row && toBuild(row);
  };
  return {
    find,
    add: async (build) => {
      const now = clock.now();
      const row = toRow(build, `b_${nextUlid(now)}`, now);
      await db.insertInto('builds').values(row).execute();
      return toBuild(row);
    },
    change: async (id, change) => {
      const row = await db.updateTable('builds').set(changedColumns(change)).where('id', '=', id).returningAll().executeTakeFirstOrThrow();
      return toBuild(row);
    },
    latestOfKey: async (project, key) => {
      const row = await db.selectFrom('builds').selectAll().where('project', '=', project).where('key', '=', key)
        .orderBy('id', 'desc').limit(1).executeTakeFirst();
      return row && toBuild(row);
    },
    earlierOfKey: async ({ id, project, key }, limit) => {
      const rows = await db.selectFrom('builds').selectAll().where('project', '=', project).where('key', '=', key).where('status', '=', 'succeeded').where('id', '<', id)
        .orderBy('id', 'desc').limit(limit).execute();
      return rows.map(toBuild);
    },
    latestOfCommit: async (project, commit) => {
      const row = await db.selectFrom('builds').selectAll().where('project', '=', project).where('commit_hash', '=', commit)
        .orderBy('id', 'desc').limit(1).executeTakeFirst();
      return row && toBuild(row);
    },
    active: async () => {
      const rows = await db.selectFrom('builds').selectAll().where('status', 'in', ['queued', 'building']).orderBy('id').execute();
      return rows.map(toBuild);
    },
    list: async (project, limit) => {
      const rows = await db.selectFrom('builds').selectAll().where('project', '=', project).orderBy('id', 'desc').limit(limit).execute();
      return rows.map(toBuild);
    },
    durations: async (project) => {
      const rows = await db.selectFrom('builds').select(['started_at', 'finished_at']).where('project', '=', project)
        .where('status', '=', 'succeeded').where('commit_hash', 'is not', null).orderBy('id', 'desc').limit(10).execute();
      return rows.flatMap(({ started_at, finished_at }) => (started_at === null || finished_at === null ? [] : [finished_at - started_at]));
    },
    startedSince: async (at) => {
      const { count } = await db.selectFrom('builds').select((build) => build.fn.countAll<number>().as('count'))
        .where('started_at', '>=', at).where('status', '<>', 'reused').executeTakeFirstOrThrow();
      return count;
    },
  };
}

function toRow(build: NewBuild, id: string, now: number): Selectable<BuildRow> {
  const reused = build.status === 'reused';
  return {
    id, project: build.project, commit_hash: build.commit, upload: null, key: build.key, recipe_json: JSON.stringify(build.recipe),
    status: build.status ?? 'queued', trigger_name: build.trigger, no_cache: build.noCache ? 1 : 0, attempt: build.attempt,
    queued_at: now, started_at: reused ? now : null, finished_at: reused ? now : null,
    image: build.image ?? null, reused_from: build.reusedFrom ?? null, error_json: null,
  };
}

function changedColumns({ status, startedAt, finishedAt, image, error }: BuildChange): Partial<BuildRow> {
  return {
    ...(status === undefined ? {} : { status }),
    ...(startedAt === undefined ? {} : { started_at: startedAt }),
    ...(finishedAt === undefined ? {} : { finished_at: finishedAt }),
    ...(image === undefined ? {} : { image }),
    ...(error === undefined ? {} : { error_json: error === null ? null : JSON.stringify(error) }),
  };
}

/** Rows were written by `toRow`, so their identifiers were parsed before. */
function toBuild(row: Selectable<BuildRow>): Build {
  return {
    id: row.id as BuildId, project: row.project as ProjectName, commit: row.commit_hash as CommitHash | null, key: row.key as BuildKey,
    recipe: JSON.parse(row.recipe_json) as Recipe | PullRecipe, status: row.status as BuildStatus, trigger: row.trigger_name as BuildTrigger,
    noCache: row.no_cache === 1, attempt: row.attempt, queuedAt: row.queued_at, startedAt: row.started_at, finishedAt: row.finished_at,
    image: row.image as ImageId | null, reusedFrom: row.reused_from as BuildId | null,
    error: row.error_json === null ? null : JSON.parse(row.error_json) as BuildError,
  };
}
