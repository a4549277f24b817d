import type { Clock } from '../kernel/clock.js';
import type { Db } from './database.js';

/** Browser sessions, kept over a restart; `body` is JSON text. */
export interface SessionRecords {
  find(sid: string): Promise<string | undefined>;
  put(sid: string, body: string, expiresAt: number): Promise<void>;
  remove(sid: string): Promise<void>;
  /** Deletes what has expired. */
  sweep(): Promise<void>;
  count(): Promise<number>;
}

/** How many are kept; beyond it the oldest go. */
export const MOST_SESSIONS = 10_000;
const TRIM_EVERY = 500;

export function createSessionRecords({ db, clock }: { db: Db; clock: Clock }): SessionRecords {
  let puts = 0;
  /** A flood of anonymous forms pushes out the oldest sessions, and never fills the disk. */
  const trim = async () => {
    const kept = db.selectFrom('sessions').select('sid').orderBy('expires_at', 'desc').limit(MOST_SESSIONS);
    await db.deleteFrom('sessions').where('sid', 'not in', kept).execute();
  };

  return {
    find: async (sid) => {
      const row = await db.selectFrom('sessions').select('body_json').where('sid', '=', sid).where('expires_at', '>', clock.now()).executeTakeFirst();
      return row?.body_json;
    },
    put: async (sid, body, expiresAt) => {
      await db.insertInto('sessions').values({ sid, body_json: body, expires_at: expiresAt })
        .onConflict((conflict) => conflict.column('sid').doUpdateSet({ body_json: body, expires_at: expiresAt })).execute();
      puts += 1;
      if (puts % TRIM_EVERY === 0) await trim();
    },
    remove: async (sid) => { await db.deleteFrom('sessions').where('sid', '=', sid).execute(); },
    sweep: async () => { await db.deleteFrom('sessions').where('expires_at', '<=', clock.now()).execute(); },
    count: async () => (await db.selectFrom('sessions').select((build) => build.fn.countAll<number>().as('count')).executeTakeFirstOrThrow()).count,
  };
}
