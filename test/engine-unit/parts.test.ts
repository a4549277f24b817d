import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import type { BuildId, BuildKey, CommitHash, ImageId, InstanceId, ProjectName, ReleaseNumber } from '../../src/domain/ids.js';
import { findEngineAddress, formatAddress, parseDockerHost } from '../../src/engine/address.js';
import { createOptions, graceSeconds } from '../../src/engine/container-spec.js';
import { readFacts } from '../../src/engine/facts.js';
import { containerLabels, imageLabels, readContainerOwner, readImageOwner } from '../../src/engine/labels.js';
import { nextSubnet } from '../../src/engine/network.js';
import type { ContainerSpec } from '../../src/engine/port.js';
import { parseListeningPorts } from '../../src/engine/ports.js';
import { createTestFolder } from '../support/git.js';

const instance = 'abcdef01' as InstanceId;
const build = 'b_01ARZ3NDEKTSV4RRFFQ69G5FAV' as BuildId;
const spec: ContainerSpec = {
  project: 'shop' as ProjectName, release: 7 as ReleaseNumber, commit: 'c'.repeat(40) as CommitHash, build, environment: null, process: null, command: null,
  image: `sha256:${'a'.repeat(64)}` as ImageId, env: { PORT: '3000', EMPTY: '' }, port: 3000, memoryBytes: 64 * 1024 * 1024, cpus: 0.5, pids: 99,
  profile: 'compat', stopTimeoutMs: 1_500,
};
const placement = { instance, network: 'slipway-abcdef01-shop', publish: false };

describe('where the engine is looked for', () => {
  it.each([
    ['unix:///run/user/1000/docker.sock', 'unix:///run/user/1000/docker.sock'],
    ['tcp://10.0.0.1:2376', 'tcp://10.0.0.1:2376'],
    ['tcp://docker', 'tcp://docker:2375'],
    ['tcp://[::1]:2375/', 'tcp://[::1]:2375'],
  ])('reads %s', (text, formatted) => {
    expect(formatAddress(parseDockerHost(text))).toBe(formatted);
  });

  it.each(['', 'docker', 'unix://relative.sock', 'ssh://me@there', 'tcp://a:b:c'])('refuses “%s” with what would do', (text) => {
    expect(() => parseDockerHost(text)).toThrow(/unix:\/\/\/path.*tcp:\/\/host:port/);
  });

  it('K7: names what was tried, and only DOCKER_HOST when it is set', async () => {
    await expect(findEngineAddress({ dockerHost: 'tcp://127.0.0.1:1', home: '/nowhere' })).rejects.toMatchObject({
      code: 'engine_unavailable', message: expect.stringMatching(/^No container engine answers. Tried DOCKER_HOST=tcp:\/\/127.0.0.1:1 \(nobody listens\)\. Start Docker/) as string,
    });
  });
});

describe('D7b: without DOCKER_HOST', () => {
  const listenAt = async (path: string) => {
    mkdirSync(dirname(path), { recursive: true });
    const server = createServer();
    server.listen(path);
    await once(server, 'listening');
    return { [Symbol.dispose]: () => { server.close(); } };
  };

  it('the system’s socket is taken, then Docker Desktop’s in the home folder', async () => {
    using folder = createTestFolder();
    const [systemSocket, home] = [join(folder.path, 'docker.sock'), join(folder.path, 'home')];
    const desktop = join(home, '.docker/run/docker.sock');
    using _later = await listenAt(desktop);
    expect(await findEngineAddress({ dockerHost: undefined, home, systemSocket })).toEqual({ kind: 'socket', path: desktop });
    using _first = await listenAt(systemSocket);
    expect(await findEngineAddress({ dockerHost: '', home, systemSocket })).toEqual({ kind: 'socket', path: systemSocket });
  });

  it('where none answers, the message names both, why, and what to do', async () => {
    using folder = createTestFolder();
    const systemSocket = join(folder.path, 'docker.sock');
    writeFileSync(systemSocket, '');
    await expect(findEngineAddress({ dockerHost: undefined, home: folder.path, systemSocket })).rejects.toMatchObject({
      code: 'engine_unavailable',
      message: `No container engine answers. Tried unix://${systemSocket} (nobody listens), unix://${join(folder.path, '.docker/run/docker.sock')} (no such socket). Start Docker, or set DOCKER_HOST to where it listens.`,
    });
  });
});

