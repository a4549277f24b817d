import type { Selectable } from 'kysely';
import type { ProjectName } from '../domain/ids.js';
import type { Scope } from '../domain/project.js';
import { formatScope, type Setting, type SettingChange } from '../domain/setting.js';
import type { Clock } from '../kernel/clock.js';
import type { Db } from './database.js';
import type { SettingRow } from './tables.js';
import type { Vault } from './vault.js';

/** What holds in a scope, secrets readable; for configurations only. */
export interface SettingValues {
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, { readonly value: string; readonly digest: string }>>;
}

/** What was set from outside the file: append-only, the newest row of a name is what holds. */
export interface SettingStore {
  /** By name. */
  list(project: ProjectName, scope: Scope): Promise<readonly Setting[]>;
  values(project: ProjectName, scope: Scope): Promise<SettingValues>;
  /** Makes all changes or none. @returns whether anything differs afterwards */
  change(of: { readonly project: ProjectName; readonly scope: Scope; readonly by: string }, changes: readonly SettingChange[]): Promise<boolean>;
}

type Row = Selectable<SettingRow>;
const holds = ({ value, sealed }: Row): boolean => value !== null || sealed !== null;

export function createSettingStore({ db, clock, vault }: { db: Db; clock: Clock; vault: Vault }): SettingStore {
  const newest = async (from: Pick<Db, 'selectFrom'>, project: ProjectName, scope: Scope): Promise<Row[]> => {
    const ids = db.selectFrom('setting_changes').select((build) => build.fn.max('id').as('id'))
      .where('project', '=', project).where('scope', '=', formatScope(scope)).groupBy('name');
    const rows = await from.selectFrom('setting_changes').selectAll().where('id', 'in', ids).orderBy('name').execute();
    return rows.filter(holds);
  };

  const rowOf = (change: SettingChange) => {
    if (change.kind === 'unset') return { value: null, sealed: null, digest: null };
    if (!change.secret) return { value: change.value, sealed: null, digest: null };
    return { value: null, sealed: vault.seal(change.value), digest: vault.digest(change.value) };
  };

  return {
    list: async (project, scope) => (await newest(db, project, scope)).map(({ name, value, digest, at, by_whom }) => ({ name, value, digest, at, by: by_whom })),
    values: async (project, scope) => {
      const rows = await newest(db, project, scope);
      return {
        env: Object.fromEntries(rows.flatMap(({ name, value }) => (value === null ? [] : [[name, value]]))),
        secrets: Object.fromEntries(rows.flatMap(({ name, sealed, digest }) => (sealed === null ? [] : [[name, { value: vault.open(sealed), digest: digest ?? '' }]]))),
      };
    },
    change: ({ project, scope, by }, changes) => db.transaction().execute(async (within) => {
      const before = new Map((await newest(within, project, scope)).map((row) => [row.name, row]));
      let isChanged = false;
      for (const change of changes) {
        const row = rowOf(change);
        const known = before.get(change.name);
        if (known ? known.value === row.value && known.digest === row.digest : change.kind === 'unset') continue;
        await within.insertInto('setting_changes').values({ project, scope: formatScope(scope), name: change.name, ...row, at: clock.now(), by_whom: by }).execute();
        isChanged = true;
      }
      return isChanged;
    }),
  };
}
