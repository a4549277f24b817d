import type { Selectable, Transaction } from 'kysely';
import type { BuildId, BuildKey, CommitHash, EnvironmentName, ImageId, ProjectName, ReleaseNumber, RouteId } from '../domain/ids.js';
import { canonicalJson, hashConfig, type Release, type ReleaseReason, type RunConfig } from '../domain/release.js';
import type { Clock } from '../kernel/clock.js';
import type { Db } from './database.js';
import type { ReleaseRow, Tables } from './tables.js';
import type { Vault } from './vault.js';

export interface NewRelease extends Omit<Release, 'number' | 'createdAt' | 'configHash'> {
  /** The values of the configuration's secrets; left away where there are none. */
  readonly secrets?: SecretValues;
}

export type SecretValues = Readonly<Record<string, string>>;

/** The append-only table; the database itself refuses any change of a row. */
export interface ReleaseStore {
  /** Appends with the project's next number. */
  append(release: NewRelease): Promise<Release>;
  find(project: ProjectName, number: ReleaseNumber): Promise<Release | undefined>;
  /** The route's newest, whether it ever served or not. */
  latestOfRoute(route: RouteId): Promise<Release | undefined>;
  /** Newest first. */
  list(project: ProjectName, limit: number): Promise<readonly Release[]>;
  /** All of the route's, newest first. */
  ofRoute(route: RouteId): Promise<readonly Release[]>;
  /** What the secrets of a configuration were when it was frozen. @throws AppError `internal` when they cannot be read */
  secretsOf(release: Pick<Release, 'configHash'>): Promise<SecretValues>;
}

type JoinedRow = Selectable<ReleaseRow> & { body_json: string };

export function createReleaseStore({ db, clock, vault }: { db: Db; clock: Clock; vault: Vault }): ReleaseStore {
  const joined = () => db.selectFrom('releases').innerJoin('configurations', 'configurations.hash', 'releases.config_hash')
    .selectAll('releases').select('configurations.body_json');
  return {
    append: ({ secrets = {}, ...release }) => db.transaction().execute(async (within) => {
      const now = clock.now();
      const configHash = hashConfig(release.config);
      await within.insertInto('configurations').values({ hash: configHash, body_json: canonicalJson(release.config), secrets: isEmpty(secrets) ? null : vault.seal(JSON.stringify(secrets)), created_at: now })
        .onConflict((conflict) => conflict.doNothing()).execute();
      const number = await nextNumber(within, release.project);
      await within.insertInto('releases').values(toRow(release, { number, configHash, now })).execute();
      return { ...release, number, configHash, createdAt: now };
    }),
    find: async (project, number) => {
      const row = await joined().where('releases.project', '=', project).where('releases.number', '=', number).executeTakeFirst();
      return row && toRelease(row);
    },
    latestOfRoute: async (route) => {
      const row = await joined().where('releases.route', '=', route).orderBy('releases.number', 'desc').limit(1).executeTakeFirst();
      return row && toRelease(row);
    },
    list: async (project, limit) => {
      const rows = await joined().where('releases.project', '=', project).orderBy('releases.number', 'desc').limit(limit).execute();
      return rows.map(toRelease);
    },
    ofRoute: async (route) => (await joined().where('releases.route', '=', route).orderBy('releases.number', 'desc').execute()).map(toRelease),
    secretsOf: async ({ configHash }) => {
      const row = await db.selectFrom('configurations').select('secrets').where('hash', '=', configHash).executeTakeFirst();
      return row?.secrets ? JSON.parse(vault.open(row.secrets)) as SecretValues : {};
    },
  };
}

const isEmpty = (secrets: SecretValues): boolean => Object.keys(secrets).length === 0;

async function nextNumber(within: Transaction<Tables>, project: ProjectName): Promise<ReleaseNumber> {
  const { last } = await within.selectFrom('releases').where('project', '=', project)
    .select((build) => build.fn.max<number | null>('number').as('last')).executeTakeFirstOrThrow();
  return ((last ?? 0) + 1) as ReleaseNumber;
}

function toRow(release: Omit<NewRelease, 'secrets'>, { number, configHash, now }: { number: ReleaseNumber; configHash: string; now: number }): ReleaseRow {
  return {
    project: release.project, number, route: release.route, build: release.build, image: release.image, commit_hash: release.commit, upload: null,
    key: release.key, config_hash: configHash, environment: release.environment, reason: release.reason, by_whom: release.by,
    parent: release.parent, rollback_of: release.rollbackOf, version: release.version, created_at: now,
  };
}

function toRelease(row: JoinedRow): Release {
  return {
    project: row.project as ProjectName, number: row.number as ReleaseNumber, route: row.route as RouteId, build: row.build as BuildId | null,
    image: row.image as ImageId, commit: row.commit_hash as CommitHash | null, key: row.key as BuildKey, config: JSON.parse(row.body_json) as RunConfig,
    configHash: row.config_hash, environment: row.environment as EnvironmentName | null, reason: row.reason as ReleaseReason, by: row.by_whom,
    parent: row.parent as ReleaseNumber | null, rollbackOf: row.rollback_of as ReleaseNumber | null, version: row.version, createdAt: row.created_at,
  };
}
