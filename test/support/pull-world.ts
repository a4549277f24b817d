import { createServer } from 'node:http';
import { createHash, randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { ulid } from 'ulid';
import type { BuildId, BuildKey, InstanceId, ProjectName } from '../../src/domain/ids.js';
import { parseImageReference } from '../../src/domain/image-reference.js';
import type { ContainerEngine, PullRequest } from '../../src/engine/port.js';
import { systemClock } from '../../src/kernel/clock.js';
import { enterDocker, openDocker } from './engine-world.js';
import { createFakeEngine } from './fake-engine.js';
import type { FakePull } from './fake-registry.js';
import { pushImage, startRegistry, type PushedImage } from './registry.js';

/** An engine and a registry beside it. */
export interface PullHome extends AsyncDisposable {
  readonly engine: ContainerEngine;
  readonly project: ProjectName;
  readonly registry: string;
  /** Puts an image in the registry under `name:tag`. @returns its digest */
  push(name: string, image?: PushedImage): Promise<string>;
  /** An address on which no registry listens. */
  readonly silent: string;
}

export type PullWorld = readonly [name: string, enter: () => Promise<PullHome>];

export const PULL_WORLDS: readonly PullWorld[] = [['fake', enterFake], ['docker', enterReal]];

const hex = (bytes: number) => randomBytes(bytes).toString('hex');
const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

async function enterFake(): Promise<PullHome> {
  const registry = 'registry.example.com';
  const silent = 'silent.example.com';
  const images = new Map<string, FakePull>();
  const engine = createFakeEngine({
    instance: hex(4) as InstanceId, clock: systemClock,
    registry: (text) => (text.startsWith(silent) ? { fail: { code: 'registry_unreachable', message: `${silent} could not be reached: connection refused` } } : images.get(text)),
  });
  return {
    engine, registry, silent, project: `t${hex(4)}` as ProjectName,
    push: async (name, { ballast, ...image } = {}) => {
      const digest = sha256(JSON.stringify([name, image]));
      const found: FakePull = { ...image, content: digest, ...(ballast ? { until: new Promise(() => undefined) } : {}) };
      images.set(`${registry}/${name}`, found);
      images.set(`${registry}/${name.split(':')[0] ?? ''}@${digest}`, found);
      return digest;
    },
    [Symbol.asyncDispose]: engine[Symbol.asyncDispose],
  };
}

async function enterReal(): Promise<PullHome> {
  const home = await enterDocker();
  const registry = await startRegistry();
  return {
    engine: home.engine, project: home.project, registry: registry.host, silent: `127.0.0.1:${await closedPort()}`,
    push: (name, image) => pushImage(openDocker(), `${registry.host}/${name}`, image),
    [Symbol.asyncDispose]: async () => { await home[Symbol.asyncDispose](); await registry[Symbol.asyncDispose](); },
  };
}

/** A port that was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => { server.close(() => { resolve(); }); });
  return port;
}

export interface KeptPull extends PullRequest { readonly lines: string[] }

/** A request for an image of the registry that keeps the lines of progress. */
export function pullOf({ project, registry }: Pick<PullHome, 'project' | 'registry'>, name: string, change: Partial<PullRequest> = {}): KeptPull {
  const lines: string[] = [];
  return {
    project, build: `b_${ulid()}` as BuildId, key: hex(32) as BuildKey, reference: parseImageReference(`${registry}/${name}`), labels: {}, tags: [],
    onLine: (line) => { lines.push(line); }, lines, ...change,
  };
}
