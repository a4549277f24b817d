import type { Readable } from 'node:stream';
import type { ContainerId } from '../domain/ids.js';
import type { Clock } from '../kernel/clock.js';
import { refusalStatus, toEngineError } from './client.js';
import type { EngineClient } from './client.js';
import type { Containers } from './containers.js';
import { createOutputReader } from './output.js';
import { readListeningPorts } from './ports.js';
import type { ContainerEngine, ContainerExit, OutputOptions } from './port.js';

/** Before a wait that broke is begun again: the engine restarts, or is down. */
const WAIT_AGAIN_MS = 1_000;

/** What is seen of a container while it lives: its end, its ports, its output. */
export type Life = Pick<ContainerEngine, 'waitForExit' | 'listeningPorts' | 'output'>;

export interface LifeDeps {
  readonly client: EngineClient;
  readonly containers: Pick<Containers, 'raw' | 'inspect'>;
  readonly clock: Clock;
}

export function createLife({ client, containers, clock }: LifeDeps): Life {
  /** @returns whether the engine itself said that it ended; otherwise the wait broke and proves nothing */
  const wait = async (id: ContainerId, signal: AbortSignal): Promise<boolean> => {
    try {
      const docker = await client.connect();
      await docker.getContainer(id).wait({ condition: 'not-running', abortSignal: signal });
      return true;
    } catch (error) {
      if (!signal.aborted) client.failure(error, 'wait for a container');
      return false;
    }
  };

  const exitOf = async (id: ContainerId): Promise<ContainerExit | 'running' | undefined> => {
    const container = await containers.inspect(id);
    if (!container) return undefined;
    return container.running ? 'running' : container.exit ?? undefined;
  };

  const waitForExit: Life['waitForExit'] = async (id, signal) => {
    while (!isAborted(signal)) {
      const said = await wait(id, signal);
      if (isAborted(signal)) return undefined;
      // An engine that does not answer says nothing about the container.
      const exit = await exitOf(id).catch(() => 'running' as const);
      if (exit !== 'running') return exit;
      if (!said) await clock.sleep(WAIT_AGAIN_MS, signal);
    }
    return undefined;
  };

  async function* output(id: ContainerId, { tail, follow, signal }: OutputOptions) {
    const reader = createOutputReader();
    try {
      for await (const chunk of await openLog(client, { id, tail, follow, signal })) yield* reader.push(chunk as Buffer);
    } catch (error) {
      const failure = client.failure(error, 'read the output of a container');
      if (signal?.aborted !== true && refusalStatus(failure) !== 404 && refusalStatus(failure) !== 409) throw toEngineError(failure);
    }
    yield* reader.finish();
  }

  return {
    waitForExit,
    output,
    listeningPorts: async (id) => {
      const info = await containers.raw(id);
      // Elsewhere, and in Docker Desktop's machine, the process number belongs to somebody else.
      if (!info?.State.Running || client.address()?.kind !== 'socket') return undefined;
      return readListeningPorts(info.State.Pid, id);
    },
  };
}

/** Asked through a function, since the compiler takes a signal for settled once it was looked at. */
const isAborted = (signal: AbortSignal): boolean => signal.aborted;

interface LogRequest {
  readonly id: ContainerId;
  readonly tail: number;
  readonly follow: boolean;
  readonly signal: AbortSignal | undefined;
}

/** Always as a stream: dockerode would collect an output that is not followed as a whole. */
async function openLog(client: EngineClient, { id, tail, follow, signal }: LogRequest): Promise<Readable> {
  const docker = await client.connect();
  return new Promise((resolve, reject) => {
    docker.modem.dial({
      path: `/containers/${id}/logs?`, method: 'GET', isStream: true, ...(signal ? { abortSignal: signal } : {}),
      options: { stdout: true, stderr: true, timestamps: true, follow, tail },
      statusCodes: { 200: true },
    }, (error, response) => {
      if (error) reject(error);
      else resolve(response as Readable);
    });
  });
}
