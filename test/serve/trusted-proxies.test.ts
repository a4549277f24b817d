import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { createCallers, type Callers } from '../../src/serve/callers.js';
import { createTrustedProxies, plainAddress } from '../../src/serve/trusted-proxies.js';
import { processorMs } from '../support/processor-time.js';

const POOL = '10.213.0.0/16';
const trusting = (...proxies: string[]) => createTrustedProxies({ proxies, networkPool: POOL });
const trusts = trusting('192.0.2.7', '10.0.0.0/8', '2001:db8::/32', 'fd00::5', '::ffff:198.51.100.0/120', '::ffff:203.0.113.9');

describe('G15: peers that are proxies of ours', () => {
  it.each([
    '192.0.2.7', '10.0.0.1', '10.255.255.255', '2001:db8::1', '2001:db8:ffff::9', 'fd00::5', 'fd00:0:0::5', '198.51.100.200', '203.0.113.9', '::ffff:10.1.1.1', 'fd00::5%eth0', '::FFFF:192.0.2.7',
  ])('are those in the list: %s', (address) => { expect([trusts(plainAddress(address)), trusts(plainAddress(address))]).toEqual([true, true]); });

  it.each([
    '192.0.2.8', '11.0.0.1', '2001:db9::1', 'fd00::6', '198.51.101.1', '203.0.113.8', '127.0.0.1', '::1', '', 'unknown', '10.0.0.1, 10.0.0.2', '::ffff:11.0.0.1', '::ffff:nonsense',
  ])('are no others: %j', (address) => { expect([trusts(plainAddress(address)), trusts(plainAddress(address))]).toEqual([false, false]); });

  it('are never previews, whatever the list says', () => {
    expect([trusts('10.213.4.2'), trusts('10.214.4.2'), trusting('0.0.0.0/0')('10.213.0.1')]).toEqual([false, true, false]);
  });

  it('are none when the list is empty, and stay right for more peers than are remembered', () => {
    expect(trusting()('127.0.0.1')).toBe(false);
    for (let at = 0; at < 2_500; at += 1) expect([trusts(`10.1.${at >> 8}.${at & 255}`), trusts(`172.16.${at >> 8}.${at & 255}`)]).toEqual([true, false]);
  });
});

/** A request of a peer, as far as callers look at it. */
function from(peer: string, headers: Record<string, string> = {}): Pick<IncomingMessage, 'headers' | 'socket'> {
  const socket = new Socket();
  Object.defineProperty(socket, 'remoteAddress', { value: peer });
  return { socket, headers: { host: 'p.localhost:3000', ...headers } };
}
const callers = (secure = false): Callers => createCallers({ trusts, secure: () => secure });
const addressOf = (peer: string, chain?: string) => callers().addressOf(from(peer, chain === undefined ? {} : { 'x-forwarded-for': chain }));

