import type Docker from 'dockerode';
import { AppError } from '../domain/errors.js';
import { parseImageId } from '../domain/ids.js';
import type { ImageId, ProjectName } from '../domain/ids.js';
import { accepting, refusalStatus } from './client.js';
import type { Deadlines, EngineClient } from './client.js';
import { LABEL, readImageOwner } from './labels.js';
import type { Labels } from './labels.js';
import type { EngineImage } from './port.js';

export interface Images {
  readonly list: (project: ProjectName) => Promise<readonly EngineImage[]>;
  readonly find: (id: ImageId) => Promise<EngineImage | undefined>;
  readonly tag: (id: ImageId, tag: string) => Promise<void>;
  readonly remove: (id: ImageId) => Promise<void>;
  /** The engine's own answer for any image by its id or a name; undefined when there is none. */
  readonly inspect: (idOrName: string) => Promise<Docker.ImageInspectInfo | undefined>;
  /** Takes a name from an image; an image without a name goes. Nothing happens when nothing has it. */
  readonly removeName: (name: string) => Promise<void>;
  /** Images of ours that carry all of the labels. */
  readonly labelled: (labels: Labels) => Promise<readonly EngineImage[]>;
  /** @throws AppError `build_failed` unless the image is there and carries the labels */
  readonly confirm: (id: ImageId, labels: Labels) => Promise<void>;
}

/** Some engines give a digest to everything that has a name. */
const OWN_NAMES = 'slipway/';
/** Inspections at a time; the engine serialises them anyway. */
const PARALLEL = 8;

export function createImages({ client, deadlines: { read, remove } }: { client: EngineClient; deadlines: Deadlines }): Images {
  const inspect = (id: string) => accepting([404], client.call({
    what: 'inspect an image', ms: read, again: true, run: (docker) => docker.getImage(id).inspect(),
  }));

  const find: Images['find'] = async (id) => {
    const image = await inspect(id);
    return image && readImage(image);
  };

  const findAll = async (label: readonly string[]): Promise<EngineImage[]> => {
    const listed = await client.call({ what: 'list images', ms: read, again: true, run: (docker) => docker.listImages({ filters: { label: [...label] } }) });
    const images: EngineImage[] = [];
    const ids = listed.map((image) => parseImageId(image.Id));
    for (let at = 0; at < ids.length; at += PARALLEL) {
      const found = await Promise.all(ids.slice(at, at + PARALLEL).map(find));
      images.push(...found.filter((image) => image !== undefined));
    }
    return images;
  };

  /** By name only: by id, the engine refuses as soon as two names share the image. */
  const removeName = async (name: string) => {
    await accepting([404], client.call({ what: 'remove an image', ms: remove, run: (docker) => docker.getImage(name).remove() }));
  };

  const usersOf = (id: ImageId) => client.call({
    what: 'list containers', ms: read, again: true, run: (docker) => docker.listContainers({ all: true, filters: { ancestor: [id] } }),
  });

  return {
    find,
    inspect, removeName,
    labelled: (labels) => findAll(Object.entries(labels).map(([name, value]) => `${name}=${value}`)),
    list: async (project) => {
      const images = await findAll([LABEL.key, `${LABEL.project}=${project}`]);
      return images.filter((image) => image.project === project).sort((a, b) => b.createdAt - a.createdAt);
    },
    tag: async (id, tag) => {
      const { repo, name } = splitTag(tag);
      await client.call({ what: 'tag an image', ms: read, again: true, run: (docker) => docker.getImage(id).tag({ repo, tag: name }) });
    },
    remove: async (id) => {
      const image = await find(id);
      if (!image) return;
      const users = (await usersOf(id)).filter((user) => user.ImageID === id);
      if (users.length > 0) {
        throw new AppError('too_busy', `The image is used by ${users.length} container(s) and stays. Stop them first.`);
      }
      try {
        // A build that ended just now may have given the name to its own image.
        for (const tag of image.tags) if ((await inspect(tag))?.Id === id) await removeName(tag);
        await removeName(id);
      } catch (error) {
        if (refusalStatus(error) !== 409) throw error;
        throw new AppError('too_busy', 'The image came into use while it was removed, and stays.', { cause: error });
      }
    },
    confirm: async (id, labels) => {
      const own = (await inspect(id))?.Config.Labels ?? {};
      const wrong = Object.entries(labels).find(([name, value]) => own[name] !== value);
      if (wrong) throw new AppError('build_failed', `The engine reported an image that is not this build's: its label ${wrong[0]} is ${own[wrong[0]] ?? 'missing'}. Build again.`);
    },
  };
}

/** @returns undefined when the image is not one of ours */
function readImage(image: Docker.ImageInspectInfo): EngineImage | undefined {
  // Absent where an image was imported without a configuration, whatever the types say.
  const config = image.Config as Partial<Docker.ImageInspectInfo['Config']> | null;
  const owner = readImageOwner(config?.Labels);
  if (!owner) return undefined;
  return {
    ...owner,
    id: parseImageId(image.Id),
    tags: [...(image.RepoTags as string[] | null) ?? []].sort(),
    bytes: image.Size,
    createdAt: Date.parse(image.Created),
    exposedPorts: readExposedPorts(config?.ExposedPorts),
    labels: config?.Labels ?? {},
    inRegistry: [...(image.RepoDigests as string[] | null) ?? []].some((name) => !name.startsWith(OWN_NAMES)),
  };
}

function readExposedPorts(exposed: Readonly<Record<string, unknown>> | null | undefined): readonly number[] {
  return Object.keys(exposed ?? {})
    .map((name) => /^(\d+)(?:\/tcp)?$/.exec(name)?.[1])
    .filter((port) => port !== undefined)
    .map(Number)
    .filter((port) => port > 0 && port <= 65_535)
    .sort((a, b) => a - b);
}

/** The colon of a registry's port is not that of a tag. */
function splitTag(tag: string): { repo: string; name: string } {
  const colon = tag.lastIndexOf(':');
  return colon > tag.lastIndexOf('/') ? { repo: tag.slice(0, colon), name: tag.slice(colon + 1) } : { repo: tag, name: 'latest' };
}
