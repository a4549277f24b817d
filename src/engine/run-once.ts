import type { Readable } from 'node:stream';
import { TextDecoder } from 'node:util';
import { AppError } from '../domain/errors.js';
import type { ContainerId, InstanceId } from '../domain/ids.js';
import type { Clock } from '../kernel/clock.js';
import { withDeadline } from '../kernel/deadline.js';
import { EngineRefusal } from './client.js';
import type { Deadlines, EngineClient } from './client.js';
import { createOptions } from './container-spec.js';
import { isPassing, startFailed } from './containers.js';
import type { Containers } from './containers.js';
import type { Life } from './life.js';
import type { Networks } from './network.js';
import { createFrameReader, type OutputFrame } from './output.js';
import type { ContainerEngine, ContainerExit, OnceOptions, OnceOutput, OnceSpec } from './port.js';
import type { TemporaryContainers } from './temporary.js';

export interface OnceDeps {
  readonly client: EngineClient;
  readonly instance: InstanceId;
  readonly networks: Networks;
  readonly temporary: TemporaryContainers;
  readonly containers: Pick<Containers, 'inspect'>;
  readonly life: Pick<Life, 'waitForExit'>;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
}

/** A network may go while we start: the second attempt makes it again. */
const ATTEMPTS = 2;

/** Runs commands in containers of their own; see `ContainerEngine.runOnce`. */
export function createOnce({ client, instance, networks, temporary, containers, life, deadlines, clock }: OnceDeps): Pick<ContainerEngine, 'runOnce'> {
  /** Listens before anything runs, so that nothing is lost; the engine answers once it does. */
  const attach = (id: ContainerId, signal: AbortSignal) => withDeadline(async (joined) => {
    const docker = await client.connect();
    return new Promise<Readable>((resolve, reject) => {
      docker.modem.dial({
        path: `/containers/${id}/attach?`, method: 'POST', isStream: true, abortSignal: joined,
        options: { _query: { stream: true, stdout: true, stderr: true }, _body: {} }, statusCodes: { 200: true },
      }, (error, response) => {
        if (error) reject(error);
        else resolve(response as Readable);
      });
    });
  }, {
    ms: deadlines.start, clock, signal,
    error: () => new AppError('engine_timeout', `The container engine did not attach to a container within ${deadlines.start / 1000} s. Try again; restart Docker if it stays so.`),
  });

  const start = (id: ContainerId) => client.call({ what: 'start a container', ms: deadlines.start, run: (docker) => docker.getContainer(id).start() as Promise<unknown> });

  const run = async (id: ContainerId, { onOutput, signal }: OnceOptions): Promise<ContainerExit> => {
    signal.throwIfAborted();
    const printed = await attach(id, signal);
    try {
      await start(id);
      await pass(printed, onOutput);
    } finally {
      printed.destroy();
    }
    // An engine that went away ends the output as well: then it must not pass for all there was.
    await containers.inspect(id);
    const exit = await life.waitForExit(id, signal);
    signal.throwIfAborted();
    if (!exit) throw new AppError('crashed', 'Its container was removed while it ran.');
    return exit;
  };

  const attempt = async (spec: OnceSpec, once: OnceOptions): Promise<ContainerExit> => {
    const network = await networks.ensure(spec.project);
    once.signal.throwIfAborted();
    const options = createOptions({ ...spec, process: null, command: once.command }, { instance, network, publish: false });
    const container = await temporary.create({ ...options, ExposedPorts: {} });
    try {
      return await run(container.id, once);
    } finally {
      await container.remove();
    }
  };

  return {
    runOnce: async (spec, once) => {
      for (let round = 1; ; round++) {
        try {
          return await attempt(spec, once);
        } catch (thrown) {
          const error = once.signal.aborted ? once.signal.reason as Error : client.failure(thrown, 'run a command');
          if (!(error instanceof EngineRefusal)) throw error;
          if (round === ATTEMPTS || !isPassing(error)) throw startFailed(error);
          networks.forget(spec.project);
        }
      }
    },
  };
}

/** Gives on what comes, as fast as it is taken; a character whose bytes are cut waits for its rest. */
async function pass(printed: Readable, onOutput: OnceOptions['onOutput']): Promise<void> {
  const framesOf = createFrameReader();
  const decoders = { stdout: new TextDecoder('utf-8', { ignoreBOM: true }), stderr: new TextDecoder('utf-8', { ignoreBOM: true }) };
  const give = async (stream: OnceOutput['stream'], text: string) => { if (text !== '') await onOutput({ stream, text }); };
  for await (const chunk of printed) {
    for (const { stream, payload } of joined(framesOf(chunk as Buffer))) await give(stream, decoders[stream].decode(payload, { stream: true }));
  }
  await give('stdout', decoders.stdout.decode());
  await give('stderr', decoders.stderr.decode());
}

/** Frames of one stream that came together, as one: programs print line by line. */
function joined(frames: readonly OutputFrame[]): readonly OutputFrame[] {
  const result: { readonly stream: OutputFrame['stream']; readonly payloads: Buffer[] }[] = [];
  for (const { stream, payload } of frames) {
    const last = result.at(-1);
    if (last?.stream === stream) last.payloads.push(payload);
    else result.push({ stream, payloads: [payload] });
  }
  return result.map(({ stream, payloads }) => ({ stream, payload: Buffer.concat(payloads) }));
}