describe('G15: the client', () => {
  it.each<[string, string | undefined, string]>([
    ['6.6.6.6', undefined, '6.6.6.6'],
    ['6.6.6.6', '1.2.3.4', '6.6.6.6'],
    ['::ffff:6.6.6.6', '1.2.3.4', '6.6.6.6'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['10.0.0.1', '1.2.3.4', '1.2.3.4'],
    ['::ffff:10.0.0.1', '1.2.3.4', '1.2.3.4'],
    ['10.0.0.1', '9.9.9.9, 1.2.3.4', '1.2.3.4'],
    ['10.0.0.1', '9.9.9.9, 1.2.3.4, 10.0.0.9', '1.2.3.4'],
    ['10.0.0.1', '10.0.0.8,10.0.0.9', '10.0.0.8'],
    ['10.0.0.1', '1.2.3.4:5678', '1.2.3.4'],
    ['10.0.0.1', '[2001:db9::1]:5678', '2001:db9::1'],
    ['10.0.0.1', '::ffff:1.2.3.4', '1.2.3.4'],
    ['10.0.0.1', '1.2.3.4, unknown', '10.0.0.1'],
    ['10.0.0.1', '1.2.3.4, , 10.0.0.9', '10.0.0.9'],
    ['10.0.0.1', 'evil', '10.0.0.1'],
    ['10.0.0.1', '10.213.0.5', '10.213.0.5'],
  ])('of %s with %j is %s', (peer, chain, client) => { expect(addressOf(peer, chain)).toBe(client); });

  it('is found in the longest chain that fits into a header in no time', async () => {
    expect(await processorMs(() => { expect(addressOf('10.0.0.1', '10.0.0.2,'.repeat(1_700) + '10.0.0.3')).toBe('10.0.0.2'); })).toBeLessThan(500);
  });
});

describe('G15: scheme, host and port', () => {
  const SAID = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'shop.example.com', 'x-forwarded-port': '8443' };
  const seen = (peer: string, headers: Record<string, string>, secure = false) => {
    const req = from(peer, headers);
    const all = callers(secure);
    all.settleHost(req);
    const { forwarded: { host, proto, port }, trusted } = all.describe(req);
    return { host, proto, port, trusted };
  };

  it('are the configured ones and those of the request for a peer that is not trusted', () => {
    expect(seen('6.6.6.6', SAID)).toEqual({ host: 'p.localhost:3000', proto: 'http', port: '3000', trusted: false });
    expect(seen('6.6.6.6', { ...SAID, host: 'p.localhost' }, true)).toEqual({ host: 'p.localhost', proto: 'https', port: '443', trusted: false });
  });

  it('are those that a trusted proxy says', () => {
    expect(seen('::ffff:10.0.0.1', SAID)).toEqual({ host: 'shop.example.com', proto: 'https', port: '8443', trusted: true });
    expect(seen('10.0.0.1', { 'x-forwarded-proto': 'HTTPS', 'x-forwarded-host': 'shop.example.com' })).toEqual({ host: 'shop.example.com', proto: 'https', port: '443', trusted: true });
    expect(seen('10.0.0.1', {}, true)).toEqual({ host: 'p.localhost:3000', proto: 'https', port: '3000', trusted: true });
  });

  it.each([
    { 'x-forwarded-proto': 'gopher' }, { 'x-forwarded-proto': 'https, http' }, { 'x-forwarded-port': '0' }, { 'x-forwarded-port': '65536' }, { 'x-forwarded-port': '80,443' },
    { 'x-forwarded-host': 'a.example.com, b.example.com' }, { 'x-forwarded-host': '' }, { 'x-forwarded-host': 'a b' }, { 'x-forwarded-host': 'a"b' }, { 'x-forwarded-host': 'a/b' }, { 'x-forwarded-host': `${'a.'.repeat(200)}b` },
  ])('are not taken from a value that could mean anything: %j', (headers) => {
    expect(seen('10.0.0.1', headers)).toEqual({ host: 'p.localhost:3000', proto: 'http', port: '3000', trusted: true });
  });

  it('are all that the control plane finds in the headers', () => {
    const forged = { ...SAID, 'x-forwarded-for': '1.2.3.4', forwarded: 'for=1.2.3.4', 'x-real-ip': '1.2.3.4', 'x-forwarded-prefix': '/evil', 'x_forwarded_for': '1.2.3.4', 'x-forwarded': 'x', accept: '*/*' };
    const settled = (peer: string) => {
      const req = from(peer, forged);
      const all = callers();
      all.settleHost(req);
      all.settleHeaders(req);
      return req.headers;
    };
    expect(settled('6.6.6.6')).toEqual({
      'host': 'p.localhost:3000', 'accept': '*/*', 'x-forwarded': 'x', 'x-forwarded-for': '6.6.6.6', 'x-forwarded-host': 'p.localhost:3000', 'x-forwarded-proto': 'http', 'x-forwarded-port': '3000',
    });
    expect(settled('10.0.0.1')).toMatchObject({ 'host': 'shop.example.com', 'x-forwarded-for': '1.2.3.4', 'x-forwarded-host': 'shop.example.com', 'x-forwarded-proto': 'https', 'x-forwarded-port': '8443' });
  });
});

describe('the id of a request', () => {
  const idOf = (peer: string, id: string) => callers().describe(from(peer, { 'x-request-id': id })).requestId;
  const OWN = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;

  it('is that of a trusted proxy, if it is one', () => {
    for (const id of ['7f3a', 'req_01H/2:3.4=5+6@7-8', 'x'.repeat(128)]) expect(idOf('10.0.0.1', id)).toBe(id);
    for (const id of ['', 'x'.repeat(129), 'a b', 'a"b', '<b>', 'a,b', 'ä', 'a\tb']) expect(idOf('10.0.0.1', id)).toMatch(OWN);
  });

  it('is a new one for everybody else', () => {
    expect(idOf('6.6.6.6', '7f3a')).toMatch(OWN);
    expect(idOf('6.6.6.6', '7f3a')).not.toBe(idOf('6.6.6.6', '7f3a'));
  });
});
