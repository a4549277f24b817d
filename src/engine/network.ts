import type Docker from 'dockerode';
import { AppError } from '../domain/errors.js';
import { parseProjectName } from '../domain/ids.js';
import type { InstanceId, ProjectName } from '../domain/ids.js';
import { createSingleFlight } from '../kernel/single-flight.js';
import { EngineRefusal, refusalStatus } from './client.js';
import type { Deadlines, EngineClient } from './client.js';
import { LABEL } from './labels.js';

export interface Networks {
  /** The network's name; made once, however many ask at the same time. */
  readonly ensure: (project: ProjectName) => Promise<string>;
  /** Removes this server's networks of all other projects, unless a container is on them. @returns whose were removed */
  readonly removeOthers: (projects: readonly ProjectName[]) => Promise<readonly ProjectName[]>;
  /** Lets the next `ensure` look again: the engine said that the network is gone, or a start did not find it. */
  readonly forget: (project: ProjectName) => void;
}

export interface NetworkDeps {
  readonly client: EngineClient;
  readonly instance: InstanceId;
  /** Where the subnets come from, such as `10.213.0.0/16`; the engine's own pools end after about thirty networks. */
  readonly pool: string;
  readonly deadlines: Deadlines;
}

const SUBNET_BITS = 24;
const ATTEMPTS = 16;

export const networkName = (instance: InstanceId, project: ProjectName): string => `slipway-${instance}-${project}`;

/** The project whose network has that name; undefined for a network that is not this server's. @throws AppError `invalid_name` */
export function readNetworkName(instance: InstanceId, name: string): ProjectName | undefined {
  const prefix = `slipway-${instance}-`;
  return name.startsWith(prefix) ? parseProjectName(name.slice(prefix.length)) : undefined;
}

export function createNetworks({ client, instance, pool, deadlines: { read } }: NetworkDeps): Networks {
  const known = new Set<ProjectName>();
  const flights = createSingleFlight<ProjectName, string>();

  const list = () => client.call({ what: 'list networks', ms: read, again: true, run: (docker) => docker.listNetworks() });

  const create = (project: ProjectName, subnet: string) => client.call({
    what: 'create a network', ms: read, run: (docker) => docker.createNetwork(networkOptions(instance, project, subnet)),
  });

  const make = async (project: ProjectName): Promise<string> => {
    const name = networkName(instance, project);
    const refused: string[] = [];
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const networks = await list();
      const existing = networks.find((network) => network.Name === name);
      if (existing) return confirm(existing, instance);
      const subnet = nextSubnet(pool, [...subnetsOf(networks), ...refused]);
      try {
        await create(project, subnet);
        return name;
      } catch (error) {
        if (!isTaken(error)) throw error;
        // Taken meanwhile, or used by something that is no network of the engine's; 409 is the name, found in the next round.
        if (refusalStatus(error) !== 409) refused.push(subnet);
      }
    }
    throw new AppError('start_failed', `No network could be made for “${project}”: ${ATTEMPTS} subnets of ${pool} were refused. Give another network pool.`);
  };

  /** The engine itself refuses while a container is on it; one that is gone meanwhile needs nothing. @returns whether it was removed */
  const remove = async ({ Id }: Docker.NetworkInspectInfo): Promise<boolean> => {
    try {
      await client.call({ what: 'remove a network', ms: read, run: (docker) => docker.getNetwork(Id).remove() as Promise<unknown> });
      return true;
    } catch (error) {
      if (error instanceof EngineRefusal && [403, 404, 409].includes(error.status)) return false;
      throw error;
    }
  };

  const removeOthers = async (projects: readonly ProjectName[]): Promise<readonly ProjectName[]> => {
    const removed: ProjectName[] = [];
    for (const network of await list()) {
      const project = network.Labels?.[LABEL.instance] === instance ? readNetworkName(instance, network.Name) : undefined;
      if (project === undefined || projects.includes(project) || !await remove(network)) continue;
      known.delete(project);
      removed.push(project);
    }
    return removed;
  };

  return {
    removeOthers,
    ensure: (project) => known.has(project)
      ? Promise.resolve(networkName(instance, project))
      : flights.run(project, async () => {
        const name = await make(project);
        known.add(project);
        return name;
      }),
    forget: (project) => { known.delete(project); },
  };
}

function networkOptions(instance: InstanceId, project: ProjectName, subnet: string): Docker.NetworkCreateOptions {
  return {
    Name: networkName(instance, project),
    CheckDuplicate: true,
    Driver: 'bridge',
    EnableIPv6: false,
    IPAM: { Driver: 'default', Config: [{ Subnet: subnet }] },
    Options: {
      'com.docker.network.bridge.enable_icc': 'false',
      'com.docker.network.bridge.host_binding_ipv4': '127.0.0.1',
    },
    Labels: { [LABEL.instance]: instance, [LABEL.project]: project },
  };
}

function confirm(network: Docker.NetworkInspectInfo, instance: InstanceId): string {
  if (network.Labels?.[LABEL.instance] === instance) return network.Name;
  throw new AppError('start_failed', `The network “${network.Name}” exists and is not this server's. Remove it: docker network rm ${network.Name}`);
}

function subnetsOf(networks: readonly Docker.NetworkInspectInfo[]): string[] {
  // Networks of plugins may come without addresses, whatever the types say.
  return networks.flatMap((network) => (network.IPAM?.Config as { Subnet?: string }[] | null | undefined) ?? [])
    .map(({ Subnet }) => Subnet)
    .filter((subnet) => subnet !== undefined);
}

function isTaken(error: unknown): boolean {
  return error instanceof EngineRefusal && (error.status === 409 || /overlap|already exists/i.test(error.message));
}

/**
 * The pool's first /24 that overlaps none of the taken subnets; IPv6 ones are no concern.
 *
 * @throws AppError `start_failed` when there is none left
 */
export function nextSubnet(pool: string, taken: readonly string[]): string {
  const { start, end } = rangeOf(pool) ?? fault(`“${pool}” is not a pool of IPv4 addresses such as 10.213.0.0/16.`);
  const used = taken.map(rangeOf).filter((range) => range !== undefined);
  const size = 2 ** (32 - SUBNET_BITS);
  for (let at = start; at + size <= end; at += size) {
    if (!used.some((range) => range.start < at + size && at < range.end)) return `${formatIp(at)}/${SUBNET_BITS}`;
  }
  return fault(`Every subnet of ${pool} is taken. Remove networks that are no longer needed: docker network prune`);
}

function fault(message: string): never {
  throw new AppError('start_failed', message);
}

/** @returns the first address and the one after the last; undefined for what is not an IPv4 subnet */
function rangeOf(subnet: string): { start: number; end: number } | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(subnet);
  if (!match) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, bits = 0] = match.slice(1).map(Number);
  if (Math.max(a, b, c, d) > 255 || bits > 32) return undefined;
  const size = 2 ** (32 - bits);
  const start = Math.floor((((a * 256 + b) * 256 + c) * 256 + d) / size) * size;
  return { start, end: start + size };
}

const formatIp = (address: number): string => [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
