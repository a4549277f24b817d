import { SelectQueryNode, TableNode, type KyselyPlugin } from 'kysely';
import type { Database } from '../../src/state/database.js';

export interface CountedReads {
  /** How often a table was read so far. */
  of(table: string): number;
  readonly watch: (database: Database) => Database;
}

/** Counts what is read from the records, however many servers use them one after the other. */
export function countReads(): CountedReads {
  const counts = new Map<string, number>();
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => {
      if (SelectQueryNode.is(node)) {
        for (const from of node.from?.froms ?? []) {
          const table = TableNode.is(from) ? from.table.identifier.name : 'other';
          counts.set(table, (counts.get(table) ?? 0) + 1);
        }
      }
      return node;
    },
    transformResult: ({ result }) => Promise.resolve(result),
  };
  return {
    of: (table) => counts.get(table) ?? 0,
    watch: ({ db, close }) => ({ db: db.withPlugin(plugin), close }),
  };
}
