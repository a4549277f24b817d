import { randomBytes } from 'node:crypto';
import type Docker from 'dockerode';
import type { ContainerId, InstanceId } from '../domain/ids.js';
import type { Deadlines, EngineClient } from './client.js';
import type { Containers } from './containers.js';
import { LABEL } from './labels.js';

/** A container that serves no release: made for one purpose. */
export interface TemporaryContainer {
  readonly id: ContainerId;
  /** Kills and removes it. What cannot be removed now is found by `removeLeft`: the purpose's own result must not be lost over it. */
  remove(): Promise<void>;
}

export interface TemporaryContainers {
  /** @throws EngineRefusal when it cannot be created */
  create(options: Docker.ContainerCreateOptions): Promise<TemporaryContainer>;
  /** Removes those that nobody here has: a server that was killed left them, or they could not be removed. @returns how many */
  removeLeft(): Promise<number>;
}

export interface TemporaryDeps {
  readonly client: EngineClient;
  readonly instance: InstanceId;
  readonly containers: Pick<Containers, 'remove'>;
  readonly deadlines: Deadlines;
}

const RANDOM_BYTES = 6;

export function createTemporaryContainers({ client, instance, containers, deadlines }: TemporaryDeps): TemporaryContainers {
  /** By name, which is known before the engine has made anything. */
  const inUse = new Set<string>();

  const createNamed = async (name: string, options: Docker.ContainerCreateOptions): Promise<ContainerId> => {
    const { id } = await client.call({
      what: 'create a container', ms: deadlines.start,
      run: (docker) => docker.createContainer({ ...options, name, Labels: { ...options.Labels, [LABEL.instance]: instance, [LABEL.once]: '1' } }),
    });
    return id as ContainerId;
  };

  return {
    create: async (options) => {
      const name = `${options.name ?? `slipway-${instance}`}-once-${randomBytes(RANDOM_BYTES).toString('hex')}`;
      inUse.add(name);
      try {
        const id = await createNamed(name, options);
        return { id, remove: () => containers.remove(id).catch(() => undefined).finally(() => inUse.delete(name)) };
      } catch (error) {
        inUse.delete(name);
        throw error;
      }
    },
    removeLeft: async () => {
      const found = await client.call({
        what: 'list containers', ms: deadlines.read, again: true,
        run: (docker) => docker.listContainers({ all: true, filters: { label: [`${LABEL.instance}=${instance}`, `${LABEL.once}=1`] } }),
      });
      const left = found.filter(({ Names }) => !Names.some((name) => inUse.has(name.replace(/^\//, ''))));
      for (const { Id } of left) await containers.remove(Id as ContainerId);
      return left.length;
    },
  };
}
