import type { Clock } from '../kernel/clock.js';
import { createBuildStore } from './builds.js';
import type { Db } from './database.js';
import { createImageStore } from './images.js';
import { createReleaseStore } from './releases.js';
import { createRouteStore } from './routes.js';
import { createSessionRecords } from './sessions.js';
import { createSettingStore } from './settings.js';
import { createSourceKeyStore } from './source-keys.js';
import { createVault } from './vault.js';

/** All records, one store for each noun. */
export function createStores({ db, clock, secretsKey }: { readonly db: Db; readonly clock: Clock; /** 64 hex digits. */ readonly secretsKey: string }) {
  const vault = createVault(secretsKey);
  return {
    buildStore: createBuildStore({ db, clock }), images: createImageStore({ db, clock }), routes: createRouteStore({ db, clock }),
    releases: createReleaseStore({ db, clock, vault }), settings: createSettingStore({ db, clock, vault }),
    keys: createSourceKeyStore({ db }), sessions: createSessionRecords({ db, clock }),
  };
}
