import { BlockList, isIP } from 'node:net';
import { remember } from '../kernel/remember.js';

/** Whether a peer is a proxy of ours, whose word about its own peer counts. Addresses as `plainAddress` gives them. */
export type Trusts = (peer: string) => boolean;

export interface TrustedProxiesDeps {
  /** Addresses and CIDR ranges, IPv4 and IPv6. */
  readonly proxies: readonly string[];
  /** Where the previews are: a range that is trusted must not make proxies of them. */
  readonly networkPool: string;
}

/** Peers are few and come again: looking one up in the lists costs as much as the rest of a request's head. */
const REMEMBERED = { most: 1_000, longest: Infinity };

/** @throws Error for what is neither an address nor a range; the configuration refuses such entries before */
export function createTrustedProxies({ proxies, networkPool }: TrustedProxiesDeps): Trusts {
  if (proxies.length === 0) return () => false;
  const trusted = listOf(proxies);
  const previews = listOf([networkPool]);
  return remember((peer) => contains(trusted, peer) && !contains(previews, peer), REMEMBERED);
}

/** An address without its zone; one of IPv4 that came by an IPv6 socket (`::ffff:10.0.0.1`) in its own form. */
export function plainAddress(address: string): string {
  if (!address.includes(':') && !address.includes('%')) return address;
  const bare = address.includes('%') ? address.slice(0, address.indexOf('%')) : address;
  const mapped = bare.startsWith('::ffff:') || bare.startsWith('::FFFF:') ? bare.slice(7) : '';
  return isIP(mapped) === 4 ? mapped : bare;
}

function listOf(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/');
    const plain = plainAddress(address);
    const isFour = isIP(plain) === 4;
    const length = Number(bits ?? (isIP(address) === 4 ? 32 : 128));
    list.addSubnet(plain, plain === address ? length : Math.max(length - 96, 0), isFour ? 'ipv4' : 'ipv6');
  }
  return list;
}

function contains(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6');
}
