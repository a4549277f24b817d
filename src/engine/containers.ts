import type Docker from 'dockerode';
import { AppError } from '../domain/errors.js';
import type { ContainerId, ImageId, InstanceId } from '../domain/ids.js';
import type { Target } from '../domain/target.js';
import type { Clock } from '../kernel/clock.js';
import { accepting, EngineRefusal, refusalStatus } from './client.js';
import type { Deadlines, EngineClient } from './client.js';
import { containerName, createOptions, graceSeconds } from './container-spec.js';
import { isOnce, LABEL, readContainerOwner } from './labels.js';
import type { Networks } from './network.js';
import { networkName } from './network.js';
import type { ContainerEngine, ContainerSpec, EngineContainer, StartedContainer } from './port.js';

export type Containers = Pick<ContainerEngine, 'start' | 'inspect' | 'list' | 'stop' | 'pause' | 'resume' | 'remove'> & {
  /** The engine's own answer for a container of ours; undefined for all others. */
  raw(id: ContainerId): Promise<Docker.ContainerInspectInfo | undefined>;
};

export interface ContainerDeps {
  readonly client: EngineClient;
  readonly instance: InstanceId;
  readonly networks: Networks;
  /** Whether container addresses cannot be dialled here. */
  readonly publishes: () => Promise<boolean>;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
}

const ATTEMPTS = 3;
const PARALLEL = 8;
const GONE_POLL_MS = 50;
const GONE_POLLS = 100;

export function createContainers({ client, instance, networks, publishes, deadlines, clock }: ContainerDeps): Containers {
  const own = new Set<ContainerId>();

  const inspectRaw = (idOrName: string) => accepting([404], client.call({
    what: 'inspect a container', ms: deadlines.read, again: true, run: (docker) => docker.getContainer(idOrName).inspect(),
  }));

  const raw: Containers['raw'] = async (id) => {
    const info = await inspectRaw(id);
    return info?.Config.Labels[LABEL.instance] === instance ? info : undefined;
  };

  const inspect: Containers['inspect'] = async (id) => {
    const info = await inspectRaw(id);
    const found = info && readContainer(instance, info);
    if (found) own.add(id);
    return found;
  };

  /** 409 is “removal already in progress”: somebody else's removal is as good as ours, once it is through. */
  const removeAny = async (id: string): Promise<void> => {
    try {
      await client.call({ what: 'remove a container', ms: deadlines.remove, run: (docker) => docker.getContainer(id).remove({ force: true, v: true }) });
    } catch (error) {
      const status = refusalStatus(error);
      if (status === 404) return;
      if (status !== 409) throw error;
      for (let poll = 0; poll < GONE_POLLS && await inspectRaw(id); poll++) await clock.sleep(GONE_POLL_MS);
    }
  };

  const create = (options: Docker.ContainerCreateOptions) => client.call({
    what: 'create a container', ms: deadlines.start, run: (docker) => docker.createContainer(options),
  });

  /** Ours from before a crash or a race: it makes room. Anybody else's stays, and the start fails by its name. */
  const makeRoom = async (name: string): Promise<void> => {
    const holder = await inspectRaw(name);
    if (!holder) return;
    if (holder.Config.Labels[LABEL.instance] !== instance) {
      throw new AppError('start_failed', `A container named ${name} exists and is not this server's. Remove it: docker rm ${name}`);
    }
    await removeAny(holder.Id);
  };

  const launch = async (id: string, spec: ContainerSpec): Promise<StartedContainer> => {
    try {
      await accepting([304], client.call({ what: 'start a container', ms: deadlines.start, run: (docker) => docker.getContainer(id).start() }));
      const info = await inspectRaw(id);
      if (!info) throw new AppError('start_failed', 'The container was removed while it started. Start it again.');
      own.add(id as ContainerId);
      return { id: id as ContainerId, target: dial(instance, spec, info) ?? DEAD_TARGET };
    } catch (error) {
      await removeAny(id).catch(() => undefined);
      throw error;
    }
  };

  const attempt = async (spec: ContainerSpec): Promise<StartedContainer> => {
    const [network, publish] = await Promise.all([networks.ensure(spec.project), publishes()]);
    const { id } = await create(createOptions(spec, { instance, network, publish }));
    return launch(id, spec);
  };

  const start: Containers['start'] = async (spec) => {
    for (let round = 1; ; round++) {
      try {
        return await attempt(spec);
      } catch (error) {
        if (!(error instanceof EngineRefusal)) throw error;
        if (round === ATTEMPTS || !isPassing(error)) throw startFailed(error);
        if (error.status === 409) await makeRoom(containerName(instance, spec));
        else networks.forget(spec.project);
      }
    }
  };

  /** One that was started or seen here is ours for ever, so that a waking one costs a single call. */
  const freeze = async (id: ContainerId, isPaused: boolean): Promise<boolean> => {
    if (!own.has(id) && !await inspect(id)) return false;
    try {
      await client.call({
        what: isPaused ? 'pause a container' : 'resume a container', ms: deadlines.read,
        run: (docker) => (isPaused ? docker.getContainer(id).pause() : docker.getContainer(id).unpause()),
      });
      return true;
    } catch (error) {
      const status = refusalStatus(error);
      // It was so already, or does not run: 409, and 500 of older engines.
      if (status !== 404 && status !== 409 && status !== 500) throw error;
      const found = await inspect(id);
      if (!found?.running) return false;
      if (found.paused === isPaused) return true;
      throw error;
    }
  };

  return {
    raw,
    start,
    inspect,
    list: async () => {
      const summaries = await client.call({
        what: 'list containers', ms: deadlines.read, again: true,
        run: (docker) => docker.listContainers({ all: true, filters: { label: [`${LABEL.instance}=${instance}`] } }),
      });
      const found: EngineContainer[] = [];
      const lasting = summaries.filter(({ Labels }) => !isOnce(Labels));
      for (let at = 0; at < lasting.length; at += PARALLEL) {
        const some = await Promise.all(lasting.slice(at, at + PARALLEL).map(({ Id }) => inspect(Id as ContainerId)));
        found.push(...some.filter((container) => container !== undefined));
      }
      return found;
    },
    stop: async (id, graceMs) => {
      if (!await raw(id)) return;
      await accepting([304, 404, 409], client.call({
        what: 'stop a container', ms: graceSeconds(graceMs) * 1000 + deadlines.stop,
        run: (docker) => docker.getContainer(id).stop({ t: graceSeconds(graceMs) }),
      }));
    },
    pause: (id) => freeze(id, true),
    resume: (id) => freeze(id, false),
    remove: async (id) => {
      own.delete(id);
      if (await raw(id)) await removeAny(id);
    },
  };
}

