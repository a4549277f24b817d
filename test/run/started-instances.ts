import { join } from 'node:path';
import { parseCommitHash, parseProjectName, type BuildKey, type ImageId, type InstanceId, type ReleaseNumber, type RouteId } from '../../src/domain/ids.js';
import { hashConfig, type Release, type RunConfig } from '../../src/domain/release.js';
import type { ContainerSpec } from '../../src/engine/port.js';
import type { ApplicationLog } from '../../src/kernel/log.js';
import { createInstances, type InstanceChange, type Instances } from '../../src/run/instances.js';
import { createRunLogs, type ReleaseName, type RunLogs, type RunLogsDeps } from '../../src/run/logs.js';
import type { Probe } from '../../src/run/probe.js';
import type { Placement } from '../../src/run/start.js';
import { createFakeClock, type FakeClock } from '../support/fake-clock.js';
import type { FakeProgram } from '../support/fake-containers.js';
import { createFakeEngine, type FakeEngine } from '../support/fake-engine.js';
import { createTestFolder } from '../support/git.js';
import { createQuietLog } from '../support/quiet-log.js';
import { collect } from '../support/until.js';

export const PROJECT = parseProjectName('shop');
export const PLACEMENT: Placement = { host: 'branch-main.localhost:3000', env: { SLIPWAY_URL: 'http://branch-main.localhost:3000' } };
const CONFIG: RunConfig = { port: null, readyTimeoutMs: 60_000, stopTimeoutMs: 10_000, memoryBytes: 512 * 1024 ** 2, cpus: 1, pids: 100, profile: 'compat', env: { FEATURE: 'on' } };

/** The release `v<n>` of an image of its own. */
export function releaseOf(n: number, image: ImageId, config: Partial<RunConfig> = {}): Release {
  const frozen = { ...CONFIG, ...config };
  return {
    project: PROJECT, number: n as ReleaseNumber, route: `r_${n}` as RouteId, build: null, image, commit: parseCommitHash('c'.repeat(40)),
    key: 'f'.repeat(64) as BuildKey, config: frozen, configHash: hashConfig(frozen), environment: null, reason: 'code', by: 'open',
    parent: null, rollbackOf: null, version: null, createdAt: 0,
  };
}

export interface StartedInstances extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly engine: FakeEngine;
  readonly instances: Instances;
  readonly logs: RunLogs;
  readonly log: ApplicationLog;
  readonly folder: string;
  /** All changes so far, as `kind` or `gone: <code>`. */
  readonly changes: readonly string[];
  readonly image: ImageId;
  /** Release v1, unless another number or other settings are given. */
  release(config?: Partial<RunConfig>, n?: number): Release;
  textsOf(release: ReleaseName): Promise<string[]>;
  /** Another server's instances over the same engine and logs. */
  another(): Instances;
}

export interface InstancesOptions {
  readonly program?: (spec: ContainerSpec) => FakeProgram | undefined;
  /** Default: everything is ready at once. */
  readonly probe?: Probe;
  readonly exposedPorts?: readonly number[];
  /** How long the engine takes to hand out a container's output. */
  readonly outputMs?: number;
  /** Of every release; may throw. Default: none. */
  readonly secrets?: () => Readonly<Record<string, string>>;
}

export const ready: Probe = async () => ({ kind: 'answer', status: 200 });
export const silent: Probe = async () => ({ kind: 'silence' });

/** The run stage over the engine in memory, on a clock that stands. */
export async function startInstances({ program, probe = ready, exposedPorts = [], outputMs = 0, secrets = () => ({}) }: InstancesOptions = {}): Promise<StartedInstances> {
  const temporary = createTestFolder();
  const clock = createFakeClock();
  const log = createQuietLog();
  const engine = createFakeEngine({ instance: 'abcdef01' as InstanceId, clock, ...(program ? { program } : {}) });
  const image = engine.addImage({ project: PROJECT, key: 'f'.repeat(64) as BuildKey, exposedPorts });
  const folder = join(temporary.path, 'releases');
  const slowly: Pick<FakeEngine, 'output'> = {
    output: async function* (id, options) {
      await clock.sleep(outputMs, options.signal);
      yield* engine.output(id, options);
    },
  };
  const releases: RunLogsDeps['releases'] = { find: async (_project, number) => releaseOf(number, image), secretsOf: async () => secrets() };
  const logs = createRunLogs({ folder, engine: outputMs > 0 ? slowly : engine, releases, log });
  const all: Instances[] = [];
  const over = new AbortController();
  const another = () => {
    const made = createInstances({ engine, probe, logs, clock, log });
    all.push(made);
    return made;
  };
  const hear = async () => {
    for await (const event of engine.watch(over.signal)) {
      if (event.kind === 'container-lost') for (const each of all) void each.lost(event.container, event.byHand);
    }
  };
  const hearing = hear();
  const instances = another();
  const changes: string[] = [];
  instances.onChange((change) => { changes.push(describeChange(change)); });
  return {
    clock, engine, instances, logs, log, folder, changes, image, another,
    release: (config, n = 1) => releaseOf(n, image, config),
    textsOf: async (release) => (await collect(logs.read(release, undefined))).map(({ text }) => text),
    [Symbol.asyncDispose]: async () => {
      over.abort();
      await hearing;
      await Promise.all(all.map((each) => each.close()));
      await engine[Symbol.asyncDispose]();
      temporary[Symbol.dispose]();
    },
  };
}

function describeChange(change: InstanceChange): string {
  return change.kind === 'gone' && change.error ? `gone: ${change.error.code}` : change.kind;
}
