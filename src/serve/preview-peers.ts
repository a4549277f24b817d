import { BlockList, isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';

/** An interface of this machine, as the system lists it. */
export interface HostInterface {
  readonly name: string;
  /** IPv4 with its prefix, such as `172.17.0.1/16`. */
  readonly cidr: string;
}

export interface PreviewPeersDeps {
  /** Where the projects' networks are, such as `10.213.0.0/16`. */
  readonly networkPool: string;
  /** Interfaces of this machine, asked from time to time: bridges of the engine come and go. */
  readonly interfaces: () => readonly HostInterface[];
  /** Milliseconds that only grow. */
  readonly monotonic: () => number;
}

const LOOK_AGAIN_MS = 10_000;
/** The bridge on which images are built, and those that the engine makes for networks. */
const BRIDGE = /^(?:docker\d+|br-[0-9a-f]{12})$/;

/** Tells whether an address belongs to a container: previews and builds may not use the control plane. */
export function createPreviewPeers({ networkPool, interfaces, monotonic }: PreviewPeersDeps): (address: string) => boolean {
  let lookedAt = -Infinity;
  let block = new BlockList();
  const look = () => {
    lookedAt = monotonic();
    block = new BlockList();
    for (const cidr of [networkPool, ...interfaces().filter(({ name }) => BRIDGE.test(name)).map((bridge) => bridge.cidr)]) {
      const [network = '', bits = ''] = cidr.split('/');
      if (isIPv4(network)) block.addSubnet(network, Number(bits), 'ipv4');
    }
  };
  return (address) => {
    const plain = address.replace(/^::ffff:/, '');
    if (!isIPv4(plain) || plain.startsWith('127.')) return false;
    if (monotonic() - lookedAt >= LOOK_AGAIN_MS) look();
    return block.check(plain, 'ipv4');
  };
}

/** Those of this machine: the bridges among them are its engine's. */
export const listInterfaces = (): HostInterface[] => Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
  addresses.flatMap(({ cidr }) => (cidr === null ? [] : [{ name, cidr }])));
