import { createRequire } from 'node:module';
import type BetterSqlite3 from 'better-sqlite3';
import { AppError } from '../domain/errors.js';
import { errorCode } from '../kernel/error-code.js';

/** What `better-sqlite3` gives, whichever of its versions this Node can load. */
export type Sqlite = typeof BetterSqlite3;

/**
 * Version 13 comes compiled and needs Node 22; version 12 is compiled when it is installed and serves Node 20. Where npm
 * installed both, 13 it is: what a statement of 12 does when it is collected ends Node 24.19 and later.
 */
const NAMES = ['better-sqlite3-13', 'better-sqlite3'];

/** @throws AppError `internal` when neither was installed or can be loaded */
export function loadSqlite(load: (name: string) => unknown = createRequire(import.meta.url)): Sqlite {
  const faults: string[] = [];
  for (const name of NAMES) {
    try {
      const Sqlite = load(name) as Sqlite;
      // The compiled part is loaded with the first database.
      new Sqlite(':memory:').close();
      return Sqlite;
    } catch (error) {
      if (errorCode(error) !== 'MODULE_NOT_FOUND') faults.push(`${name}: ${String(error)}`);
    }
  }
  const why = faults.length > 0 ? ` (${faults.join('; ')})` : '';
  throw new AppError('internal', `SQLite cannot be loaded${why}. Run npm ci again with the Node that runs Slipway; on Node 20 it needs a compiler: apt-get install python3 make g++`);
}
