import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError } from '../../src/domain/errors.js';
import type { ImageId, InstanceId, ProjectName } from '../../src/domain/ids.js';
import { networkName } from '../../src/engine/network.js';
import type { BuildRequest, ContainerEngine, EngineDescription, EngineImage } from '../../src/engine/port.js';
import type { Clock } from '../../src/kernel/clock.js';
import { createFakeContainers } from './fake-containers.js';
import type { FakeContainers, FakeProgram } from './fake-containers.js';
import { readFakeDockerfile } from './fake-dockerfile.js';

/** What one build of the fake does. */
export interface FakeBuild {
  /** Lines of output, in front of the end. */
  readonly lines?: readonly string[];
  /** The build ends only once this settles; an abort ends it at once. */
  readonly until?: Promise<unknown>;
  /** The message it fails with. */
  readonly fail?: string;
  readonly exposedPorts?: readonly number[];
  /** What containers of the image do, unless `program` says otherwise. */
  readonly program?: FakeProgram;
}

export interface FakeEngineOptions {
  readonly instance: InstanceId;
  /** Only for the times in its answers and for the grace of `stop`. */
  readonly clock: Clock;
  /** Decides about each build; the default is a success with one line. */
  readonly builds?: (request: BuildRequest) => FakeBuild;
  /** Decides about each container; the default is what its build said, or else to run until it is stopped. */
  readonly program?: FakeContainers['program'];
  /** Reads the Dockerfile in the context as a very small Docker would, instead of `builds`. */
  readonly dockerfiles?: boolean;
}

export interface FakeEngine extends ContainerEngine {
  /** How often each verb was called, failures included. */
  readonly calls: Readonly<Record<keyof ContainerEngine, number>>;
  /** The requests of all builds, oldest first. */
  readonly builds: readonly BuildRequest[];
  /** Every verb fails with `engine_unavailable`; waits and followed outputs end. Containers keep running. */
  down(): void;
  up(): void;
  /** Ends a container as if its program did, after some last lines. */
  readonly exit: FakeContainers['exit'];
  /** Adds a line to a container's output. */
  readonly print: FakeContainers['print'];
  /** Makes an image without a build, such as one that a former server left behind. */
  addImage(image: Pick<EngineImage, 'project' | 'key'> & Partial<EngineImage>): ImageId;
  /** The most builds that ever ran at the same time. */
  readonly mostBuilds: number;
  /** Ends every server that a container opened. */
  [Symbol.asyncDispose](): Promise<void>;
}

interface StoredImage extends EngineImage { readonly program: FakeProgram }

/** A container engine in memory that holds the same contract as the real one; deterministic, without timers of its own. */
export function createFakeEngine({ instance, clock, builds: script = () => ({}), program, dockerfiles = false }: FakeEngineOptions): FakeEngine {
  const images = new Map<ImageId, StoredImage>();
  const requests: BuildRequest[] = [];
  const running = { now: 0, most: 0 };
  let isDown = false;
  const containers = createFakeContainers({
    instance, clock,
    program: (spec) => program?.(spec) ?? images.get(spec.image)?.program,
    hasImage: (id) => images.has(id),
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
      if (plan.fail !== undefined) throw new AppError('build_failed', plan.fail, { details: { lastLines: plan.lines ?? [] } });
      const id = store({
        id: idOf(request.build), project: request.project, key: request.key, build: request.build, tags: [], bytes: 1024,
        createdAt: clock.now(), exposedPorts: plan.exposedPorts ?? [], program: plan.program ?? {},
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
    const { id: own, project, key, build: by, tags, bytes, createdAt, exposedPorts } = stored;
    return { id: own, project, key, build: by, tags, bytes, createdAt, exposedPorts };
  };

  const removeImage = (id: ImageId) => {
    const users = containers.usersOf(id);
    if (users > 0) throw new AppError('too_busy', `The image is used by ${users} container(s) and stays. Stop them first.`);
    images.delete(id);
  };

  const description: EngineDescription = { version: 'fake', apiVersion: '1.41', builder: 'buildkit', address: 'memory', warnings: [] };
  const verbs: ContainerEngine = {
    describe: () => Promise.resolve(description),
    build,
    images: async (project: ProjectName) => [...images.keys()].toReversed().map(find)
      .filter((image) => image !== undefined).filter((image) => image.project === project).sort((a, b) => b.createdAt - a.createdAt),
    image: async (id) => find(id),
    tagImage: async (id, name) => { tag(id, name); },
    removeImage: async (id) => { removeImage(id); },
    ensureNetwork: async (project) => networkName(instance, project),
    ...containers.verbs,
  };
  const { calls, counted } = countCalls(verbs, () => {
    if (isDown) throw new AppError('engine_unavailable', 'No container engine answers. Tried memory (down). Start Docker, or set DOCKER_HOST to where it listens.');
  });

  return {
    ...counted,
    calls,
    builds: requests,
    get mostBuilds() { return running.most; },
    down: () => { isDown = true; containers.disconnect(); },
    up: () => { isDown = false; },
    exit: containers.exit,
    print: containers.print,
    addImage: (image) => store({ id: idOf(`${image.project} ${image.key}`), build: null, tags: [], bytes: 1024, createdAt: clock.now(), exposedPorts: [], ...image, program: {} }),
    [Symbol.asyncDispose]: containers.close,
  };
}

/** Counts each verb and lets it fail first when the engine is down. */
function countCalls(verbs: ContainerEngine, check: () => void): { calls: Record<keyof ContainerEngine, number>; counted: ContainerEngine } {
  const names = Object.keys(verbs) as (keyof ContainerEngine)[];
  const calls = Object.fromEntries(names.map((name) => [name, 0])) as Record<keyof ContainerEngine, number>;
  const counting = <Arguments extends readonly unknown[], Result>(name: keyof ContainerEngine, verb: (...given: Arguments) => Promise<Result>) =>
    async (...given: Arguments): Promise<Result> => {
      calls[name]++;
      check();
      return verb(...given);
    };
  const counted: ContainerEngine = {
    describe: counting('describe', () => verbs.describe()),
    build: counting('build', (request: BuildRequest, signal: AbortSignal) => verbs.build(request, signal)),
    images: counting('images', (project: ProjectName) => verbs.images(project)),
    image: counting('image', (id: ImageId) => verbs.image(id)),
    tagImage: counting('tagImage', (id: ImageId, name: string) => verbs.tagImage(id, name)),
    removeImage: counting('removeImage', (id: ImageId) => verbs.removeImage(id)),
    ensureNetwork: counting('ensureNetwork', (project: ProjectName) => verbs.ensureNetwork(project)),
    start: counting('start', (...given: Parameters<ContainerEngine['start']>) => verbs.start(...given)),
    inspect: counting('inspect', (...given: Parameters<ContainerEngine['inspect']>) => verbs.inspect(...given)),
    list: counting('list', () => verbs.list()),
    waitForExit: counting('waitForExit', (...given: Parameters<ContainerEngine['waitForExit']>) => verbs.waitForExit(...given)),
    listeningPorts: counting('listeningPorts', (...given: Parameters<ContainerEngine['listeningPorts']>) => verbs.listeningPorts(...given)),
    stop: counting('stop', (...given: Parameters<ContainerEngine['stop']>) => verbs.stop(...given)),
    remove: counting('remove', (...given: Parameters<ContainerEngine['remove']>) => verbs.remove(...given)),
    output: async function* (...given) {
      calls.output++;
      check();
      yield* verbs.output(...given);
    },
  };
  return { calls, counted };
}

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
