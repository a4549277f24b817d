import { createPreviewPeers, type HostInterface } from '../../src/serve/preview-peers.js';

const peersOn = (interfaces: () => readonly HostInterface[], monotonic = () => 0) => createPreviewPeers({ networkPool: '10.213.0.0/16', interfaces, monotonic });

describe('peers that are previews or builds', () => {
  it.each([
    ['10.213.4.2', true], ['::ffff:10.213.255.9', true], ['172.17.0.5', true], ['172.30.1.7', true],
    ['127.0.0.1', false], ['::1', false], ['::ffff:127.0.0.1', false], ['192.168.1.5', false], ['10.214.0.1', false], ['', false], ['no address', false],
  ])('F8: %p: %p', (address, expected) => {
    const isPreviewPeer = peersOn(() => [
      { name: 'docker0', cidr: '172.17.0.1/16' }, { name: 'br-0123456789ab', cidr: '172.30.1.1/24' }, { name: 'eth0', cidr: '192.168.1.2/24' }, { name: 'docker0', cidr: 'fe80::1/64' },
    ]);
    expect(isPreviewPeer(address)).toBe(expected);
  });

  it('are looked for again, since bridges come and go', () => {
    let now = 0;
    let bridges: HostInterface[] = [];
    const isPreviewPeer = peersOn(() => bridges, () => now);
    expect(isPreviewPeer('172.17.0.5')).toBe(false);
    bridges = [{ name: 'docker0', cidr: '172.17.0.1/16' }];
    now = 10_000;
    expect(isPreviewPeer('172.17.0.5')).toBe(true);
  });
});
