import type { Selectable } from 'kysely';
import { monotonicFactory } from 'ulid';
import type { EnvironmentName, ProjectName, ReleaseNumber, RouteId } from '../domain/ids.js';
import type { LastError, Route, RouteKind } from '../domain/release.js';
import type { Clock } from '../kernel/clock.js';
import type { Db } from './database.js';
import type { RouteRow } from './tables.js';

export type NewRoute = Pick<Route, 'project' | 'kind' | 'label' | 'environment' | 'subject'>;

export interface RouteStore {
  /** The route of the label, made on first sight. */
  ensure(route: NewRoute): Promise<Route>;
  find(id: RouteId): Promise<Route | undefined>;
  findLabel(project: ProjectName, label: string): Promise<Route | undefined>;
  /** Most recently used first. */
  list(project: ProjectName): Promise<readonly Route[]>;
  /** Lets the route serve a release, with a line of history, in one transaction. */
  move(id: RouteId, release: ReleaseNumber, reason: string): Promise<void>;
  setLastError(id: RouteId, error: LastError | null): Promise<void>;
  /** Notes when each route was last used; one transaction for all. */
  touch(accesses: ReadonlyMap<RouteId, number>): Promise<void>;
}

export function createRouteStore({ db, clock }: { db: Db; clock: Clock }): RouteStore {
  const nextUlid = monotonicFactory();
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
      const row: RouteRow = { ...route, id: `r_${nextUlid(now)}`, current_release: null, last_error_json: null, created_at: now, last_access_at: null };
      await db.insertInto('routes').values(row).onConflict((conflict) => conflict.columns(['project', 'label']).doNothing()).execute();
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
    move: (id, release, reason) => db.transaction().execute(async (within) => {
      await within.updateTable('routes').set({ current_release: release, last_error_json: null }).where('id', '=', id).execute();
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
    environment: row.environment as EnvironmentName | null, subject: row.subject, current: row.current_release as ReleaseNumber | null,
    lastError: row.last_error_json === null ? null : JSON.parse(row.last_error_json) as LastError,
    createdAt: row.created_at, lastAccessAt: row.last_access_at,
  };
}
