import { parseBuildId, parseCommitHash, parseEnvironmentName, parseProjectName } from '../domain/ids.js';
import type { BuildId, BuildKey, InstanceId, ProjectName, ReleaseNumber } from '../domain/ids.js';
import type { BuildRequest, ContainerOwner, ContainerSpec } from './port.js';

/** Every label of ours; they say what exists when all else is lost. */
export const LABEL = {
  instance: 'slipway.instance',
  project: 'slipway.project',
  commit: 'slipway.commit',
  build: 'slipway.build',
  release: 'slipway.release',
  environment: 'slipway.environment',
  key: 'slipway.key',
  port: 'slipway.port',
  process: 'slipway.process',
  once: 'slipway.once',
  pulled: 'slipway.pulled',
} as const;

export type Labels = Readonly<Record<string, string>>;

/** Who an image was built for. */
export interface ImageOwner {
  readonly project: ProjectName;
  readonly key: BuildKey;
  readonly build: BuildId | null;
}

/** What an image carries. Commit and release are not among it: commits with one key share the image. */
export function imageLabels(instance: InstanceId, { project, build, key }: Pick<BuildRequest, 'project' | 'build' | 'key'>): Labels {
  return { [LABEL.instance]: instance, [LABEL.project]: project, [LABEL.build]: build, [LABEL.key]: key };
}

/** What a container carries: all our labels, also the empty ones, because an image's own labels shine through where we set none. */
export function containerLabels(instance: InstanceId, spec: ContainerSpec): Labels {
  return {
    [LABEL.instance]: instance,
    [LABEL.project]: spec.project,
    [LABEL.commit]: spec.commit ?? '',
    [LABEL.build]: spec.build ?? '',
    [LABEL.release]: String(spec.release),
    [LABEL.environment]: spec.environment ?? '',
    [LABEL.key]: '',
    [LABEL.port]: String(spec.port),
    [LABEL.process]: spec.process ?? '',
    [LABEL.once]: '',
    'traefik.enable': 'false',
  };
}

/** Whether a container was made for one purpose and serves no release. */
export const isOnce = (labels: Labels | null | undefined): boolean => labels?.[LABEL.once] === '1';

/** @returns undefined when the labels are not those of an image of ours */
export function readImageOwner(labels: Labels | null | undefined): ImageOwner | undefined {
  const key = labels?.[LABEL.key];
  if (!labels || key === undefined || !/^[0-9a-f]{64}$/.test(key)) return undefined;
  return attempt(() => ({
    project: parseProjectName(labels[LABEL.project] ?? ''),
    key: key as BuildKey,
    build: attempt(() => parseBuildId(labels[LABEL.build] ?? '')) ?? null,
  }));
}

/** @returns undefined when the labels are not those of a container of this server */
export function readContainerOwner(instance: InstanceId, labels: Labels | null | undefined): (ContainerOwner & { readonly port: number }) | undefined {
  if (labels?.[LABEL.instance] !== instance) return undefined;
  return attempt(() => ({
    project: parseProjectName(labels[LABEL.project] ?? ''),
    commit: labels[LABEL.commit] === '' ? null : parseCommitHash(labels[LABEL.commit] ?? '?'),
    release: readCount(labels[LABEL.release]) as ReleaseNumber,
    build: labels[LABEL.build] ? parseBuildId(labels[LABEL.build] ?? '') : null,
    environment: labels[LABEL.environment] ? parseEnvironmentName(labels[LABEL.environment] ?? '') : null,
    process: emptyAsNull(labels[LABEL.process]),
    port: readCount(labels[LABEL.port]),
  }));
}

const emptyAsNull = (text = ''): string | null => (text === '' ? null : text);

function readCount(text: string | undefined): number {
  if (text === undefined || !/^[1-9]\d{0,9}$/.test(text)) throw new RangeError(`not a number: ${String(text)}`);
  return Number(text);
}

function attempt<Result>(read: () => Result): Result | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
