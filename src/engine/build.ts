import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { AppError, type ErrorCode } from '../domain/errors.js';
import type { ImageId, InstanceId } from '../domain/ids.js';
import type { Clock } from '../kernel/clock.js';
import { createBuildOutput, missingBaseImage } from './build-output.js';
import type { BuildOutcome, BuildOutput } from './build-output.js';
import { openBuildSession } from './build-session.js';
import type { BuildSession } from './build-session.js';
import { EngineRefusal } from './client.js';
import type { Deadlines, EngineClient } from './client.js';
import type { Images } from './images.js';
import { imageLabels } from './labels.js';
import type { BuildRequest, EngineDescription } from './port.js';
import { authorizeBuild, type RegistryAuth } from './registry-auth.js';

const WHAT = 'build the image';
const LAST_LINES = 20;
const OF_THE_DOCKERFILE: ReadonlySet<ErrorCode> = new Set(['build_failed', 'registry_refused']);

export interface BuilderDeps {
  readonly client: EngineClient;
  readonly instance: InstanceId;
  readonly images: Pick<Images, 'confirm' | 'tag'>;
  readonly builder: () => Promise<EngineDescription['builder']>;
  readonly auth: RegistryAuth;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
}

export interface Builder {
  readonly build: (request: BuildRequest, signal: AbortSignal) => Promise<ImageId>;
}

/** Sends a context, reads the build's output and trusts nothing but the image's own labels. */
export function createBuilder({ client, instance, images, builder, auth, deadlines, clock }: BuilderDeps): Builder {
  /** The one signal that ends everything: the caller's, a broken context, or a base image that nobody finds. */
  const build = async (request: BuildRequest, signal: AbortSignal): Promise<ImageId> => {
    const ending = new AbortController();
    const joined = AbortSignal.any([signal, ending.signal]);
    const lastLines: string[] = [];
    const onLine = (line: string) => {
      if (lastLines.push(line) > LAST_LINES) lastLines.shift();
      request.onLine(line);
    };
    watchContext(request.context, ending);
    try {
      return await untilAborted(joined, () => run({ ...request, onLine }, joined, ending));
    } catch (error) {
      throw withLines(signal.aborted ? signal.reason : error, lastLines);
    } finally {
      ending.abort();
      request.context.destroy();
    }
  };

  const run = async (request: BuildRequest, signal: AbortSignal, ending: AbortController): Promise<ImageId> => {
    const version = await builder() === 'buildkit' ? '2' : '1';
    const docker = await client.connect();
    signal.throwIfAborted();
    const session = version === '2' ? await openBuildSession(docker, signal, auth.credentials) : undefined;
    try {
      const outcome = await stream(docker, { request, version, session, registries: version === '1' ? await authorizeBuild(auth) : {} }, { signal, ending });
      signal.throwIfAborted();
      return await settle(request, outcome);
    } finally {
      session?.close();
    }
  };

  const stream = async (docker: Docker, order: Order, { signal, ending }: { signal: AbortSignal; ending: AbortController }): Promise<BuildOutcome> => {
    const output = createBuildOutput(order.request.onLine, auth.mask);
    const watch = watchBaseImage(output, ending, { clock, ms: deadlines.baseImage });
    try {
      for await (const chunk of await post(docker, order, { instance, signal })) {
        output.push(chunk as Uint8Array);
        watch.look();
      }
      return output.finish();
    } catch (error) {
      output.finish();
      throw buildError(client.failure(error, WHAT), auth.mask);
    } finally {
      watch.stop();
    }
  };

  const settle = async (request: BuildRequest, outcome: BuildOutcome): Promise<ImageId> => {
    if (outcome.kind === 'failed') throw new AppError('build_failed', outcome.message);
    if (outcome.kind === 'refused') throw new AppError('registry_refused', `The base image “${outcome.image}” could not be had: ${await auth.refusal(outcome.registry, outcome.words)}`);
    if (outcome.kind === 'cut') {
      throw new AppError('engine_unavailable', 'The container engine ended the build without a result. It may have been restarted: build again.');
    }
    await images.confirm(outcome.id, imageLabels(instance, request));
    for (const tag of request.tags) await images.tag(outcome.id, tag);
    return outcome.id;
  };

  return { build };
}

