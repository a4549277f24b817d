import { createHash } from 'node:crypto';
import { AppError } from '../../src/domain/errors.js';
import type { ImageId } from '../../src/domain/ids.js';
import { assertLabels } from '../../src/domain/image-policy.js';
import type { ContainerEngine, EngineImage, PullRequest } from '../../src/engine/port.js';
import type { FakeProgram } from './fake-containers.js';

/** What a registry has under one reference, and how it gives it out. */
export interface FakePull {
  readonly labels?: Readonly<Record<string, string>>;
  readonly exposedPorts?: readonly number[];
  /** What containers of the image do. */
  readonly program?: FakeProgram;
  /** Another text is another image under the same reference. */
  readonly content?: string;
  /** Lines of progress, in front of the end. */
  readonly lines?: readonly string[];
  /** The pull ends only once this settles; an abort ends it at once. */
  readonly until?: Promise<unknown>;
  /** How it fails. */
  readonly fail?: { readonly code: 'registry_unreachable' | 'registry_refused' | 'pull_failed'; readonly message: string };
}

/** Answers for a reference; undefined when there is no such image. */
export type FakeRegistry = (reference: string) => FakePull | undefined;

export interface FakePullDeps {
  readonly registry: FakeRegistry;
  readonly now: () => number;
  readonly images: () => Iterable<EngineImage>;
  readonly store: (image: EngineImage & { readonly program: FakeProgram }) => ImageId;
  readonly tag: (id: ImageId, name: string) => void;
  /** Rejects with the signal's reason as soon as it aborts. */
  readonly abortable: (signal: AbortSignal, work: Promise<unknown>) => Promise<unknown>;
}

const PULLED = 'slipway.pulled';
const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

const withoutOurs = (labels: FakePull['labels'] = {}) => Object.fromEntries(Object.entries(labels).filter(([name]) => !name.startsWith('slipway.')));

/** The pull verb of the fake engine. */
export function createFakePull({ registry, now, images, store, tag, abortable }: FakePullDeps): ContainerEngine['pull'] {
  const adopt = ({ project, key, build, reference }: PullRequest, found: FakePull): ImageId => {
    const raw = sha256(found.content ?? reference.text);
    const known = [...images()].find((image) => image.project === project && image.key === key && image.labels[PULLED] === raw);
    return known?.id ?? store({
      id: sha256(`pulled by ${build}`) as ImageId, project, key, build, tags: [], bytes: 1024, createdAt: now(), exposedPorts: found.exposedPorts ?? [],
      labels: { ...withoutOurs(found.labels), [PULLED]: raw }, inRegistry: false, program: found.program ?? {},
    });
  };
  return async (request, signal) => {
    signal.throwIfAborted();
    const { text } = request.reference;
    const found = registry(text);
    for (const line of found?.lines ?? [`Pulling from ${request.reference.repository}`]) request.onLine(line);
    if (found?.until) await abortable(signal, found.until);
    if (!found) throw new AppError('image_not_found', `There is no ${text}, or its registry does not show it: manifest unknown`);
    if (found.fail) throw new AppError(found.fail.code, found.fail.message);
    assertLabels(found.labels ?? {}, request.labels, request.reference);
    const id = adopt(request, found);
    for (const name of request.tags) tag(id, name);
    return id;
  };
}
