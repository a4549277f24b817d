import type { InstanceId } from '../domain/ids.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import type { EngineSearch } from './address.js';
import { createBuilder } from './build.js';
import { createEngineClient, DEFAULT_DEADLINES, toEngineError } from './client.js';
import type { Deadlines } from './client.js';
import { createContainers } from './containers.js';
import { createEvents } from './events.js';
import { createFactsReader } from './facts.js';
import { createImageFiles } from './image-files.js';
import { createImages } from './images.js';
import { createLife } from './life.js';
import { createNetworks } from './network.js';
import type { ContainerEngine } from './port.js';
import { createProtections } from './protections.js';
import { createPuller } from './pull.js';
import { NO_REGISTRIES, type RegistryAuth } from './registry-auth.js';
import { createOnce } from './run-once.js';
import { createTemporaryContainers } from './temporary.js';

export interface DockerEngineDeps {
  /** Written on everything that is made; only what carries it is ever changed. */
  readonly instance: InstanceId;
  /** Where to look for the engine, at the first call and again after it was lost. */
  readonly search: EngineSearch;
  readonly clock: Clock;
  readonly log: Logger;
  /** Addresses for the projects' networks, a /24 each; default `10.213.0.0/16`. */
  readonly networkPool?: string;
  /** What private registries are shown; default: none has credentials. */
  readonly registries?: RegistryAuth;
  readonly deadlines?: Partial<Deadlines>;
}

/** Addresses for the projects' networks unless told otherwise. */
export const NETWORK_POOL = '10.213.0.0/16';

/** The Docker Engine behind the port. Nothing connects here: a server may start before its engine does. */
export function createDockerEngine({ instance, search, clock, log, networkPool = NETWORK_POOL, registries: auth = NO_REGISTRIES, deadlines: some = {} }: DockerEngineDeps): ContainerEngine {
  const deadlines = { ...DEFAULT_DEADLINES, ...some };
  const client = createEngineClient({ search, clock });
  const facts = createFactsReader({ client, deadlines });
  const images = createImages({ client, deadlines });
  const networks = createNetworks({ client, instance, pool: networkPool, deadlines });
  const publishes = async () => (await facts.current()).desktop;
  const containers = createContainers({ client, instance, networks, publishes, deadlines, clock });
  const life = createLife({ client, containers, clock });
  const temporary = createTemporaryContainers({ client, instance, containers, deadlines });
  const once = createOnce({ client, instance, networks, temporary, containers, life, deadlines, clock });
  const builder = async () => (await facts.current()).description.builder;
  const pulls = createPuller({ client, instance, images, auth, deadlines, clock });
  const builds = createBuilder({ client, instance, images, builder, auth, deadlines, clock });

  const { start, inspect, list, stop, pause, resume, remove } = containers;
  return {
    ...guarded(log, {
      describe: facts.describe, protections: createProtections({ client, instance, deadlines }),
      build: builds.build, pull: pulls.pull, images: images.list, image: images.find, tagImage: images.tag, removeImage: images.remove,
      ensureNetwork: networks.ensure, removeOtherNetworks: networks.removeOthers,
      start, inspect, list, stop, pause, resume, remove, runOnce: once.runOnce, removeLeftOnce: temporary.removeLeft,
      waitForExit: life.waitForExit, listeningPorts: life.listeningPorts,
    }),
    files: createImageFiles({ client, temporary }).files,
    output: life.output,
    watch: createEvents({ client, instance, networks, deadlines, clock, log }).watch,
  };
}

/** What no verb expected leaves as an error of the table, and is worth a line in the log. */
function guarded<Verbs extends Readonly<Record<string, (...given: never[]) => Promise<unknown>>>>(log: Logger, verbs: Verbs): Verbs {
  return Object.fromEntries(Object.entries(verbs).map(([name, verb]) => [name, async (...given: never[]) => {
    try {
      return await verb(...given);
    } catch (error) {
      const failure = toEngineError(error);
      if (failure !== error) log.warn('the engine refused', { verb: name, error });
      throw failure;
    }
  }])) as Verbs;
}
