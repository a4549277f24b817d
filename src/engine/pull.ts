import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { AppError } from '../domain/errors.js';
import { parseImageId } from '../domain/ids.js';
import type { ImageId, InstanceId } from '../domain/ids.js';
import { assertLabels } from '../domain/image-policy.js';
import type { ImageReference } from '../domain/image-reference.js';
import { registryName } from '../domain/registry.js';
import type { Clock } from '../kernel/clock.js';
import { createTurns } from '../kernel/turns.js';
import { accepting, EngineRefusal, refusalStatus } from './client.js';
import type { Deadlines, EngineClient } from './client.js';
import type { Images } from './images.js';
import { isObject } from './json-lines.js';
import { imageLabels, LABEL } from './labels.js';
import type { ContainerEngine, PullRequest } from './port.js';
import { createPullOutput } from './pull-output.js';
import { authorizePull, ifPrivate, isRefusal, type RegistryAuth } from './registry-auth.js';

const WHAT = 'pull the image';

export interface PullerDeps {
  readonly client: EngineClient;
  readonly instance: InstanceId;
  readonly images: Images;
  readonly auth: RegistryAuth;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
}

/**
 * Pulls an image, and makes one of ours of it by committing a container that never ran: that adds our labels and no
 * layer, so that what was pulled is found, kept apart and removed like what was built.
 */
export function createPuller({ client, instance, images, auth, deadlines, clock }: PullerDeps): Pick<ContainerEngine, 'pull'> {
  /** Who pulls one name twice at once would see the other's names come and go. */
  const turns = createTurns<string>();

  const fetchImage = async ({ reference, onLine }: PullRequest, signal: AbortSignal): Promise<void> => {
    const patience = watchFirstWord(reference, { clock, ms: deadlines.baseImage });
    const joined = AbortSignal.any([signal, patience.signal]);
    const output = createPullOutput({ onLine: (line) => { onLine(auth.mask(line)); }, monotonic: clock.monotonic });
    try {
      for await (const chunk of await post(await client.connect(), { reference, registry: await authorizePull(auth, reference.registry) }, joined)) {
        patience.heard();
        output.push(chunk as Uint8Array);
      }
      joined.throwIfAborted();
    } catch (error) {
      if (joined.aborted) throw joined.reason;
      throw await pullError(client.failure(error, WHAT), reference);
    } finally {
      patience.heard();
    }
    const outcome = output.finish();
    if (outcome.kind === 'failed') throw await judge(outcome.message, reference);
    if (outcome.kind === 'cut') throw new AppError('engine_unavailable', 'The container engine ended the pull without a result. It may have been restarted: pull again.');
  };

  /** The engine tells what a registry did in words only. */
  const judge = async (given: string, reference: ImageReference): Promise<AppError> => {
    const words = auth.mask(given);
    if (isRefusal(words)) return new AppError('registry_refused', `${reference.text} could not be pulled: ${await auth.refusal(reference.registry, words)}`);
    return failureOf(words, reference);
  };

  const pullError = async (error: unknown, reference: ImageReference): Promise<unknown> => {
    if (!(error instanceof EngineRefusal)) return error;
    return error.status === 404 ? notFound(auth.mask(error.message), reference) : judge(error.message, reference);
  };

  const removeContainer = (name: string) => accepting([404], client.call({
    what: 'remove a container', ms: deadlines.remove, run: (docker) => docker.getContainer(name).remove({ force: true, v: true }),
  }));

  /** A container of ours with that name is what a crash left between the two calls. */
  const createContainer = async (options: Docker.ContainerCreateOptions & { readonly name: string }) => {
    const create = () => client.call({ what: 'create a container', ms: deadlines.start, run: (docker) => docker.createContainer(options) });
    return create().catch(async (error: unknown) => {
      if (refusalStatus(error) !== 409) throw error;
      const holder = await accepting([404], client.call({ what: 'inspect a container', ms: deadlines.read, again: true, run: (docker) => docker.getContainer(options.name).inspect() }));
      if (holder && holder.Config.Labels[LABEL.instance] !== instance) throw new AppError('pull_failed', `A container named ${options.name} exists and is not this server's. Remove it: docker rm ${options.name}`);
      await removeContainer(options.name);
      return create();
    });
  };

  const makeOurs = async (raw: string, request: PullRequest): Promise<ImageId> => {
    const own = imageLabels(instance, request);
    const name = `slipway-${instance}-pull-${request.key.slice(0, 32)}`;
    await createContainer({ name, Image: raw, Labels: { ...NOBODY, ...own, [LABEL.pulled]: raw } });
    try {
      const answer: unknown = await client.call({ what: 'commit a container', ms: deadlines.start, run: (docker) => docker.getContainer(name).commit({ pause: false }) });
      if (!isObject(answer) || typeof answer.Id !== 'string') throw new AppError('pull_failed', `The engine did not say what it made of ${request.reference.text}. Pull it again.`);
      const id = parseImageId(answer.Id);
      await images.confirm(id, own);
      return id;
    } finally {
      await removeContainer(name);
    }
  };

  const adopt = async (request: PullRequest): Promise<ImageId> => {
    const { project, key, reference, labels, tags } = request;
    const raw = await images.inspect(reference.text);
    if (!raw) throw new AppError('pull_failed', `The engine reported the end of the pull, but has no ${reference.text}.`);
    assertLabels(readLabels(raw), labels, reference);
    const known = await images.labelled({ [LABEL.project]: project, [LABEL.key]: key, [LABEL.pulled]: raw.Id });
    const id = known.find(({ inRegistry }) => !inRegistry)?.id ?? await makeOurs(raw.Id, request);
    for (const tag of tags) await images.tag(id, tag);
    return id;
  };

  const namesThere = async ({ text }: ImageReference): Promise<NamesBefore> => {
    const all = await client.call({ what: 'list images', ms: deadlines.read, again: true, run: (docker) => docker.listImages() });
    return { id: (await images.inspect(text))?.Id, names: new Set(all.flatMap((image) => namesOf(image))) };
  };

  /** The names in the engine are its owner's: one that the pull moved goes back, and what it added goes away. */
  const restoreNames = async (reference: ImageReference, before: NamesBefore): Promise<void> => {
    const raw = await images.inspect(reference.text);
    if (!raw) return;
    if (before.id !== undefined && before.id !== raw.Id) await images.tag(parseImageId(before.id), reference.text);
    const added = namesOf(await images.inspect(raw.Id)).filter((name) => isOfPull(name, reference) && !before.names.has(name));
    for (const name of added) await images.removeName(name);
  };

  const pull = async (request: PullRequest, signal: AbortSignal): Promise<ImageId> => {
    signal.throwIfAborted();
    const before = await namesThere(request.reference);
    try {
      await fetchImage(request, signal);
      return await adopt(request);
    } catch (error) {
      throw await pullError(error, request.reference);
    } finally {
      // A name that stays because the engine went away in this moment is in nobody's way.
      await restoreNames(request.reference, before).catch(() => undefined);
    }
  };

  return {
    pull: (request, signal) => new Promise((resolve, reject) => {
      // Whoever gives up need not wait for a turn that somebody else's pull holds.
      const giveUp = () => { reject(signal.reason as Error); };
      signal.addEventListener('abort', giveUp, { once: true });
      turns.take(request.reference.text, () => {
        signal.removeEventListener('abort', giveUp);
        return pull(request, signal);
      }).then(resolve, reject);
    }),
  };
}

