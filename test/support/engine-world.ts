import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { pack } from 'tar-stream';
import { ulid } from 'ulid';
import type { BuildId, BuildKey, CommitHash, ContainerId, ImageId, InstanceId, ProjectName, ReleaseNumber } from '../../src/domain/ids.js';
import { createDockerEngine } from '../../src/engine/docker.js';
import { networkName } from '../../src/engine/network.js';
import type { BuildRequest, ContainerEngine, ContainerSpec } from '../../src/engine/port.js';
import { systemClock } from '../../src/kernel/clock.js';
import { createLog } from '../../src/kernel/log.js';
import { createFakeEngine } from './fake-engine.js';

/** An engine to hold to the contract, with a project of its own; disposing removes all that was made. */
export interface EngineHome extends AsyncDisposable {
  readonly engine: ContainerEngine;
  readonly instance: InstanceId;
  readonly project: ProjectName;
  /** Another server's view of the same kind of engine. */
  readonly stranger: ContainerEngine;
  readonly maintainer: Maintainer;
}

/** Somebody who uses the engine itself, behind the server's back. */
export interface Maintainer {
  /** `docker kill`, and nothing else. */
  kill(id: ContainerId): Promise<void>;
  /** `docker rm -f` */
  remove(id: ContainerId): Promise<void>;
  /** `docker network disconnect` */
  disconnect(id: ContainerId): Promise<void>;
  /** `docker rmi` */
  removeImage(id: ImageId): Promise<void>;
  /** `docker network rm` */
  removeNetwork(project: ProjectName): Promise<void>;
  /** How many containers there are that serve no release. */
  onces(): Promise<number>;
  /** Leaves the container of a one-off behind, as a server does that is killed. */
  leaveOnce(image: ImageId): Promise<void>;
}

export type EngineWorld = readonly [name: string, enter: () => Promise<EngineHome>];

/** Every implementation of the port. */
export const WORLDS: readonly EngineWorld[] = [['fake', enterFake], ['docker', enterDocker]];

export const log = createLog({ level: 'error', file: null, console: false });
const hex = (bytes: number) => randomBytes(bytes).toString('hex');
const search = { dockerHost: process.env.DOCKER_HOST, home: '/nowhere' };

async function enterFake(): Promise<EngineHome> {
  const create = (instance: InstanceId) => createFakeEngine({ instance, clock: systemClock, dockerfiles: true });
  const instance = hex(4) as InstanceId;
  const engine = create(instance);
  const stranger = create(hex(4) as InstanceId);
  return {
    engine, instance, stranger, project: `t${hex(4)}` as ProjectName,
    maintainer: {
      kill: (id) => engine.stop(id, 0), remove: engine.remove, removeImage: engine.removeImage,
      disconnect: async (id) => { engine.readdress(id, { address: '10.213.255.1', port: 1 }); },
      removeNetwork: async (project) => { engine.removeNetwork(project); },
      onces: async () => engine.onces,
      leaveOnce: async (image) => { engine.leaveOnce(image); },
    },
    [Symbol.asyncDispose]: async () => { await engine[Symbol.asyncDispose](); await stranger[Symbol.asyncDispose](); },
  };
}

export async function enterDocker(): Promise<EngineHome> {
  await promisify(execFile)(process.execPath, ['docker/base-image.mjs']);
  const instance = hex(4) as InstanceId;
  const other = hex(4) as InstanceId;
  const project = `t${hex(4)}` as ProjectName;
  const create = (id: InstanceId) => createDockerEngine({ instance: id, search, clock: systemClock, log });
  return {
    engine: create(instance), stranger: create(other), instance, project, maintainer: maintainerOf(instance),
    [Symbol.asyncDispose]: async () => { await clean([instance, other]); },
  };
}

export const openDocker = (): Docker => new Docker();

function maintainerOf(instance: InstanceId): Maintainer {
  const docker = openDocker();
  return {
    kill: async (id) => { await docker.getContainer(id).kill(); },
    remove: async (id) => { await docker.getContainer(id).remove({ force: true, v: true }); },
    removeImage: async (id) => { await docker.getImage(id).remove({ force: true }); },
    removeNetwork: async (project) => { await docker.getNetwork(networkName(instance, project)).remove(); },
    onces: async () => (await docker.listContainers({ all: true, filters: { label: [`slipway.instance=${instance}`, 'slipway.once=1'] } })).length,
    leaveOnce: async (image) => {
      const left = await docker.createContainer({ name: `slipway-${instance}-left-1-once-0123456789ab`, Image: image, Labels: { 'slipway.instance': instance, 'slipway.once': '1' } });
      await left.start();
    },
    disconnect: async (id) => {
      const [name = ''] = Object.keys((await docker.getContainer(id).inspect()).NetworkSettings.Networks);
      await docker.getNetwork(name).disconnect({ Container: id, Force: true });
    },
  };
}

