import { readProtections, type ProtectionFacts } from '../../src/engine/protections.js';

const SOUND: ProtectionFacts = {
  info: { SecurityOptions: ['name=seccomp,profile=default', 'name=apparmor', 'name=rootless'], MemoryLimit: true, SwapLimit: true, PidsLimit: true, CpuCfsQuota: true },
  networks: [{ Name: 'slipway-abcdef01-shop', Options: { 'com.docker.network.bridge.enable_icc': 'false' } }],
  containers: [{ Names: ['/slipway-abcdef01-shop-1'], Ports: [{}] }],
};
const holds = (change: Partial<ProtectionFacts>) => Object.fromEntries(readProtections({ ...SOUND, ...change }).map((each) => [each.name, each.holds]));
const detail = (change: Partial<ProtectionFacts>, name: string) => readProtections({ ...SOUND, ...change }).find((each) => each.name === name)?.detail;
const IN_BETWEEN = 'No traffic between previews';
const PORTS = 'No ports on the machine';

describe('what keeps previews from harming others', () => {
  it('D9: all that a sound engine has, but limits of builds', () => {
    const found = holds({});
    expect(Object.entries(found).filter(([, each]) => each !== true)).toEqual([['Limits of builds', false]]);
    expect(Object.keys(found)).toHaveLength(10);
  });

  it('D9: nothing of it on an engine that says no, and unknown where it says nothing', () => {
    const bare = holds({ info: { SecurityOptions: null, MemoryLimit: false, SwapLimit: false, PidsLimit: false, CPUCfsQuota: false } });
    for (const name of ['Memory of previews', 'Swap of previews', 'Processors of previews', 'Processes of previews', 'seccomp', 'AppArmor or SELinux', 'User namespaces']) expect([name, bare[name]]).toEqual([name, false]);
    const silent = holds({ info: {} });
    for (const name of ['Memory of previews', 'Swap of previews', 'Processors of previews', 'Processes of previews']) expect([name, silent[name]]).toEqual([name, null]);
  });

  it('D9: names a network on which containers reach each other', () => {
    expect(holds({ networks: [] })[IN_BETWEEN]).toBeNull();
    const networks = [...SOUND.networks, { Name: 'open', Options: {} }, { Name: 'bare', Options: null }];
    expect([holds({ networks })[IN_BETWEEN], detail({ networks }, IN_BETWEEN)]).toEqual([false, 'It is allowed on open, bare.']);
  });

  it('D9: names a port that others can reach; one on loopback is none', () => {
    const published = (IP: string) => ({ containers: [{ Names: ['/shop-1'], Ports: [{ IP, PublicPort: 49_153 }] }] });
    expect([holds(published('127.0.0.1'))[PORTS], detail(published('127.0.0.1'), PORTS)]).toEqual([true, '1 published, on loopback only.']);
    expect([holds(published('0.0.0.0'))[PORTS], detail(published('0.0.0.0'), PORTS)]).toEqual([false, 'Others can reach /shop-1 on 0.0.0.0:49153.']);
  });
});
