import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import Docker from 'dockerode';

/** The engine, asked directly: what a maintainer with `docker` would see. */
export const docker = new Docker();

const labelled = (label: string) => ({ label: [label] });

export const containersWith = (label: string): Promise<Docker.ContainerInfo[]> => docker.listContainers({ all: true, filters: labelled(label) });
export const networksWith = (label: string): Promise<Docker.NetworkInspectInfo[]> => docker.listNetworks({ filters: labelled(label) });
export const imagesWith = (label: string): Promise<Docker.ImageInfo[]> => docker.listImages({ filters: labelled(label) });

/** Removes all containers, networks and images that carry a label; what goes on its own meanwhile is as good. */
export async function removeAllWith(label: string): Promise<void> {
  for (const { Id } of await containersWith(label)) await quietly(docker.getContainer(Id).remove({ force: true, v: true }));
  for (const { Id } of await networksWith(label)) await quietly(docker.getNetwork(Id).remove());
  for (const { Id } of await imagesWith(label)) await quietly(docker.getImage(Id).remove({ force: true }));
}

async function quietly(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof Error) || !('statusCode' in error)) throw error;
  });
}

/** Makes the base image of the fixtures, unless it is there. */
export const ensureBaseImage = async (): Promise<void> => { await promisify(execFile)(process.execPath, ['docker/base-image.mjs']); };

/** A container that is nobody's business but the test's. */
export interface ForeignContainer extends AsyncDisposable {
  readonly id: string;
  /** Since when it runs, as the engine says; undefined once it does not. */
  runningSince(): Promise<string | undefined>;
}

/** Starts one from the base image; `labels` may be those of another server. */
export async function startForeignContainer(labels: Readonly<Record<string, string>> = {}): Promise<ForeignContainer> {
  await ensureBaseImage();
  const container = await docker.createContainer({ Image: 'slipway-demo/node', Cmd: ['sleep', '900'], Labels: { ...labels }, HostConfig: { Init: true } });
  await container.start();
  return {
    id: container.id,
    runningSince: async () => {
      const { State: { Running, StartedAt } } = await container.inspect();
      return Running ? StartedAt : undefined;
    },
    [Symbol.asyncDispose]: async () => { await quietly(container.remove({ force: true, v: true })); },
  };
}