async function clean(instances: readonly InstanceId[]): Promise<void> {
  const docker = openDocker();
  for (const instance of instances) {
    const filters = { label: [`slipway.instance=${instance}`] };
    const containers = await docker.listContainers({ all: true, filters });
    await Promise.all(containers.map(({ Id }) => docker.getContainer(Id).remove({ force: true, v: true })));
    for (const { Id } of await docker.listNetworks({ filters })) await docker.getNetwork(Id).remove();
    for (const { Id } of await docker.listImages({ filters })) await docker.getImage(Id).remove({ force: true });
  }
}

/** The application of the fixtures; each mode is one way to behave. The fake knows them too. */
const APP = `
const mode = process.argv[2];
const listen = (address) => require('http').createServer((request, response) => response.end('hello from ' + request.url))
  .listen(Number(process.env.PORT || 3000), address, () => console.log('listening'));
if (mode === 'deaf') process.on('SIGTERM', () => undefined);
if (mode === 'serve') process.on('SIGTERM', () => process.exit(143));
if (mode === 'serve' || mode === 'deaf') listen('0.0.0.0');
if (mode === 'local') listen('127.0.0.1');
if (mode === 'crash') { console.log('one'); console.log('two'); console.log('three'); process.exitCode = 3; }
if (mode === 'once') { console.log('hello ' + process.env.GREETING); console.error('careful'); process.stdout.write('no end'); process.exitCode = 3; }
if (mode === 'hungry') { const kept = []; for (;;) kept.push(Buffer.alloc(8 * 1024 * 1024, 1)); }
`;

/** A Dockerfile that starts the fixtures' application in a mode. */
export const appDockerfile = (mode: string): string =>
  `FROM slipway-demo/node:latest\nCOPY app.cjs /app.cjs\nEXPOSE 3000\nCMD ${JSON.stringify(mode === 'nosuch' ? ['nosuch'] : ['node', '/app.cjs', mode])}\n`;

export function contextOf(dockerfile: string, name = 'Dockerfile'): Readable {
  const tar = pack();
  tar.entry({ name }, dockerfile);
  tar.entry({ name: 'app.cjs' }, APP);
  tar.finalize();
  return Readable.from(chunksOf(tar));
}

/** Ends the archive quietly when its reader is destroyed with an error. */
async function* chunksOf(tar: AsyncIterable<unknown>) { for await (const chunk of tar) yield chunk; }

export interface Request extends BuildRequest { readonly lines: string[] }

/** A build request that keeps the output's lines. */
export function requestFor({ project }: Pick<EngineHome, 'project'>, dockerfile: string, change: Partial<BuildRequest> = {}): Request {
  const lines: string[] = [];
  return {
    project, build: `b_${ulid()}` as BuildId, key: hex(32) as BuildKey, context: contextOf(dockerfile), dockerfile: 'Dockerfile', target: null,
    args: {}, platform: null, noCache: false, tags: [], onLine: (line) => { lines.push(line); }, lines, ...change,
  };
}

export const NEVER = new AbortController().signal;

/** Builds the application in a mode. */
export const buildApp = (home: EngineHome, mode: string): Promise<ImageId> =>
  home.engine.build(requestFor(home, appDockerfile(mode)), NEVER);

export function specFor({ project }: Pick<EngineHome, 'project'>, image: ImageId, change: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    project, image, release: 1 as ReleaseNumber, commit: 'c'.repeat(40) as CommitHash, build: `b_${ulid()}` as BuildId, environment: null, process: null, command: null,
    env: { PORT: '3000' }, port: 3000, memoryBytes: 128 * 1024 * 1024, cpus: 1, pids: 64, profile: 'compat', stopTimeoutMs: 1_000, ...change,
  };
}

/** The answer of a target, asked again for as long as nobody listens there yet. */
export async function ask({ address, port }: { address: string; port: number }, path = '/'): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await (await fetch(`http://${address}:${port}${path}`)).text();
    } catch (error) {
      if (attempt === 200) throw error;
      await systemClock.sleep(25);
    }
  }
}

/** All of an async iterable. */
export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