interface NamesBefore {
  /** What the reference stood for. */
  readonly id: string | undefined;
  readonly names: ReadonlySet<string>;
}

/** Tags first: with the last of them the engine takes the digests of the same repository away itself. */
const namesOf = (image: { readonly RepoTags?: readonly string[] | null | undefined; readonly RepoDigests?: readonly string[] | null | undefined } | undefined): string[] =>
  [...image?.RepoTags ?? [], ...image?.RepoDigests ?? []];

/** Whether a pull gives the name: the reference itself, and a digest of its repository. Of Docker's own hub the engine shortens names. */
function isOfPull(name: string, { registry, repository, text }: ImageReference): boolean {
  const short = (full: string) => full.replace(/^docker\.io\/(?:library\/)?/, '');
  return name === short(text) || name.startsWith(`${short(`${registry}/${repository}`)}@`);
}

/** What an image says of itself must not be taken for what we say of a container. */
const NOBODY = Object.fromEntries(Object.values(LABEL).map((name) => [name, '']));

function readLabels(image: Docker.ImageInspectInfo): Readonly<Record<string, string>> {
  // Absent where an image was imported without a configuration, whatever the types say.
  const config = image.Config as Partial<Docker.ImageInspectInfo['Config']> | null;
  return config?.Labels ?? {};
}

interface Asked {
  readonly reference: ImageReference;
  /** What its registry is shown. */
  readonly registry: Awaited<ReturnType<typeof authorizePull>>;
}

function post(docker: Docker, { reference: { registry, repository, version }, registry: shown }: Asked, signal: AbortSignal): Promise<Readable> {
  return new Promise((resolve, reject) => {
    docker.modem.dial({
      path: '/images/create?', method: 'POST', isStream: true, abortSignal: signal,
      options: { fromImage: `${registry}/${repository}`, tag: version }, ...shown, statusCodes: { 200: true },
    }, (error, response) => {
      if (error) reject(error);
      else resolve(response as Readable);
    });
  });
}

/** Ends a pull of which nothing was heard: the engine itself may wait for a silent registry for ever. */
function watchFirstWord(reference: ImageReference, { clock, ms }: { readonly clock: Clock; readonly ms: number }) {
  const over = new AbortController();
  const heard = new AbortController();
  void clock.sleep(ms, heard.signal).then(() => {
    if (!heard.signal.aborted) over.abort(new AppError('registry_unreachable', `${reference.registry} did not answer within ${ms / 1000} s.`));
  });
  return { signal: over.signal, heard: () => { heard.abort(); } };
}

const notFound = (words: string, { text, registry }: ImageReference): AppError =>
  new AppError('image_not_found', `There is no ${text}, or its registry does not show it: ${words}${words.endsWith('.') ? '' : '.'}${ifPrivate(words, registryName(registry))}`);

const SILENT = /dial tcp|connection re(?:fused|set)|no such host|no route to host|network is unreachable|i\/o timeout|TLS handshake timeout|Client\.Timeout|deadline exceeded|unexpected EOF|: EOF|server misbehaving|unexpected HTTP status: 5|\b50[234]\b|toomanyrequests/i;

function failureOf(words: string, reference: ImageReference): AppError {
  if (/manifest unknown|manifest for .* not found|repository .* not found/i.test(words)) return notFound(words, reference);
  if (SILENT.test(words)) return new AppError('registry_unreachable', `${reference.registry} could not be reached: ${words}`);
  return new AppError('pull_failed', `${reference.text} could not be pulled: ${words}`);
}
