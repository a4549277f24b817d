import { createConnectionTable } from './connections.js';
import { createDial } from './dial.js';
import { exchange } from './exchange.js';
import type { Forward, ForwardDeps, ForwardTo } from './forwarding.js';
import type { RequestRules } from './proxy-guards.js';
import { relayUpgrade } from './upgrade.js';

export type { Forward, ForwardDeps, ForwardTimeouts, ForwardTo, UpgradeClient } from './forwarding.js';

/** The one way from clients to containers, with one set of connections per container. */
export function createForward({ log, onFailure, onUpgradeFailure, timeouts, trusts = () => false }: ForwardDeps): Forward {
  const table = createConnectionTable();
  const dial = createDial();
  const rulesFor = ({ forwarded, requestId }: ForwardTo): RequestRules => ({ forwarded, requestId, trusted: trusts(forwarded.for) });
  return {
    request: (req, res, to) =>
      exchange({ req, res, to, rules: rulesFor(to) }, { connections: table.of(to.container), dial, log, onFailure, timeouts }),
    upgrade: (req, client, to) =>
      relayUpgrade({ req, ...client, to, rules: rulesFor(to) }, { connections: table.of(to.container), log, onUpgradeFailure, timeouts }),
    forget: (container) => { table.forget(container); },
    close: () => { table.close(); },
  };
}
