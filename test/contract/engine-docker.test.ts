import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommitHash, InstanceId, ReleaseNumber } from '../../src/domain/ids.js';
import { createDockerEngine } from '../../src/engine/docker.js';
import type { ContainerEngine } from '../../src/engine/port.js';
import { systemClock } from '../../src/kernel/clock.js';
import { appDockerfile, buildApp, enterDocker, log, NEVER, openDocker, requestFor, specFor } from '../support/engine-world.js';

const BASE = 'FROM slipway-demo/node:latest\n';
const instance = 'abcdef01' as InstanceId;

const engineAt = (dockerHost: string | undefined, deadlines = {}): ContainerEngine =>
  createDockerEngine({ instance, search: { dockerHost, home: '/nowhere' }, clock: systemClock, log, deadlines });

/** A folder that goes away with everything in it. */
async function createFolder() {
  const path = await mkdtemp(join(tmpdir(), 'slipway-engine-'));
  return { path, [Symbol.asyncDispose]: async () => { await rm(path, { recursive: true, force: true }); } };
}

/** Whether a process of this machine has the word in its command line. */
async function runs(word: string): Promise<boolean> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(ids.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')));
  return commands.some((command) => command.includes(word));
}

/** A killed step's process ends a moment after the answer; five seconds are the most that a slot may take to be free. */
async function untilGone(word: string): Promise<void> {
  const before = performance.now();
  while (await runs(word)) {
    if (performance.now() - before > 5_000) throw new Error('the step still runs');
    await systemClock.sleep(50);
  }
}

const listen = (server: Server, path: string) => new Promise<void>((resolve) => { server.listen(path, resolve); });

describe('the safe defaults, as the engine has them', () => {
  it('F1, F2, F3, F5, F11, F13, F15: every limit is set and nothing of the host is shared', async () => {
    await using home = await enterDocker();
    const { id } = await home.engine.start(specFor(home, await buildApp(home, 'serve')));
    const { HostConfig: host, Config: config, Mounts: mounts } = await openDocker().getContainer(id).inspect();
    expect(host).toMatchObject({
      CapDrop: ['ALL'], CapAdd: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'SETUID', 'SETGID', 'KILL'], SecurityOpt: ['no-new-privileges:true'],
      Memory: 134_217_728, MemorySwap: 134_217_728, NanoCpus: 1_000_000_000, PidsLimit: 64, OomScoreAdj: 500,
      Privileged: false, PublishAllPorts: false, Init: true, AutoRemove: false, RestartPolicy: { Name: 'no' }, IpcMode: 'private', PidMode: '',
      NetworkMode: `slipway-${home.instance}-${home.project}`,
      LogConfig: { Type: 'json-file', Config: { mode: 'non-blocking', 'max-size': '5m' } },
    });
    expect(host.PortBindings).toEqual({});
    expect(host.Binds ?? []).toEqual([]);
    expect(mounts).toEqual([]);
    expect(config).toMatchObject({ StopSignal: 'SIGTERM', Healthcheck: { Test: ['NONE'] }, Hostname: 'preview' });
  });

  it('runs the strict profile without capabilities, without root and without a writable root', async () => {
    await using home = await enterDocker();
    const { id } = await home.engine.start(specFor(home, await buildApp(home, 'serve'), { profile: 'strict' }));
    const { HostConfig: host, Config: config } = await openDocker().getContainer(id).inspect();
    expect(host.CapAdd ?? []).toEqual([]);
    expect(host.ReadonlyRootfs).toBe(true);
    expect(config.User).toBe('65532');
  });

  it('E15: labels of an image cannot speak for a container', async () => {
    await using home = await enterDocker();
    const spoof = ['commit', 'release', 'environment', 'port', 'process', 'once', 'key', 'project', 'build', 'instance'].map((name) => `slipway.${name}=1`).join(' ');
    const image = await home.engine.build(requestFor(home, `${appDockerfile('serve')}LABEL ${spoof} traefik.enable=true\n`), NEVER);
    const spec = specFor(home, image, { commit: 'e'.repeat(40) as CommitHash });
    const { id } = await home.engine.start(spec);
    const { Labels: labels } = (await openDocker().getContainer(id).inspect()).Config;
    expect(Object.fromEntries(Object.entries(labels).filter(([name]) => !name.startsWith('slipway-demo.')))).toEqual({
      'slipway.instance': home.instance, 'slipway.project': home.project, 'slipway.commit': spec.commit, 'slipway.build': spec.build,
      'slipway.release': '1', 'slipway.environment': '', 'slipway.key': '', 'slipway.port': '3000', 'slipway.process': '', 'slipway.once': '', 'traefik.enable': 'false',
    });
    expect(await home.engine.image(image)).toMatchObject({ project: home.project });
  });

  it('E16: anonymous volumes go with their container', async () => {
    await using home = await enterDocker();
    const image = await home.engine.build(requestFor(home, `${appDockerfile('serve')}VOLUME /one /two\n`), NEVER);
    const { id } = await home.engine.start(specFor(home, image));
    const { Mounts: mounts } = await openDocker().getContainer(id).inspect();
    expect(mounts).toHaveLength(2);
    await home.engine.remove(id);
    const { Volumes: volumes } = await openDocker().listVolumes();
    const left = volumes.map(({ Name }) => Name).filter((name) => mounts.some((mount) => mount.Name === name));
    expect(left).toEqual([]);
  });

  it('F7: two containers of a project cannot reach each other', async () => {
    await using home = await enterDocker();
    const { target } = await home.engine.start(specFor(home, await buildApp(home, 'serve')));
    const dial = `require('net').connect({ host: process.env.PEER, port: 3000, timeout: 1500 })`
      + `.on('connect', () => process.exit(9)).on('timeout', () => process.exit(4)).on('error', () => process.exit(5))`;
    const image = await home.engine.build(requestFor(home, `${BASE}CMD ${JSON.stringify(['node', '-e', dial])}\n`), NEVER);
    const { id } = await home.engine.start(specFor(home, image, { release: 2 as ReleaseNumber, env: { PEER: target.address } }));
    expect([4, 5]).toContain((await home.engine.waitForExit(id, NEVER))?.code);
  });

  it('F12: the environment is what was asked for, and the image\'s own', async () => {
    await using home = await enterDocker();
    const { id } = await home.engine.start(specFor(home, await buildApp(home, 'serve'), { env: { PORT: '3000', FEATURE: 'a=b' } }));
    const { Config: config } = await openDocker().getContainer(id).inspect();
    expect(config.Env.filter((entry) => !entry.startsWith('PATH='))).toEqual(['PORT=3000', 'FEATURE=a=b']);
  });
});

