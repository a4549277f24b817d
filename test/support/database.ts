import { openDatabase, type Database } from '../../src/state/database.js';
import type { ApplicationLog } from '../../src/kernel/log.js';
import { createVault, type Vault } from '../../src/state/vault.js';
import { createFakeClock, type FakeClock } from './fake-clock.js';
import { createTestFolder } from './git.js';
import { createQuietLog } from './quiet-log.js';

export interface TestDatabase extends Database, AsyncDisposable {
  /** The state directory; gone with the database. */
  readonly folder: string;
  readonly clock: FakeClock;
  readonly vault: Vault;
  readonly log: ApplicationLog;
}

/** A real, empty, migrated SQLite database in a folder of its own, by default with a clock that stands. */
export async function openTestDatabase(clock: FakeClock = createFakeClock()): Promise<TestDatabase> {
  const folder = createTestFolder();
  const log = createQuietLog();
  const database = await openDatabase({ folder: folder.path, clock, log });
  return {
    ...database, clock, log, vault: createVault('0'.repeat(64)), folder: folder.path,
    [Symbol.asyncDispose]: async () => { await database.close(); folder[Symbol.dispose](); },
  };
}

/** How the database refused, as text: its errors come from another realm than a test's, so that `toThrow` does not know them. */
export async function refusalOf(work: Promise<unknown>): Promise<string> {
  return work.then(() => 'not refused', (error: unknown) => String(error));
}
