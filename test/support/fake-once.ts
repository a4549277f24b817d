import { createHash } from 'node:crypto';
import { AppError } from '../../src/domain/errors.js';
import type { ImageId } from '../../src/domain/ids.js';
import type { ContainerEngine, ContainerExit, OnceOptions, OnceOutput, OnceSpec } from '../../src/engine/port.js';
import { programOf } from './fake-dockerfile.js';

/** What a command that is run once does. */
export interface FakeOnce {
  readonly output?: readonly OnceOutput[];
  /** It ends only once this settles; an abort ends it at once. */
  readonly until?: Promise<unknown>;
  /** Default: it ends well. */
  readonly exit?: Partial<ContainerExit>;
  /** The engine refuses to start it, in these words. */
  readonly refused?: string;
}

export type FakeOnceScript = (spec: OnceSpec, command: readonly string[]) => FakeOnce;

export interface FakeOnces {
  readonly verbs: Pick<ContainerEngine, 'runOnce' | 'removeLeftOnce' | 'files'>;
  /** How many containers there are that serve no release. */
  readonly count: number;
  usersOf(image: ImageId): number;
  /** Leaves one behind, as a server does that is killed. */
  leave(image: ImageId): void;
}

export interface FakeOnceDeps {
  readonly script: FakeOnceScript;
  /** An image's files, path → content; undefined when there is no such image. */
  readonly filesOf: (image: ImageId) => Readonly<Record<string, string>> | undefined;
}

interface Container { readonly image: ImageId; readonly isLeft: boolean }

export function createFakeOnces({ script, filesOf }: FakeOnceDeps): FakeOnces {
  const containers = new Set<Container>();

  const within = async <Result>(image: ImageId, work: () => Promise<Result>): Promise<Result> => {
    const container = { image, isLeft: false };
    containers.add(container);
    try {
      return await work();
    } finally {
      containers.delete(container);
    }
  };

  const run = async ({ output = [], until, exit = {}, refused }: FakeOnce, { onOutput, signal }: OnceOptions): Promise<ContainerExit> => {
    if (refused !== undefined) throw new AppError('start_failed', `The engine could not start the container: ${refused}`);
    for (const piece of output) {
      signal.throwIfAborted();
      await onOutput(piece);
    }
    if (until) await unlessAborted(until, signal);
    signal.throwIfAborted();
    return { code: 0, outOfMemory: false, message: null, ...exit };
  };

  return {
    get count() { return containers.size; },
    usersOf: (image) => [...containers].filter((container) => container.image === image).length,
    leave: (image) => { containers.add({ image, isLeft: true }); },
    verbs: {
      runOnce: async (spec, once) => {
        once.signal.throwIfAborted();
        if (!filesOf(spec.image)) throw new AppError('start_failed', `The engine could not start the container: no such image: ${spec.image}`);
        return within(spec.image, () => run(script(spec, once.command), once));
      },
      removeLeftOnce: async () => {
        const left = [...containers].filter(({ isLeft }) => isLeft);
        for (const container of left) containers.delete(container);
        return left.length;
      },
      files: async function* (image, signal) {
        signal.throwIfAborted();
        const files = filesOf(image);
        if (!files) throw new AppError('unknown_image', `There is no image ${image}.`);
        for (const [path, content] of Object.entries(files)) {
          signal.throwIfAborted();
          yield { path, digest: createHash('sha256').update(content).digest('base64') };
        }
        signal.throwIfAborted();
      },
    },
  };
}

async function unlessAborted(until: Promise<unknown>, signal: AbortSignal): Promise<void> {
  let give: () => void = () => undefined;
  const aborted = new Promise<void>((resolve) => { give = resolve; });
  signal.addEventListener('abort', give, { once: true });
  if (signal.aborted) give();
  await Promise.race([until, aborted]).finally(() => { signal.removeEventListener('abort', give); });
}

/** What `node /app.cjs MODE` of the contract's fixtures does when it is run once. */
export const appOnce: FakeOnceScript = ({ env }, command) => {
  const mode = command.at(-1) ?? '';
  if (mode === 'once') {
    return { output: [{ stream: 'stdout', text: `hello ${env.GREETING ?? ''}\n` }, { stream: 'stderr', text: 'careful\n' }, { stream: 'stdout', text: 'no end' }], exit: { code: 3 } };
  }
  const { lines = [], exits } = programOf(mode);
  const output = lines.map((text): OnceOutput => ({ stream: exits?.code === 127 ? 'stderr' : 'stdout', text: `${text}\n` }));
  return exits ? { output, exit: exits } : { output, until: new Promise(() => undefined) };
};