describe('networks', () => {
  it('F19: come from the given pool, bind to loopback only and carry our label', async () => {
    await using home = await enterDocker();
    const name = await home.engine.ensureNetwork(home.project);
    const [network] = await openDocker().listNetworks({ filters: { name: [name] } });
    expect(network?.IPAM?.Config?.[0]?.Subnet).toMatch(/^10\.213\.\d+\.0\/24$/);
    expect(network?.Options).toEqual({ 'com.docker.network.bridge.enable_icc': 'false', 'com.docker.network.bridge.host_binding_ipv4': '127.0.0.1' });
    expect(network?.Labels).toEqual({ 'slipway.instance': home.instance, 'slipway.project': home.project });
  });

  it('K20: a network removed behind our back is made again at the next start', async () => {
    await using home = await enterDocker();
    const spec = specFor(home, await buildApp(home, 'serve'));
    await openDocker().getNetwork(await home.engine.ensureNetwork(home.project)).remove();
    const { id } = await home.engine.start(spec);
    expect(await home.engine.inspect(id)).toMatchObject({ running: true });
  });
});

describe('what is somebody else\'s', () => {
  it('K10: a container of the wanted name without our label stays and is named', async () => {
    await using home = await enterDocker();
    const image = await buildApp(home, 'serve');
    const name = `slipway-${home.instance}-${home.project}-1`;
    const foreign = await openDocker().createContainer({ name, Image: 'slipway-demo/node:latest' });
    try {
      await expect(home.engine.start(specFor(home, image))).rejects.toMatchObject({ code: 'start_failed', message: expect.stringContaining(name) as string });
      expect((await foreign.inspect()).Name).toBe(`/${name}`);
    } finally {
      await foreign.remove({ force: true });
    }
  });

  it('E20: an aborted build leaves no process and no container', async () => {
    await using home = await enterDocker();
    const marker = `3600.${Number.parseInt(home.instance, 16)}`;
    const abort = new AbortController();
    const seen: boolean[] = [];
    const request = requestFor(home, `${BASE}RUN echo here we go; sleep ${marker}\n`, {
      onLine: (line) => { if (/^(#\d+ )?here we go$/.test(line)) void runs(marker).then((there) => { seen.push(there); abort.abort(); }); },
    });
    await expect(home.engine.build(request, abort.signal)).rejects.toMatchObject({ name: 'AbortError' });
    expect(seen).toEqual([true]);
    await untilGone(marker);
    const filters = { label: [`slipway.instance=${home.instance}`] };
    expect(await openDocker().listContainers({ all: true, filters })).toEqual([]);
  });
});

describe('an engine that is not there', () => {
  it('K7: says what was tried and what to do, and connects to nothing before', async () => {
    const engine = engineAt('unix:///nowhere/docker.sock');
    await expect(engine.list()).rejects.toMatchObject({
      code: 'engine_unavailable',
      message: 'No container engine answers. Tried DOCKER_HOST=unix:///nowhere/docker.sock (no such socket). Start Docker, or set DOCKER_HOST to where it listens.',
    });
  });

  it('K7: is found once it is there', async () => {
    await using folder = await createFolder();
    const path = join(folder.path, 'docker.sock');
    const engine = engineAt(`unix://${path}`);
    await expect(engine.list()).rejects.toMatchObject({ code: 'engine_unavailable' });
    const server = createServer((socket) => {
      socket.once('data', () => { socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]'); });
    });
    await listen(server, path);
    try {
      expect(await engine.list()).toEqual([]);
    } finally {
      server.close();
    }
  });

  it('K9: an engine that accepts and never answers ends each call at its deadline', async () => {
    await using folder = await createFolder();
    const path = join(folder.path, 'docker.sock');
    const server = createServer();
    await listen(server, path);
    try {
      const engine = engineAt(`unix://${path}`, { read: 100, describe: 100 });
      await expect(engine.list()).rejects.toMatchObject({ code: 'engine_timeout', message: expect.stringContaining('list containers') as string });
      await expect(engine.describe()).rejects.toMatchObject({ code: 'engine_timeout' });
    } finally {
      server.close();
    }
  });
});
