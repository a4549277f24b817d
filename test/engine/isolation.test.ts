import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type Docker from 'dockerode';
import { containersWith, docker, networksWith } from '../support/real-docker.js';
import { createSampleRepository, scriptDockerfile, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

const MIB = 1024 * 1024;
const TOKEN = 'a-token-that-no-preview-may-see';

/** Answers questions about where it runs. */
const PROBE = `
import { existsSync, readFileSync } from 'node:fs';
import { createServer, get } from 'node:http';
import { connect } from 'node:net';
const dial = (host, port) => new Promise((resolve) => {
  const socket = connect({ host, port, timeout: 2000 });
  const end = (word) => { socket.destroy(); resolve(word); };
  socket.on('connect', () => end('connected')).on('timeout', () => end('timeout')).on('error', ({ code }) => end(code));
});
const fetchStatus = (host, port, path, name) => new Promise((resolve) => {
  get({ host, port, path, headers: { host: name }, timeout: 2000 }, ({ statusCode }) => resolve(statusCode)).on('timeout', () => resolve('timeout')).on('error', ({ code }) => resolve(code));
});
const answers = {
  '/proc': () => Object.fromEntries(readFileSync('/proc/self/status', 'utf8').split('\\n').filter(Boolean).map((line) => line.split(/:\\s*/, 2))),
  '/exists': ({ path }) => path.split(',').filter((each) => existsSync(each)),
  '/dial': ({ host, port }) => dial(host, Number(port)),
  '/fetch': ({ host, port, path, name }) => fetchStatus(host, Number(port), path, name),
  '/env': () => process.env,
};
createServer(async (request, response) => {
  const url = new URL(request.url, 'http://probe');
  response.end(JSON.stringify(await answers[url.pathname]?.(Object.fromEntries(url.searchParams)) ?? null));
}).listen(process.env.PORT);
`;

describe('what a preview may', () => {
  let sample: SampleRepository;
  let server: ServerProcess;
  let host: string;
  let inspected: Docker.ContainerInspectInfo;
  let commit: string;

  const ask = async (path: string): Promise<unknown> => JSON.parse((await server.get(host, path)).text);
  const containerOf = async (of: string) => {
    const [found] = (await containersWith(server.label)).filter(({ Labels }) => Labels['slipway.commit'] === of);
    return docker.getContainer(found?.Id ?? '').inspect();
  };

  beforeAll(async () => {
    sample = await createSampleRepository();
    commit = await sample.commit('probe', { Dockerfile: scriptDockerfile('probe.mjs'), 'probe.mjs': PROBE });
    host = `hash-${commit}.localhost`;
    server = await startServer({ repository: sample.path, args: ['--listen', '0.0.0.0'], env: { SLIPWAY_TOKEN: TOKEN, CANARY: 'of the server' } });
    const opened = await Promise.all([server.get(host, '/'), server.get(`hash-${sample.branches.main ?? ''}.localhost`, '/')]);
    expect(opened.map(({ status }) => status)).toEqual([200, 200]);
    inspected = await containerOf(commit);
  }, 120_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  it('is labelled as what it is', () => {
    expect(inspected.Name).toBe(`/slipway-${server.instance}-${sample.project}-${inspected.Config.Labels['slipway.release'] ?? ''}`);
    expect(inspected.Config.Labels).toMatchObject({
      'slipway.instance': server.instance, 'slipway.project': sample.project, 'slipway.commit': commit,
      'slipway.build': expect.stringMatching(/^b_\w{26}$/) as unknown, 'slipway.release': expect.stringMatching(/^[12]$/) as unknown,
      'slipway.environment': '', 'slipway.port': '3000',
    });
  });

  it('has its limits, without swap', () => {
    expect(inspected.HostConfig).toMatchObject({
      Memory: 512 * MIB, MemorySwap: 512 * MIB, NanoCpus: 1e9, PidsLimit: 256, OomScoreAdj: 500,
      LogConfig: { Type: 'json-file', Config: { 'max-size': '5m', 'max-file': '2', mode: 'non-blocking' } },
    });
  });

  it('F1: has no more capabilities than it needs to start, and gets no new ones', async () => {
    const { CapEff, CapBnd, NoNewPrivs, Seccomp } = await ask('/proc') as Record<string, string>;
    // CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, KILL 5, SETGID 6, SETUID 7
    const allowed = 0b1110_1011n;
    expect([BigInt(`0x${CapEff ?? ''}`) & ~allowed, BigInt(`0x${CapBnd ?? ''}`) & ~allowed]).toEqual([0n, 0n]);
    expect({ NoNewPrivs, Seccomp }).toEqual({ NoNewPrivs: '1', Seccomp: '2' });
    expect(inspected.HostConfig).toMatchObject({ Privileged: false, CapDrop: ['ALL'], RestartPolicy: { Name: 'no' } });
  });

  it('F7: cannot reach its sibling', async () => {
    const sibling = await containerOf(sample.branches.main ?? '');
    const [network] = Object.values(sibling.NetworkSettings.Networks);
    expect(network?.IPAddress).toMatch(/^10\.213\./);
    expect(await ask(`/dial?host=${network?.IPAddress ?? ''}&port=3000`)).not.toBe('connected');
    expect(await ask(`/dial?host=${sibling.Name.slice(1)}&port=3000`)).not.toBe('connected');
  });

  it('F8: may not use the control plane, whatever host it names', async () => {
    const [own] = Object.values(inspected.NetworkSettings.Networks);
    const { port } = server;
    const control = await ask(`/fetch?host=${own?.Gateway ?? ''}&port=${port}&path=/api/builds&name=localhost`);
    expect(control).toBe(403);
  });

  it('F10: finds no socket of the engine', async () => {
    expect(await ask('/exists?path=/var/run/docker.sock,/run/docker.sock,/run/containerd,/proc/self')).toEqual(['/proc/self']);
    expect(inspected.Mounts).toEqual([]);
    expect(inspected.HostConfig.PidMode).toBe('');
  });

  it('F11: publishes no port', () => {
    expect(inspected.HostConfig.PortBindings).toEqual({});
    expect(Object.values(inspected.NetworkSettings.Ports).flatMap((bindings: unknown) => bindings ?? [])).toEqual([]);
  });

  it('F12: knows its own variables and none of the server', async () => {
    const environment = await ask('/env') as Record<string, string>;
    expect(Object.keys(environment).filter((name) => !['HOME', 'HOSTNAME', 'PATH'].includes(name)).sort()).toEqual([
      'PORT', 'SLIPWAY_BRANCH', 'SLIPWAY_BUILD', 'SLIPWAY_COMMIT', 'SLIPWAY_ENV', 'SLIPWAY_RELEASE', 'SLIPWAY_URL',
    ]);
    expect(environment).toMatchObject({ PORT: '3000', SLIPWAY_COMMIT: commit, SLIPWAY_BRANCH: 'probe', SLIPWAY_URL: `http://${host}:${server.port}` });
    expect(JSON.stringify(inspected)).not.toMatch(new RegExp(`${TOKEN}|of the server`));
  });

  it('lives in one network of the project, from the pool, without traffic between containers', async () => {
    const networks = await networksWith(server.label);
    expect(networks.map(({ Name, Labels, IPAM, Options }) => ({ Name, project: Labels?.['slipway.project'], subnet: IPAM?.Config?.[0]?.Subnet, icc: Options?.['com.docker.network.bridge.enable_icc'] }))).toEqual([
      { Name: `slipway-${server.instance}-${sample.project}`, project: sample.project, subnet: expect.stringMatching(/^10\.213\.\d+\.0\/24$/) as unknown, icc: 'false' },
    ]);
    expect(Object.keys(inspected.NetworkSettings.Networks)).toEqual([networks[0]?.Name]);
  });
});