interface Order {
  readonly request: BuildRequest;
  readonly version: '1' | '2';
  readonly session: BuildSession | undefined;
  /** What the classic builder may show to registries. */
  readonly registries: Awaited<ReturnType<typeof authorizeBuild>>;
}

/** Asks for the build. `q` is never sent, `pull` neither: what is here is good enough, and offline is a place to work. */
function post(docker: Docker, { request, version, session, registries }: Order, { instance, signal }: { instance: InstanceId; signal: AbortSignal }): Promise<Readable> {
  const options = {
    version,
    ...(session ? { session: session.id } : {}),
    dockerfile: request.dockerfile,
    labels: imageLabels(instance, request),
    buildargs: request.args,
    ...(request.target === null ? {} : { target: request.target }),
    ...(request.platform === null ? {} : { platform: request.platform }),
    nocache: request.noCache,
    rm: true,
    forcerm: true,
  };
  return new Promise((resolve, reject) => {
    docker.modem.dial({
      path: '/build?', method: 'POST', file: request.context, isStream: true, abortSignal: signal, options, ...registries,
      statusCodes: { 200: true },
    }, (error, response) => {
      if (error) reject(error);
      else resolve(response as Readable);
    });
  });
}

/** What the engine says about the request is about the branch, not about the engine. */
function buildError(error: Error, mask: RegistryAuth['mask']): Error {
  if (!(error instanceof EngineRefusal)) return error;
  const message = mask(error.message);
  return new AppError('build_failed', message, message === error.message ? { cause: error } : {});
}

/** A context that breaks ends the build with its own reason; the engine would wait for the rest for ever. */
function watchContext(context: Readable, ending: AbortController): void {
  let ended = false;
  context.once('end', () => { ended = true; });
  context.on('error', (error: Error) => { ending.abort(error); });
  context.once('close', () => {
    if (!ended) ending.abort(new AppError('build_failed', 'The build context ended before it was complete.'));
  });
}

/** Ends a build that has looked for one base image too long: without a network the builder may wait for minutes. */
function watchBaseImage(output: BuildOutput, ending: AbortController, { clock, ms }: { clock: Clock; ms: number }) {
  let since: { image: string; found: AbortController } | undefined;
  const stop = () => { since?.found.abort(); since = undefined; };
  const look = () => {
    const image = output.lookingFor();
    if (image === since?.image) return;
    stop();
    if (image === undefined) return;
    const found = new AbortController();
    since = { image, found };
    void clock.sleep(ms, found.signal).then(() => {
      if (!found.signal.aborted) ending.abort(new AppError('build_failed', missingBaseImage(image, `its registry did not answer within ${ms / 1000} s`)));
    });
  };
  return { look, stop };
}

/** Rejects with the signal's reason as soon as it aborts; what still runs then ends by itself. */
async function untilAborted<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
  signal.throwIfAborted();
  let stop = () => undefined as void;
  const aborted = new Promise<never>((_resolve, reject) => {
    const onAbort = () => { reject(signal.reason as Error); };
    signal.addEventListener('abort', onAbort, { once: true });
    stop = () => { signal.removeEventListener('abort', onAbort); };
  });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    stop();
  }
}

/** The log's last lines travel with a failed build, so that a page can show them. */
function withLines(error: unknown, lastLines: readonly string[]): unknown {
  if (!(error instanceof AppError) || !OF_THE_DOCKERFILE.has(error.code) || error.details.lastLines !== undefined) return error;
  return new AppError(error.code, error.message, { cause: error.cause, details: { ...error.details, lastLines: [...lastLines] } });
}
