import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError } from '../../src/domain/errors.js';
import type { ImageId, InstanceId, ProjectName } from '../../src/domain/ids.js';
import { networkName } from '../../src/engine/network.js';
import type { BuildRequest, ContainerEngine, EngineDescription, EngineImage, Protection, PullRequest } from '../../src/engine/port.js';
import type { Clock } from '../../src/kernel/clock.js';
import { createFakeContainers } from './fake-containers.js';
import type { FakeContainers, FakeProgram } from './fake-containers.js';
import { countCalls } from './counted-engine.js';
import { programOf, readFakeDockerfile } from './fake-dockerfile.js';
import { createFakeEvents } from './fake-events.js';
import { appOnce, createFakeOnces, type FakeOnces, type FakeOnceScript } from './fake-once.js';
import { createFakePull, type FakeRegistry } from './fake-registry.js';

/** What one build of the fake does. */
export interface FakeBuild {
  /** Lines of output, in front of the end. */
  readonly lines?: readonly string[];
  /** The build ends only once this settles; an abort ends it at once. */
  readonly until?: Promise<unknown>;
  /** The message it fails with. */
  readonly fail?: string;
  /** Why it fails; default: `build_failed`. */
  readonly code?: 'registry_refused';
  readonly exposedPorts?: readonly number[];
  /** What containers of the image do, unless `program` says otherwise. */
  readonly program?: FakeProgram;
  /** What is in the image, path → content. */
  readonly files?: Readonly<Record<string, string>>;
}

export interface FakeEngineOptions {
  readonly instance: InstanceId;
  /** Only for the times in its answers and for the grace of `stop`. */
  readonly clock: Clock;
  /** Decides about each build; the default is a success with one line. */
  readonly builds?: (request: BuildRequest) => FakeBuild;
  /** Decides about each container; the default is what its build said, or else to run until it is stopped. */
  readonly program?: FakeContainers['program'];
  /** Decides about each command that is run once; the default is to end well. */
  readonly once?: FakeOnceScript;
  /** Reads the Dockerfile in the context as a very small Docker would, instead of `builds`. */
  readonly dockerfiles?: boolean;
  /** What can be pulled; nothing by default. */
  readonly registry?: FakeRegistry;
}

export interface FakeEngine extends ContainerEngine {
  /** How often each verb was called, failures included. */
  readonly calls: Readonly<Record<keyof ContainerEngine, number>>;
  /** The requests of all builds, oldest first. */
  readonly builds: readonly BuildRequest[];
  /** The same of all pulls. */
  readonly pulls: readonly PullRequest[];
  /** Every verb fails with `engine_unavailable`; waits and followed outputs end. Containers keep running. */
  down(): void;
  up(): void;
  /** Lets calls of a verb wait from now on, as a frozen engine does. @returns how to let them through */
  hold(verb: keyof ContainerEngine): () => void;
  /** Ends a container as if its program did, after some last lines. */
  readonly exit: FakeContainers['exit'];
  /** Adds a line to a container's output. */
  readonly print: FakeContainers['print'];
  /** Gives a running container another address. */
  readonly readdress: FakeContainers['readdress'];
  /** How many containers there are that serve no release. */
  readonly onces: number;
  /** Leaves the container of a one-off behind, as a server does that is killed. */
  readonly leaveOnce: FakeOnces['leave'];
  /** Breaks the stream of events: what happens is told to nobody until it is mended. */
  cutEvents(): void;
  mendEvents(): void;
  /** Takes all names from an image, as `docker rmi -f` does with one that a container runs from. */
  untag(id: ImageId): void;
  /** Removes a project's network, as `docker network rm` does. */
  removeNetwork(project: ProjectName): void;
  /** The projects that have a network. */
  readonly networks: ReadonlySet<ProjectName>;
  /** Makes an image without a build, such as one that a former server left behind. */
  addImage(image: Pick<EngineImage, 'project' | 'key'> & Partial<EngineImage>): ImageId;
  /** The most builds that ever ran at the same time. */
  readonly mostBuilds: number;
  /** Ends every server that a container opened. */
  [Symbol.asyncDispose](): Promise<void>;
}

interface StoredImage extends EngineImage { readonly program: FakeProgram; readonly files?: Readonly<Record<string, string>> }