describe('what a container gets', () => {
  it('is named by instance, project and release, and made from an image id', () => {
    expect(createOptions(spec, placement)).toMatchObject({ name: 'slipway-abcdef01-shop-7', Image: spec.image, Env: ['PORT=3000', 'EMPTY='], StopTimeout: 2 });
  });

  it('X4p: runs the command of a process under a name of its own, and publishes no port for it', () => {
    const worker: ContainerSpec = { ...spec, process: 'worker', command: ['node', 'worker.mjs'] };
    const options = createOptions(worker, { ...placement, publish: true });
    expect(options).toMatchObject({ name: 'slipway-abcdef01-shop-7.worker', Cmd: ['node', 'worker.mjs'], ExposedPorts: {}, HostConfig: { PortBindings: {} } });
    expect(options.Entrypoint).toBeUndefined();
    expect(createOptions(spec, placement).Cmd).toBeUndefined();
  });

  it('F11: publishes nothing, or on loopback only where it must', () => {
    expect(createOptions(spec, placement).HostConfig?.PortBindings).toEqual({});
    expect(createOptions(spec, { ...placement, publish: true }).HostConfig?.PortBindings).toEqual({ '3000/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] });
  });

  it('F13: never shares anything of the host, whatever the specification has besides', () => {
    const greedy = { ...spec, Binds: ['/:/host'], Privileged: true, PidMode: 'host', CapAdd: ['ALL'], HostConfig: { Binds: ['/:/host'] } };
    expect(createOptions(greedy, placement)).toEqual(createOptions(spec, placement));
    expect(createOptions(spec, placement).HostConfig).toMatchObject({ Binds: [], Mounts: [], Devices: [], VolumesFrom: [], Privileged: false, PidMode: '', UTSMode: '', UsernsMode: '', IpcMode: 'private' });
  });

  it('F4: limits memory and swap alike, and never reserves more than the limit', () => {
    expect(createOptions(spec, placement).HostConfig).toMatchObject({ Memory: 67_108_864, MemorySwap: 67_108_864, MemoryReservation: 67_108_864, NanoCpus: 500_000_000, PidsLimit: 99 });
  });

  it('F1: the strict profile adds no capability and writes to memory only', () => {
    const strict = createOptions({ ...spec, profile: 'strict' }, placement);
    expect(strict.User).toBe('65532');
    expect(strict.HostConfig).toMatchObject({ CapDrop: ['ALL'], CapAdd: [], ReadonlyRootfs: true });
    expect(Object.keys(strict.HostConfig?.Tmpfs ?? {})).toEqual(['/tmp', '/run']);
  });

  it('gives at least the grace that was asked for', () => {
    expect([0, -5, 1, 1_000, 1_001].map(graceSeconds)).toEqual([0, 0, 1, 1, 2]);
  });
});

describe('labels', () => {
  it('say who a container runs for, and can be read back', () => {
    const { project, release, commit, environment } = spec;
    expect(readContainerOwner(instance, containerLabels(instance, spec))).toEqual({ project, release, commit, build, environment, process: null, port: 3000 });
  });

  it('X4p: say which process of a release a container is; one from before there were any is `web`', () => {
    const labels = containerLabels(instance, { ...spec, process: 'worker' });
    expect(readContainerOwner(instance, labels)?.process).toBe('worker');
    expect(containerLabels(instance, spec)).toMatchObject({ 'slipway.process': '' });
    const { 'slipway.process': _, ...older } = containerLabels(instance, spec);
    expect(readContainerOwner(instance, older)?.process).toBeNull();
  });

  it('say that a container of a pulled image has no commit', () => {
    const labels = containerLabels(instance, { ...spec, commit: null });
    expect(labels).toMatchObject({ 'slipway.commit': '' });
    expect(readContainerOwner(instance, labels)).toMatchObject({ commit: null, build });
  });

  it.each([
    ['another server\'s', { ...containerLabels('99999999' as InstanceId, spec) }],
    ['a broken release', { ...containerLabels(instance, spec), 'slipway.release': '0x7' }],
    ['a broken commit', { ...containerLabels(instance, spec), 'slipway.commit': 'main' }],
    ['none', undefined],
  ])('E15: are nobody\'s with %s', (_name, labels) => {
    expect(readContainerOwner(instance, labels)).toBeUndefined();
  });

  it('say what an image was built from, and can be read back', () => {
    const key = 'd'.repeat(64) as BuildKey;
    expect(readImageOwner(imageLabels(instance, { project: spec.project, build, key }))).toEqual({ project: 'shop', key, build });
    expect(readImageOwner({ 'slipway.key': key, 'slipway.project': 'shop', 'slipway.build': '?' })).toEqual({ project: 'shop', key, build: null });
    expect(readImageOwner({ 'slipway.key': 'short', 'slipway.project': 'shop' })).toBeUndefined();
  });
});

describe('subnets', () => {
  it('F19: are the first free ones of the pool', () => {
    expect(nextSubnet('10.213.0.0/16', [])).toBe('10.213.0.0/24');
    expect(nextSubnet('10.213.0.0/16', ['10.213.0.0/24', '10.213.1.128/28', '172.17.0.0/16', 'fd00::/64'])).toBe('10.213.2.0/24');
    expect(nextSubnet('10.213.0.0/16', ['10.213.0.0/17'])).toBe('10.213.128.0/24');
  });

  it('end with a sentence that helps', () => {
    expect(() => nextSubnet('10.213.0.0/16', ['10.0.0.0/8'])).toThrow(/Every subnet of 10\.213\.0\.0\/16 is taken/);
    expect(() => nextSubnet('nonsense', [])).toThrow(/not a pool/);
  });
});

describe('listening ports', () => {
  const row = (number: number, address: string, state = '0A') => `   ${number}: ${address} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000 0 0 1 1 0 100 0 0 10 0`;

  it('K16: tell which ones only the container itself reaches', () => {
    const table = [
      '  sl  local_address rem_address   st', row(0, '00000000:0BB8'), row(1, '0100007F:1F90'), row(2, '0100007F:0BB9', '01'),
      row(3, '00000000000000000000000000000000:0050'), row(4, '00000000000000000000000001000000:2328'), row(5, '0000000000000000FFFF00000100007F:2329'),
    ].join('\n');
    expect(parseListeningPorts(table)).toEqual([
      { port: 80, loopbackOnly: false }, { port: 3000, loopbackOnly: false }, { port: 8080, loopbackOnly: true },
      { port: 9000, loopbackOnly: true }, { port: 9001, loopbackOnly: true },
    ]);
  });

  it('count a port as open when one of its sockets is, and leave out the engine\'s name server', () => {
    expect(parseListeningPorts([row(0, '0100007F:0BB8'), row(1, '00000000:0BB8'), row(2, '0B00007F:A001')].join('\n'))).toEqual([{ port: 3000, loopbackOnly: false }]);
  });
});

describe('what is said of an engine', () => {
  const info = { OperatingSystem: 'Debian', OSType: 'linux', SecurityOptions: ['name=seccomp,profile=default', 'name=apparmor', 'name=userns'], MemoryLimit: true, SwapLimit: true, PidsLimit: true };

  it('BuildKit is used where the engine has it', () => {
    const builderOf = (ApiVersion: string, OSType = 'linux') => readFacts({ version: { ApiVersion }, info: { ...info, OSType } }, 'here').description.builder;
    expect([builderOf('1.38'), builderOf('1.39'), builderOf('1.41'), builderOf('2.0'), builderOf('1.41', 'windows')]).toEqual(['classic', 'buildkit', 'buildkit', 'buildkit', 'classic']);
  });

  it('warns of what does not protect', () => {
    const warnings = (change: Partial<typeof info>) => readFacts({ version: { ApiVersion: '1.24' }, info: { ...info, ...change } }, 'here').description.warnings;
    expect(warnings({})).toEqual([]);
    expect(warnings({ SwapLimit: false, SecurityOptions: [] })).toHaveLength(4);
  });

  it('E5: warns of a runc with a known escape, unless the distribution mended it', () => {
    const warnings = (Version: string) => readFacts({ version: { ApiVersion: '1.24', Components: [{ Name: 'runc', Version }] }, info }, 'here').description.warnings;
    expect(warnings('1.1.5')).toEqual([expect.stringContaining('CVE-2024-21626')]);
    expect(warnings('1.1.12')).toEqual([]);
    expect(warnings('1.1.5+ds1-1+deb12u1')).toEqual([]);
  });

  it('knows where container addresses cannot be dialled', () => {
    expect(readFacts({ version: {}, info: { ...info, OperatingSystem: 'Docker Desktop' } }, 'here').desktop).toBe(true);
    expect(readFacts({ version: {}, info }, 'here').desktop).toBe(false);
  });
});
