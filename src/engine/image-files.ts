import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { AppError } from '../domain/errors.js';
import type { ContainerId, ImageId } from '../domain/ids.js';
import { refusalStatus, toEngineError } from './client.js';
import type { EngineClient } from './client.js';
import type { ContainerEngine, ImageFile } from './port.js';
import type { TemporaryContainers } from './temporary.js';

const WHAT = 'read the files of an image';
/** What the engine puts into every container itself. */
const OF_THE_ENGINE = /^(?:\.dockerenv|(?:dev|proc|sys)(?:\/.*)?|etc\/(?:hosts|hostname|resolv\.conf|mtab))$/;
/** An archive ends with so many zeros; one that does not was cut off. */
const END_BYTES = 1024;
const EXTENDED = 'SCHILY.xattr.';

export interface ImageFilesDeps {
  readonly client: EngineClient;
  readonly temporary: TemporaryContainers;
}

/** Reads images through a container that is created and never started: the engine exports it with all layers in place. */
export function createImageFiles({ client, temporary }: ImageFilesDeps): Pick<ContainerEngine, 'files'> {
  const open = async (id: ContainerId, signal: AbortSignal): Promise<Readable> => {
    const docker = await client.connect();
    return new Promise((resolve, reject) => {
      docker.modem.dial({ path: `/containers/${id}/export`, method: 'GET', isStream: true, abortSignal: signal, statusCodes: { 200: true } }, (error, response) => {
        if (error) reject(error);
        else resolve(response as Readable);
      });
    });
  };

  const failure = (error: unknown, image: ImageId): unknown => {
    const known = client.failure(error, WHAT);
    return refusalStatus(known) === 404 ? new AppError('unknown_image', `There is no image ${image}.`, { cause: known }) : toEngineError(known);
  };

  return {
    files: async function* (image, signal) {
      try {
        signal.throwIfAborted();
        // Images may have no command of their own, and then the engine makes no container without one.
        const container = await temporary.create({ Image: image, Cmd: ['/'], HostConfig: { NetworkMode: 'none' } });
        try {
          yield* filesOf(await open(container.id, signal));
        } finally {
          await container.remove();
        }
      } catch (error) {
        throw signal.aborted ? signal.reason : failure(error, image);
      }
    },
  };
}

/** The files of an exported container. @throws AppError `engine_unavailable` when the export was cut off */
export async function* filesOf(exported: Readable): AsyncGenerator<ImageFile> {
  const archive = extract();
  const reading = pipeline(exported, wholeArchive(), archive);
  reading.catch(() => undefined);
  for await (const entry of archive) {
    const hash = createHash('sha256');
    for await (const chunk of entry) hash.update(chunk as Buffer);
    const path = entry.header.name.replace(/^(?:\.?\/)+|\/+$/g, '');
    if (path !== '' && path !== '.' && !OF_THE_ENGINE.test(path)) yield { path, digest: digestOf(entry.header, hash) };
  }
  await reading;
}

/** A further name of a file counts by the name it is linked to; the content is told with that one. */
function digestOf({ type, mode, uid, gid, linkname, devmajor, devminor, pax }: Header, content: Hash): string {
  // Such as a program's capabilities.
  const extended = Object.entries(pax ?? {}).filter(([name]) => name.startsWith(EXTENDED)).sort();
  const isLink = type === 'link' || type === 'symlink';
  const about = [type, mode & 0o7777, uid, gid, isLink ? linkname : null, type.endsWith('-device') ? [devmajor, devminor] : null, extended];
  return createHash('sha256').update(JSON.stringify(about)).update(content.digest()).digest('base64');
}

/** Lets an archive through and fails when it ends before its end: an engine that stops in between ends the stream as if all were said. */
function wholeArchive(): Transform {
  let zeros = 0;
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      const last = chunk.findLastIndex((byte) => byte !== 0);
      zeros = last < 0 ? zeros + chunk.length : chunk.length - 1 - last;
      done(null, chunk);
    },
    flush: (done) => { done(zeros >= END_BYTES ? null : new AppError('engine_unavailable', 'The container engine ended the export of an image before its end.')); },
  });
}
