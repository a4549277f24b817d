import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** Where the binding of SQLite lies that a server of this Node takes, for programs that a test writes. */
export const SQLITE_MODULE = ['better-sqlite3-13', 'better-sqlite3'].flatMap((name) => {
  try {
    return [require.resolve(name)];
  } catch {
    return [];
  }
})[0] ?? '';
