import { sql, type Selectable } from 'kysely';
import { monotonicFactory } from 'ulid';
import type { EnvironmentName, ProjectName, ReleaseNumber, RouteId } from '../domain/ids.js';
import type { LastError, Route, RouteKind } from '../domain/release.js';
import type { Clock } from '../kernel/clock.js';
import type { Db } from './database.js';
import type { RouteRow } from './tables.js';

export type NewRoute = Pick<Route, 'project' | 'kind' | 'label' | 'environment' | 'subject'>;

export interface RouteSearch {
  readonly projects: readonly ProjectName[];
  /** Empty for all. */
  readonly text: string;
}

export interface RouteMove {
  readonly release: ReleaseNumber;
  readonly reason: string;
  /** Left away where the route goes on with what it took up before. */
  readonly configHash?: string;
}

export interface RouteStore {
  /** The route of the label, made on first sight. */
  ensure(route: NewRoute): Promise<Route>;
  find(id: RouteId): Promise<Route | undefined>;
  findLabel(project: ProjectName, label: string): Promise<Route | undefined>;
  /** Most recently used first. */
  list(project: ProjectName): Promise<readonly Route[]>;
  /** The routes of a kind for one thing, one for each environment. */
  ofSubject(of: Pick<Route, 'project' | 'kind' | 'subject'>): Promise<readonly Route[]>;
  /** The same for several projects, one part of all: those whose label, subject, environment or project contains the text, in any case. */
  search(of: RouteSearch, part: { readonly offset: number; readonly limit: number }): Promise<{ readonly routes: readonly Route[]; readonly total: number }>;
  /** Lets the route serve a release, with a line of history, in one transaction; `configHash` is the configuration it took up with it. */
  move(id: RouteId, to: RouteMove): Promise<void>;
  /** Whether the route ever served the release. */
  hasServed(id: RouteId, release: ReleaseNumber): Promise<boolean>;
  /** When it moved to what it serves, in milliseconds since the epoch; undefined when it never served anything. */
  movedAt(id: RouteId): Promise<number | undefined>;
  /** Lets the route serve nothing until it moves again; its releases and its history stay. */
  clear(id: RouteId): Promise<void>;
  setLastError(id: RouteId, error: LastError | null): Promise<void>;
  /** Notes when each route was last used; one transaction for all. */
  touch(accesses: ReadonlyMap<RouteId, number>): Promise<void>;
}

const MOST_UNOPENED = 1_000;
const TRIM_EVERY = 100;

export function createRouteStore({ db, clock }: { db: Db; clock: Clock }): RouteStore {
  const nextUlid = monotonicFactory();
  let images = 0;
  /** Anybody can name images that are in no registry: of those that never had a release, the oldest go. */
  const trim = async () => {
    const unopened = db.selectFrom('routes').select('routes.id').leftJoin('releases', 'releases.route', 'routes.id')
      .where('routes.kind', '=', 'image').where('releases.number', 'is', null);
    const kept = unopened.orderBy('routes.id', 'desc').limit(MOST_UNOPENED);
    await db.deleteFrom('routes').where('id', 'in', unopened).where('id', 'not in', kept).execute();
  };
  const findLabel = async (project: ProjectName, label: string) => {
    const row = await db.selectFrom('routes').selectAll().where('project', '=', project).where('label', '=', label).executeTakeFirst();
    return row && toRoute(row);
  };
  return {
    findLabel,
    ensure: async (route) => {
      const known = await findLabel(route.project, route.label);
      if (known) return known;
      const now = clock.now();
      const row: RouteRow = { ...route, id: `r_${nextUlid(now)}`, current_release: null, last_error_json: null, config_hash: null, created_at: now, last_access_at: null };
      await db.insertInto('routes').values(row).onConflict((conflict) => conflict.columns(['project', 'label']).doNothing()).execute();
      if (route.kind === 'image' && ++images % TRIM_EVERY === 0) await trim();
      return await findLabel(route.project, route.label) ?? toRoute(row);
    },
    find: async (id) => {
      const row = await db.selectFrom('routes').selectAll().where('id', '=', id).executeTakeFirst();
      return row && toRoute(row);
    },
    list: async (project) => {
      const rows = await db.selectFrom('routes').selectAll().where('project', '=', project)
        .orderBy('last_access_at', 'desc').orderBy('id', 'desc').execute();
      return rows.map(toRoute);
    },
    search: async ({ projects, text }, { offset, limit }) => {
      const like = `%${text.replace(/[\\%_]/g, '\\$&')}%`;
      const found = db.selectFrom('routes').where('project', 'in', projects)
        .where(sql<boolean>`(label LIKE ${like} ESCAPE '\\' OR subject LIKE ${like} ESCAPE '\\' OR project LIKE ${like} ESCAPE '\\' OR environment LIKE ${like} ESCAPE '\\')`);
      const rows = await found.selectAll().orderBy(sql`coalesce(last_access_at, created_at)`, 'desc').orderBy('id', 'desc').limit(limit).offset(offset).execute();
      const { total } = await found.select((build) => build.fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
      return { routes: rows.map(toRoute), total };
    },
    ofSubject: async ({ project, kind, subject }) => {
      const rows = await db.selectFrom('routes').selectAll().where('project', '=', project).where('kind', '=', kind).where('subject', '=', subject).execute();
      return rows.map(toRoute);
    },
    hasServed: async (id, release) => await db.selectFrom('route_history').select('id').where('route', '=', id).where('release', '=', release).limit(1).executeTakeFirst() !== undefined,
    movedAt: async (id) => (await db.selectFrom('route_history').select('at').where('route', '=', id).orderBy('id', 'desc').limit(1).executeTakeFirst())?.at,
    clear: async (id) => { await db.updateTable('routes').set({ current_release: null, last_error_json: null }).where('id', '=', id).execute(); },
    move: (id, { release, reason, configHash }) => db.transaction().execute(async (within) => {
      await within.updateTable('routes').set({ current_release: release, last_error_json: null, ...(configHash === undefined ? {} : { config_hash: configHash }) }).where('id', '=', id).execute();
      await within.insertInto('route_history').values({ route: id, release, at: clock.now(), reason }).execute();
    }),
    setLastError: async (id, error) => {
      await db.updateTable('routes').set({ last_error_json: error === null ? null : JSON.stringify(error) }).where('id', '=', id).execute();
    },
    touch: (accesses) => db.transaction().execute(async (within) => {
      for (const [id, at] of accesses) await within.updateTable('routes').set({ last_access_at: at }).where('id', '=', id).execute();
    }),
  };
}

function toRoute(row: Selectable<RouteRow>): Route {
  return {
    id: row.id as RouteId, project: row.project as ProjectName, kind: row.kind as RouteKind, label: row.label,
    environment: row.environment as EnvironmentName | null, subject: row.subject, current: row.current_release as ReleaseNumber | null, configHash: row.config_hash,
    lastError: row.last_error_json === null ? null : JSON.parse(row.last_error_json) as LastError,
    createdAt: row.created_at, lastAccessAt: row.last_access_at,
  };
}