/** A container engine in memory that holds the same contract as the real one; deterministic, without timers of its own. */
export function createFakeEngine({ instance, clock, builds: script = () => ({}), program, once, dockerfiles = false, registry = () => undefined }: FakeEngineOptions): FakeEngine {
  const images = new Map<ImageId, StoredImage>();
  const requests: BuildRequest[] = [];
  const pulls: PullRequest[] = [];
  const running = { now: 0, most: 0 };
  let isDown = false;
  const events = createFakeEvents();
  const networks = new Set<ProjectName>();
  const containers = createFakeContainers({
    instance, clock,
    program: (spec) => program?.(spec) ?? (dockerfiles && spec.command ? programOf(spec.command.at(-1) ?? '') : images.get(spec.image)?.program),
    hasImage: (id) => images.has(id),
    emit: events.emit,
  });

  const onces = createFakeOnces({
    script: once ?? (dockerfiles ? appOnce : () => ({})),
    filesOf: (id) => { const image = images.get(id); return image && (image.files ?? {}); },
  });

  const store = (image: StoredImage) => { images.set(image.id, image); return image.id; };
  const tag = (id: ImageId, name: string) => {
    const target = images.get(id);
    if (!target) throw new AppError('engine_unavailable', `No such image: ${id}`);
    for (const image of images.values()) {
      const others = image.tags.filter((other) => other !== name);
      images.set(image.id, { ...image, tags: image.id === id ? [...others, name].sort() : others });
    }
  };

  const build = async (request: BuildRequest, signal: AbortSignal): Promise<ImageId> => {
    signal.throwIfAborted();
    requests.push(request);
    running.most = Math.max(running.most, ++running.now);
    try {
      const plan = await abortable(signal, dockerfiles ? readFakeDockerfile(request) : drain(request).then(() => script(request)));
      for (const line of plan.lines ?? [`building ${request.project}`]) request.onLine(line);
      if (plan.until) await abortable(signal, plan.until);
      if (plan.fail !== undefined) throw new AppError(plan.code ?? 'build_failed', plan.fail, { details: { lastLines: plan.lines ?? [] } });
      const id = store({
        id: idOf(request.build), project: request.project, key: request.key, build: request.build, tags: [], bytes: 1024,
        createdAt: clock.now(), exposedPorts: plan.exposedPorts ?? [], labels: {}, inRegistry: false, program: plan.program ?? {}, files: plan.files ?? {},
      });
      for (const name of request.tags) tag(id, name);
      return id;
    } finally {
      running.now--;
      request.context.destroy();
    }
  };

  const find = (id: ImageId): EngineImage | undefined => {
    const stored = images.get(id);
    if (!stored) return undefined;
    const { program: _program, files: _files, ...image } = stored;
    return image;
  };

  const pull = createFakePull({ registry, now: clock.now, images: () => images.values(), store, tag, abortable });
  const removeImage = (id: ImageId) => {
    const users = containers.usersOf(id) + onces.usersOf(id);
    if (users > 0) throw new AppError('too_busy', `The image is used by ${users} container(s) and stays. Stop them first.`);
    if (images.delete(id)) events.emit({ kind: 'image-removed', image: id });
  };

  const description: EngineDescription = { version: 'fake', apiVersion: '1.41', builder: 'buildkit', address: 'memory', warnings: [], storageDriver: 'memory', rootDir: null };
  const removeNetwork = (project: ProjectName) => { if (networks.delete(project)) events.emit({ kind: 'network-removed', project }); };
  const removeOtherNetworks = async (projects: readonly ProjectName[]) => {
    const used = (await containers.verbs.list()).filter(({ running: runs }) => runs).map(({ project }) => project);
    const removed = [...networks].filter((project) => !projects.includes(project) && !used.includes(project));
    removed.forEach(removeNetwork);
    return removed;
  };
  const verbs: ContainerEngine = {
    removeOtherNetworks,
    describe: () => Promise.resolve(description),
    protections: () => Promise.resolve(PROTECTIONS),
    build,
    pull: (request, signal) => { pulls.push(request); return pull(request, signal); },
    images: async (project: ProjectName) => [...images.keys()].toReversed().map(find)
      .filter((image) => image !== undefined).filter((image) => image.project === project).sort((a, b) => b.createdAt - a.createdAt),
    image: async (id) => find(id),
    tagImage: async (id, name) => { tag(id, name); },
    removeImage: async (id) => { removeImage(id); },
    ensureNetwork: async (project) => { networks.add(project); return networkName(instance, project); },
    ...containers.verbs,
    ...onces.verbs,
    start: async (spec) => { networks.add(spec.project); return containers.verbs.start(spec); },
    watch: events.watch,
  };
  const { calls, counted, hold } = countCalls(verbs, () => {
    if (isDown) throw new AppError('engine_unavailable', 'No container engine answers. Tried memory (down). Start Docker, or set DOCKER_HOST to where it listens.');
  });

  return {
    ...counted,
    calls, hold,
    builds: requests,
    pulls,
    get mostBuilds() { return running.most; },
    down: () => { isDown = true; events.cut(); containers.disconnect(); },
    up: () => { isDown = false; events.mend(); },
    get onces() { return onces.count; },
    leaveOnce: onces.leave,
    cutEvents: events.cut,
    mendEvents: events.mend,
    removeNetwork,
    networks,
    untag: (id) => {
      const image = images.get(id);
      if (image) store({ ...image, tags: [] });
      events.emit({ kind: 'image-removed', image: id });
    },
    exit: containers.exit,
    print: containers.print,
    readdress: containers.readdress,
    addImage: (image) => store({ id: idOf(`${image.project} ${image.key}`), build: null, tags: [], bytes: 1024, createdAt: clock.now(), exposedPorts: [], labels: {}, inRegistry: false, ...image, program: {} }),
    [Symbol.asyncDispose]: containers.close,
  };
}

const PROTECTIONS: readonly Protection[] = [
  { name: 'Memory of previews', holds: false, detail: 'Nothing is limited in memory.' },
  { name: 'No traffic between previews', holds: null, detail: 'There are no networks.' },
  { name: 'No ports on the machine', holds: true, detail: 'None is published.' },
];

const idOf = (text: string): ImageId => `sha256:${createHash('sha256').update(text).digest('hex')}` as ImageId;

/** A real engine takes the whole context before it starts, and fails when it cannot. */
async function drain({ context }: BuildRequest): Promise<void> {
  await pipeline(context, new Writable({ write: (_chunk, _encoding, done) => { done(); } }));
}

/** Rejects with the signal's reason as soon as it aborts. */
async function abortable<Result>(signal: AbortSignal, work: Promise<Result>): Promise<Result> {
  work.catch(() => undefined);
  signal.throwIfAborted();
  let onAbort = () => undefined as void;
  const over = new Promise<never>((_resolve, reject) => {
    onAbort = () => { reject(signal.reason as Error); };
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, over]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
