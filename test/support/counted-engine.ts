import type { ImageId, ProjectName } from '../../src/domain/ids.js';
import type { BuildRequest, ContainerEngine } from '../../src/engine/port.js';

export interface CountedEngine {
  readonly calls: Record<keyof ContainerEngine, number>;
  readonly counted: ContainerEngine;
  /** Lets calls of a verb wait until the returned function is called. */
  readonly hold: (verb: keyof ContainerEngine) => () => void;
}

/** Counts each verb and lets it fail first when the engine is down. */
export function countCalls(verbs: ContainerEngine, check: () => void): CountedEngine {
  const names = Object.keys(verbs) as (keyof ContainerEngine)[];
  const calls = Object.fromEntries(names.map((name) => [name, 0])) as Record<keyof ContainerEngine, number>;
  const held = new Map<keyof ContainerEngine, Promise<void>>();
  const counting = <Arguments extends readonly unknown[], Result>(name: keyof ContainerEngine, verb: (...given: Arguments) => Promise<Result>) =>
    async (...given: Arguments): Promise<Result> => {
      calls[name]++;
      check();
      const wait = held.get(name);
      if (wait) await wait;
      return verb(...given);
    };
  const counted: ContainerEngine = {
    describe: counting('describe', () => verbs.describe()),
    protections: counting('protections', () => verbs.protections()),
    build: counting('build', (request: BuildRequest, signal: AbortSignal) => verbs.build(request, signal)),
    pull: counting('pull', (...given: Parameters<ContainerEngine['pull']>) => verbs.pull(...given)),
    images: counting('images', (project: ProjectName) => verbs.images(project)),
    image: counting('image', (id: ImageId) => verbs.image(id)),
    tagImage: counting('tagImage', (id: ImageId, name: string) => verbs.tagImage(id, name)),
    removeImage: counting('removeImage', (id: ImageId) => verbs.removeImage(id)),
    ensureNetwork: counting('ensureNetwork', (project: ProjectName) => verbs.ensureNetwork(project)),
    removeOtherNetworks: counting('removeOtherNetworks', (projects: readonly ProjectName[]) => verbs.removeOtherNetworks(projects)),
    start: counting('start', (...given: Parameters<ContainerEngine['start']>) => verbs.start(...given)),
    runOnce: counting('runOnce', (...given: Parameters<ContainerEngine['runOnce']>) => verbs.runOnce(...given)),
    removeLeftOnce: counting('removeLeftOnce', () => verbs.removeLeftOnce()),
    inspect: counting('inspect', (...given: Parameters<ContainerEngine['inspect']>) => verbs.inspect(...given)),
    list: counting('list', () => verbs.list()),
    waitForExit: counting('waitForExit', (...given: Parameters<ContainerEngine['waitForExit']>) => verbs.waitForExit(...given)),
    listeningPorts: counting('listeningPorts', (...given: Parameters<ContainerEngine['listeningPorts']>) => verbs.listeningPorts(...given)),
    stop: counting('stop', (...given: Parameters<ContainerEngine['stop']>) => verbs.stop(...given)),
    pause: counting('pause', (...given: Parameters<ContainerEngine['pause']>) => verbs.pause(...given)),
    resume: counting('resume', (...given: Parameters<ContainerEngine['resume']>) => verbs.resume(...given)),
    remove: counting('remove', (...given: Parameters<ContainerEngine['remove']>) => verbs.remove(...given)),
    files: async function* (...given) {
      calls.files++;
      check();
      yield* verbs.files(...given);
    },
    output: async function* (...given) {
      calls.output++;
      check();
      yield* verbs.output(...given);
    },
    watch: (signal) => {
      calls.watch++;
      return verbs.watch(signal);
    },
  };
  return {
    calls, counted,
    hold: (verb) => {
      let release: () => void = () => undefined;
      held.set(verb, new Promise((resolve) => { release = resolve; }));
      return () => { held.delete(verb); release(); };
    },
  };
}
