import { systemClock } from '../kernel/clock.js';
import { createConnectionTable } from './connections.js';
import { createDial } from './dial.js';
import { exchange } from './exchange.js';
import type { Forward, ForwardDeps } from './forwarding.js';
import { relayUpgrade } from './upgrade.js';

export { TIMEOUTS } from './forwarding.js';
export type { Forward, ForwardDeps, ForwardTimeouts, ForwardTo, UpgradeClient } from './forwarding.js';

/** The one way from clients to containers, with one set of connections per container. */
export function createForward({ log, onFailure, onUpgradeFailure, timeouts, token, clock = systemClock }: ForwardDeps): Forward {
  const table = createConnectionTable(clock.monotonic);
  const dial = createDial();
  return {
    request: (req, res, to) => exchange({ req, res, to }, { connections: table.of(to.container), dial, log, onFailure, timeouts, token }),
    upgrade: (req, client, to) => relayUpgrade({ req, ...client, to }, { connections: table.of(to.container), log, onUpgradeFailure, timeouts, token }),
    forget: (container) => { table.forget(container); },
    close: () => { table.close(); },
  };
}
