import { loadSqlite, type Sqlite } from '../../src/state/sqlite.js';

const missing = (name: string) => Object.assign(new Error(`Cannot find module '${name}'`), { code: 'MODULE_NOT_FOUND' });
/** A module whose databases cannot be opened for the reason given, or can. */
const binding = (fault?: string) => class { constructor() { if (fault) throw new Error(fault); } close() { return this; } } as unknown as Sqlite;
const loaderOf = (modules: Readonly<Record<string, Sqlite>>) => (name: string): unknown => {
  const found = modules[name];
  if (!found) throw missing(name);
  return found;
};

describe('SQLite’s binding', () => {
  it('is the newer one where both are installed', () => {
    const newer = binding();
    expect(loadSqlite(loaderOf({ 'better-sqlite3-13': newer, 'better-sqlite3': binding() }))).toBe(newer);
  });

  it.each<[string, Sqlite | undefined]>([['is not installed', undefined], ['cannot be loaded', binding('wrong version')]])('is the older one where the newer %s', (_why, newer) => {
    const older = binding();
    expect(loadSqlite(loaderOf({ ...(newer ? { 'better-sqlite3-13': newer } : {}), 'better-sqlite3': older }))).toBe(older);
  });

  it('says what to do where there is none, and why one that is there was not taken', () => {
    expect(() => loadSqlite(loaderOf({}))).toThrow('SQLite cannot be loaded. Run npm ci again with the Node that runs Slipway; on Node 20 it needs a compiler: apt-get install python3 make g++');
    expect(() => loadSqlite(loaderOf({ 'better-sqlite3': binding('built for another Node') }))).toThrow('cannot be loaded (better-sqlite3: Error: built for another Node)');
  });

  it('is there', () => {
    const sqlite = new (loadSqlite())(':memory:');
    expect(sqlite.prepare('SELECT 1 + 1 AS two').get()).toEqual({ two: 2 });
    sqlite.close();
  });
});