/** A name in use, or a network that went while we started: the next round sees to it. */
export function isPassing({ status, message }: EngineRefusal): boolean {
  return status === 409 || /network .*not found|No such network/i.test(message);
}

/** What the engine said when it did not create or start a container. */
export function startFailed(error: EngineRefusal): AppError {
  return new AppError('start_failed', `The engine could not start the container: ${error.message}`, { cause: error });
}

function readContainer(instance: InstanceId, info: Docker.ContainerInspectInfo): EngineContainer | undefined {
  const owner = readContainerOwner(instance, info.Config.Labels);
  if (!owner) return undefined;
  const { port, ...labelled } = owner;
  const { State: state } = info;
  const ended = !state.Running && state.Status !== 'created';
  return {
    ...labelled,
    id: info.Id as ContainerId,
    image: info.Image as ImageId,
    running: state.Running,
    paused: state.Paused,
    target: state.Running ? dial(instance, { project: owner.project, port }, info) : null,
    exit: ended ? { code: state.ExitCode, outOfMemory: state.OOMKilled, message: state.Error === '' ? null : state.Error } : null,
    startedAt: Math.max(0, Date.parse(state.StartedAt)),
  };
}

/** The published port where there is one, the container's own address otherwise; null while it has neither. */
function dial(instance: InstanceId, { project, port }: Pick<ContainerSpec, 'project' | 'port'>, info: Docker.ContainerInspectInfo): Target | null {
  const settings = info.NetworkSettings;
  const published = (settings.Ports as Partial<typeof settings.Ports> | null)?.[`${port}/tcp`]?.[0]?.HostPort;
  if (published !== undefined) return { address: '127.0.0.1', port: Number(published) };
  const address = settings.Networks[networkName(instance, project)]?.IPAddress;
  return address === undefined || address === '' ? null : { address, port };
}

/** The container ended at once and lost its address. Port 0 refuses every connection; `waitForExit` tells why. */
const DEAD_TARGET: Target = { address: '127.0.0.1', port: 0 };
