import { sql, type Selectable, type Transaction } from 'kysely';
import type { BuildId, BuildKey, CommitHash, EnvironmentName, ImageId, ProjectName, ReleaseNumber, RouteId } from '../domain/ids.js';
import { canonicalJson, hashConfig, type Release, type ReleaseReason, type Route, type RouteKind, type RunConfig } from '../domain/release.js';
import type { Clock } from '../kernel/clock.js';
import type { Db } from './database.js';
import type { ReleaseRow, Tables } from './tables.js';
import type { Vault } from './vault.js';

export interface NewRelease extends Omit<Release, 'number' | 'createdAt' | 'configHash'> {
  /** The values of the configuration's secrets; left away where there are none. */
  readonly secrets?: SecretValues;
}

export type SecretValues = Readonly<Record<string, string>>;

export interface ReleaseSearch {
  readonly projects: readonly ProjectName[];
  /** The label of a route; undefined for all of them. */
  readonly route: string | undefined;
  /** Empty for all. */
  readonly text: string;
}

/** A release with the route it was made for. */
export interface ListedRelease {
  readonly release: Release;
  readonly route: Pick<Route, 'kind' | 'label' | 'subject' | 'environment' | 'current'>;
}

/** The append-only table; the database itself refuses any change of a row. */
export interface ReleaseStore {
  /** Appends with the project's next number. */
  append(release: NewRelease): Promise<Release>;
  find(project: ProjectName, number: ReleaseNumber): Promise<Release | undefined>;
  /** The route's newest, whether it ever served or not. */
  latestOfRoute(route: RouteId): Promise<Release | undefined>;
  /** How many releases are of the route and contain the text, in any case: in `v7`, who made it, why, the commit, the image, or the route. */
  count(of: ReleaseSearch): Promise<number>;
  /** One part of them, newest first. */
  search(of: ReleaseSearch, part: { readonly offset: number; readonly limit: number }): Promise<readonly ListedRelease[]>;
  /** All of the route's, newest first. */
  ofRoute(route: RouteId): Promise<readonly Release[]>;
  /** The images that the route served, each once, the newest first; as many as `most`, or all. */
  imagesServed(route: RouteId, most?: number): Promise<readonly ImageId[]>;
  /** The routes that have a release of the image, whether it ever served or not. */
  routesOfImage(project: ProjectName, image: ImageId): Promise<readonly RouteId[]>;
  /** What the secrets of a configuration were when it was frozen. @throws AppError `internal` when they cannot be read */
  secretsOf(release: Pick<Release, 'configHash'>): Promise<SecretValues>;
}

type JoinedRow = Selectable<ReleaseRow> & { body_json: string };
type ListedRow = JoinedRow & { label: string; kind: string; subject: string; current_release: number | null };

export function createReleaseStore({ db, clock, vault }: { db: Db; clock: Clock; vault: Vault }): ReleaseStore {
  const joined = () => db.selectFrom('releases').innerJoin('configurations', 'configurations.hash', 'releases.config_hash')
    .selectAll('releases').select('configurations.body_json');
  const served = () => db.selectFrom('route_history').innerJoin('routes', 'routes.id', 'route_history.route')
    .innerJoin('releases', (join) => join.onRef('releases.project', '=', 'routes.project').onRef('releases.number', '=', 'route_history.release'));
  /** Whether a release is looked for: by its route, and by words of its own or of its route. */
  const wanted = ({ projects, route, text }: ReleaseSearch) => {
    const like = `%${text.replace(/[\\%_]/g, '\\$&')}%`;
    const routes = sql`SELECT id FROM routes WHERE project IN (${sql.join(projects)})`;
    const words = sql`'v' || releases.number LIKE ${like} ESCAPE '\\' OR releases.by_whom LIKE ${like} ESCAPE '\\' OR releases.reason LIKE ${like} ESCAPE '\\'
      OR releases.commit_hash LIKE ${like} ESCAPE '\\' OR releases.image LIKE ${like} ESCAPE '\\' OR releases.project LIKE ${like} ESCAPE '\\'
      OR releases.route IN (${routes} AND (label LIKE ${like} ESCAPE '\\' OR subject LIKE ${like} ESCAPE '\\'))`;
    const scope = route === undefined ? sql`releases.project IN (${sql.join(projects)})` : sql`releases.route IN (${routes} AND label = ${route})`;
    return text === '' ? sql<boolean>`${scope}` : sql<boolean>`${scope} AND (${words})`;
  };
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
    count: async (of) => (await db.selectFrom('releases').select((build) => build.fn.countAll<number>().as('total')).where(wanted(of)).executeTakeFirstOrThrow()).total,
    search: async (of, { offset, limit }) => {
      // Rows are sorted and skipped without what is shown of them.
      const keys = db.selectFrom('releases').select(['project', 'number']).where(wanted(of));
      const part = (of.projects.length > 1 ? keys.orderBy('created_at', 'desc') : keys).orderBy('number', 'desc').limit(limit).offset(offset);
      const found = joined().innerJoin(part.as('part'), (join) => join.onRef('part.project', '=', 'releases.project').onRef('part.number', '=', 'releases.number'))
        .innerJoin('routes', 'routes.id', 'releases.route').select(['routes.label', 'routes.kind', 'routes.subject', 'routes.current_release']);
      const rows = await (of.projects.length > 1 ? found.orderBy('releases.created_at', 'desc') : found).orderBy('releases.number', 'desc').execute();
      return rows.map(toListed);
    },
    ofRoute: async (route) => (await joined().where('releases.route', '=', route).orderBy('releases.number', 'desc').execute()).map(toRelease),
    imagesServed: async (route, most = Number.MAX_SAFE_INTEGER) => {
      const rows = await served().where('route_history.route', '=', route).select('releases.image').select((build) => build.fn.max('route_history.id').as('last'))
        .groupBy('releases.image').orderBy('last', 'desc').limit(most).execute();
      return rows.map(({ image }) => image as ImageId);
    },
    routesOfImage: async (project, image) => {
      const rows = await db.selectFrom('releases').where('project', '=', project).where('image', '=', image).select('route').distinct().execute();
      return rows.map(({ route }) => route as RouteId);
    },
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

function toListed(row: ListedRow): ListedRelease {
  const { kind, label, subject, environment, current_release: current } = row;
  return { release: toRelease(row), route: { kind: kind as RouteKind, label, subject, environment: environment as EnvironmentName | null, current: current as ReleaseNumber | null } };
}

function toRelease(row: JoinedRow): Release {
  return {
    project: row.project as ProjectName, number: row.number as ReleaseNumber, route: row.route as RouteId, build: row.build as BuildId | null,
    image: row.image as ImageId, commit: row.commit_hash as CommitHash | null, key: row.key as BuildKey, config: JSON.parse(row.body_json) as RunConfig,
    configHash: row.config_hash, environment: row.environment as EnvironmentName | null, reason: row.reason as ReleaseReason, by: row.by_whom,
    parent: row.parent as ReleaseNumber | null, rollbackOf: row.rollback_of as ReleaseNumber | null, version: row.version, createdAt: row.created_at,
  };
}
